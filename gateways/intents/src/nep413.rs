//! NEP-413: the bytes that an ed25519 key signs for a text message, and the texts of key and signature.
//!
//! `preimage = u32le(2^31 + 413) | u32le(len) message | nonce[32] | u32le(len) recipient | 00`, or instead of the
//! last byte `01 | u32le(len) callback`. The key signs `sha256(preimage)`; base58 of that digest is the quote hash.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// What keeps these bytes from ever being a NEAR transaction: 2^31 + 413.
const TAG: u32 = 2_147_484_061;

/// Longest field, in bytes. Anything longer than a mebibyte is not an offer.
const FIELD_BYTES_MAX: usize = 1_048_576;

/// What stands before the base58 text of a key or signature.
const ED25519_PREFIX: &str = "ed25519:";

/// What is signed, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The text.
    pub message: &'a str,
    /// Used once per account.
    pub nonce: [u8; 32],
    /// The contract that it is meant for.
    pub recipient: &'a str,
    /// Where a wallet would send the signature; makers have none.
    pub callback_url: Option<&'a str>,
}

/// The 32 bytes that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// Why bytes or text are not what NEP-413 wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field is too long to be signed.
    #[error("the {field} has {bytes} bytes, at most {FIELD_BYTES_MAX} are signed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Not `ed25519:` and base58 of the right length.
    #[error("{what} must be `{ED25519_PREFIX}` and base58 of {bytes} bytes")]
    Text {
        /// A key or a signature.
        what: &'static str,
        /// How many bytes it has.
        bytes: usize,
    },
    /// The 32 bytes are no point of the curve.
    #[error("the public key is no ed25519 key")]
    Key,
    /// The signature is not this key's signature of this digest.
    #[error("the signature does not fit key and digest")]
    Signature,
}

impl Payload<'_> {
    /// The bytes that are hashed.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLong`].
    pub fn preimage(&self) -> Result<Vec<u8>, Malformed> {
        let mut bytes =
            Vec::with_capacity(self.message.len().saturating_add(self.recipient.len()).saturating_add(64));
        bytes.extend_from_slice(&TAG.to_le_bytes());
        push_text(&mut bytes, "message", self.message)?;
        bytes.extend_from_slice(&self.nonce);
        push_text(&mut bytes, "recipient", self.recipient)?;
        match self.callback_url {
            None => bytes.push(0),
            Some(url) => {
                bytes.push(1);
                push_text(&mut bytes, "callback url", url)?;
            }
        }
        Ok(bytes)
    }

    /// The 32 bytes that are signed.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooLong`].
    pub fn digest(&self) -> Result<Digest, Malformed> {
        Ok(Digest(Sha256::digest(self.preimage()?).into()))
    }
}

impl Digest {
    /// Base58: the quote hash, and the hash of the intent on chain.
    #[must_use]
    pub fn base58(&self) -> String {
        bs58::encode(self.0).into_string()
    }
}

/// `ed25519:` and base58.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    format!("{ED25519_PREFIX}{}", bs58::encode(bytes).into_string())
}

/// The bytes of a key or signature text.
///
/// # Errors
///
/// [`Malformed::Text`] naming `what`, never the text.
pub fn bytes<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], Malformed> {
    let malformed = Malformed::Text { what, bytes: N };
    let Some(base58) = text.strip_prefix(ED25519_PREFIX) else { return Err(malformed) };
    let mut decoded = [0; N];
    match bs58::decode(base58).onto(&mut decoded[..]) {
        Ok(length) if length == N => Ok(decoded),
        Ok(_) | Err(_) => Err(malformed),
    }
}

/// Checks a signature as the verifier contract would.
///
/// # Errors
///
/// [`Malformed`] says what is wrong.
pub fn verify(public_key: &str, digest: Digest, signature: &str) -> Result<(), Malformed> {
    verify_bytes(public_key, &digest.0, signature)
}

/// Checks an ed25519 signature over any bytes; [`verify`] is this over a digest.
///
/// # Errors
///
/// [`Malformed`] says what is wrong.
pub fn verify_bytes(public_key: &str, signed: &[u8], signature: &str) -> Result<(), Malformed> {
    let key =
        VerifyingKey::from_bytes(&bytes::<32>("the public key", public_key)?).map_err(|_| Malformed::Key)?;
    let signature = Signature::from_bytes(&bytes::<64>("the signature", signature)?);
    key.verify_strict(signed, &signature).map_err(|_| Malformed::Signature)
}

fn push_text(bytes: &mut Vec<u8>, field: &'static str, text: &str) -> Result<(), Malformed> {
    let too_long = Malformed::TooLong { field, bytes: text.len() };
    if text.len() > FIELD_BYTES_MAX {
        return Err(too_long);
    }
    let length = u32::try_from(text.len()).map_err(|_| too_long)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}
