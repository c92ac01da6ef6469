//! NEP-413 messages, ed25519 and the versioned nonce, written from the specification.
//!
//! This is **not** the code that the desk signs with, on purpose: two readings of one specification that are
//! both held against published vectors find a misreading that one of them, used on both sides, would hide.

use crate::clock::{NANOS_PER_MILLI, Nanos};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use sha2::{Digest, Sha256};

/// 2^31 + 413: set apart from every transaction a NEAR key may sign.
const TAG: u32 = 2_147_484_061;

/// First bytes of a nonce that carries a salt and a deadline.
const VERSIONED_MAGIC: [u8; 4] = [0x56, 0x28, 0xf6, 0xc6];

/// What comes before the text of every ed25519 key and signature.
const KEY_PREFIX: &str = "ed25519:";

/// The bytes that the digest is taken of.
#[must_use]
pub fn preimage(message: &str, nonce: &[u8; 32], recipient: &str, callback_url: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + message.len() + recipient.len());
    bytes.extend_from_slice(&TAG.to_le_bytes());
    push_text(&mut bytes, message);
    bytes.extend_from_slice(nonce);
    push_text(&mut bytes, recipient);
    match callback_url {
        None => bytes.push(0),
        Some(url) => {
            bytes.push(1);
            push_text(&mut bytes, url);
        }
    }
    bytes
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Base58 text, as hashes are written.
#[must_use]
pub fn base58(bytes: &[u8]) -> String {
    bs58::encode(bytes).into_string()
}

/// Base64 text, as nonces and arguments are written.
#[must_use]
pub fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of base64 text.
#[must_use]
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Whether `signature` over `signed` is by `public_key`, both in `ed25519:` text.
#[must_use]
pub fn signed_by(public_key: &str, signature: &str, signed: &[u8]) -> bool {
    let checked = || {
        let key = VerifyingKey::from_bytes(&key_bytes(public_key)?).ok()?;
        let signature = Signature::from_bytes(&text_bytes::<64>(signature)?);
        key.verify(signed, &signature).ok()
    };
    checked().is_some()
}

/// The 32 bytes of an `ed25519:` public key.
#[must_use]
pub fn key_bytes(public_key: &str) -> Option<[u8; 32]> {
    text_bytes(public_key)
}

fn text_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let decoded = bs58::decode(text.strip_prefix(KEY_PREFIX)?).into_vec().ok()?;
    decoded.try_into().ok()
}

/// A key of the simulated world: a taker's or a rival's. The desk's keys never come here.
#[derive(Clone)]
pub struct Signatory(SigningKey);

impl Signatory {
    /// The key of a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// `ed25519:` and base58.
    #[must_use]
    pub fn public_key(&self) -> String {
        format!("{KEY_PREFIX}{}", base58(self.0.verifying_key().as_bytes()))
    }

    /// `ed25519:` and base58 of the signature over `bytes`.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        format!("{KEY_PREFIX}{}", base58(&self.0.sign(bytes).to_bytes()))
    }
}

impl std::fmt::Debug for Signatory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signatory").field(&self.public_key()).finish()
    }
}

/// What a versioned nonce says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionedNonce {
    /// Must be among the contract's valid salts.
    pub salt: [u8; 4],
    /// After this the nonce may be forgotten.
    pub deadline_ns: u64,
    /// What tells two nonces apart.
    pub random: [u8; 15],
}

impl VersionedNonce {
    /// Reads a nonce; `None` for one of the older kind, which is random throughout.
    #[must_use]
    pub fn read(nonce: &[u8; 32]) -> Option<Self> {
        let rest = nonce.strip_prefix(&VERSIONED_MAGIC)?.strip_prefix(&[0])?;
        let (salt, rest) = rest.split_first_chunk::<4>()?;
        let (deadline, random) = rest.split_first_chunk::<8>()?;
        Some(Self {
            salt: *salt,
            deadline_ns: u64::from_le_bytes(*deadline),
            random: <[u8; 15]>::try_from(random).ok()?,
        })
    }

    /// The 32 bytes.
    #[must_use]
    pub fn write(&self) -> [u8; 32] {
        let mut nonce = [0_u8; 32];
        nonce[..4].copy_from_slice(&VERSIONED_MAGIC);
        nonce[5..9].copy_from_slice(&self.salt);
        nonce[9..17].copy_from_slice(&self.deadline_ns.to_le_bytes());
        nonce[17..].copy_from_slice(&self.random);
        nonce
    }

    /// A nonce with its deadline in milliseconds, as the desks' tools write it.
    #[must_use]
    pub fn with_deadline(salt: [u8; 4], deadline: Nanos, random: [u8; 15]) -> Self {
        let whole = deadline.div_euclid(NANOS_PER_MILLI) * NANOS_PER_MILLI;
        Self { salt, deadline_ns: u64::try_from(whole).unwrap_or(u64::MAX), random }
    }
}

#[cfg(test)]
mod tests;
