//! Keys for signed notes, in the text forms that the tools of that ecosystem read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// The signature type of Ed25519 in key texts.
const ED25519: u8 = 0x01;

/// The signature type of an Ed25519 cosignature in key texts.
const COSIGNATURE: u8 = 0x04;

/// The latest time that a cosignature may have, in seconds since 1970.
const TIME_MAX: u64 = u64::MAX >> 1;

/// How a private key's text begins.
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Why a text is no key. Says nothing of the text itself, which may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not of the form `name+hash+base64`.
    #[error("this is not a key in signed-note form")]
    Malformed,
    /// The key is not Ed25519.
    #[error("this key is not an Ed25519 key")]
    OtherAlgorithm,
    /// The key signs something else than cosignatures.
    #[error("this is not the key of a witness: its type is not 4, an Ed25519 cosignature")]
    NoWitness,
    /// The hash in the text is not that of its name and key.
    #[error("the key's hash does not belong to its name")]
    WrongHash,
}

/// Signs notes under a name. Its private part is never shown.
pub struct NoteSigner {
    verifier: NoteVerifier,
    key: SigningKey,
}

/// Checks the notes that one key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    hash: [u8; 4],
    key: VerifyingKey,
}

impl NoteSigner {
    /// The signer with this seed. A name has no spaces and no `+`.
    #[must_use]
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        Self {
            verifier: NoteVerifier {
                name: name.to_owned(),
                hash: hash_of(name, ED25519, &public),
                key: public,
            },
            key,
        }
    }

    /// Reads `PRIVATE+KEY+name+hash+base64`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim_end().strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Malformed)?;
        let (name, hash, seed) = split(rest, ED25519, KeyError::OtherAlgorithm)?;
        let signer = Self::from_seed(name, &seed);
        if signer.verifier.hash == hash { Ok(signer) } else { Err(KeyError::WrongHash) }
    }

    /// The text that [`Self::parse`] reads. Secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let seed = self.key.to_bytes();
        format!("{PRIVATE_PREFIX}{}", join(&self.verifier.name, self.verifier.hash, ED25519, &seed))
    }

    /// Name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// What checks the notes that this key signs.
    #[must_use]
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The signature of `text` as it stands in a note.
    pub(super) fn signature(&self, text: &str) -> String {
        let mut bytes = self.verifier.hash.to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        STANDARD.encode(bytes)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner").field("name", &self.verifier.name).finish_non_exhaustive()
    }
}

impl NoteVerifier {
    /// Reads `name+hash+base64`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, key) = split(text.trim_end(), ED25519, KeyError::OtherAlgorithm)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyError::Malformed)?;
        let verifier = Self { name: name.to_owned(), hash: hash_of(name, ED25519, &key), key };
        if verifier.hash == hash { Ok(verifier) } else { Err(KeyError::WrongHash) }
    }

    /// Name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature line is right; `None` when it is by another key.
    pub(super) fn check(&self, signer: &str, text: &str, signature: &str) -> Option<bool> {
        let bytes = STANDARD.decode(signature).ok()?;
        let (hash, signature) = bytes.split_first_chunk::<4>()?;
        if signer != self.name || *hash != self.hash {
            return None;
        }
        let signature = signature.first_chunk::<64>().filter(|_| signature.len() == 64)?;
        Some(self.key.verify_strict(text.as_bytes(), &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for NoteVerifier {
    /// The text that [`NoteVerifier::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(&self.name, self.hash, ED25519, self.key.as_bytes()))
    }
}

/// Checks the cosignatures of one witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    hash: [u8; 4],
    key: VerifyingKey,
}

impl WitnessKey {
    /// Reads `name+hash+base64`, the key being one of type 4.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, key) = split(text.trim_end(), COSIGNATURE, KeyError::NoWitness)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyError::Malformed)?;
        let witness = Self { name: name.to_owned(), hash: hash_of(name, COSIGNATURE, &key), key };
        if witness.hash == hash { Ok(witness) } else { Err(KeyError::WrongHash) }
    }

    /// Name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the witness says to have cosigned, in seconds since 1970; `None` when the line is by another key, and an
    /// error when it is by this one and wrong.
    pub(super) fn check(&self, signer: &str, text: &str, signature: &str) -> Option<Result<u64, ()>> {
        let bytes = STANDARD.decode(signature).ok()?;
        let (hash, stamped) = bytes.split_first_chunk::<4>()?;
        if signer != self.name || *hash != self.hash {
            return None;
        }
        let parts = stamped.split_first_chunk::<8>().and_then(|(time, rest)| {
            let signature = rest.first_chunk::<64>().filter(|_| rest.len() == 64)?;
            Some((u64::from_be_bytes(*time), Signature::from_bytes(signature)))
        });
        let right = parts.filter(|(time, signature)| {
            let message = format!("cosignature/v1\ntime {time}\n{text}");
            *time <= TIME_MAX && self.key.verify_strict(message.as_bytes(), signature).is_ok()
        });
        Some(right.map(|(time, _)| time).ok_or(()))
    }
}

impl fmt::Display for WitnessKey {
    /// The text that [`WitnessKey::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(&self.name, self.hash, COSIGNATURE, self.key.as_bytes()))
    }
}

/// SHA-256(name || newline || algorithm || public key), its first four bytes.
fn hash_of(name: &str, algorithm: u8, key: &VerifyingKey) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', algorithm]).chain_update(key.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn join(name: &str, hash: [u8; 4], algorithm: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![algorithm];
    bytes.extend_from_slice(key);
    format!("{name}+{:08x}+{}", u32::from_be_bytes(hash), STANDARD.encode(bytes))
}

/// Name, hash and key of a text; a key of another algorithm than the wanted one is the `other` error.
fn split(text: &str, wanted: u8, other: KeyError) -> Result<(&str, [u8; 4], [u8; 32]), KeyError> {
    let malformed = KeyError::Malformed;
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed);
    };
    if name.is_empty() || name.contains(char::is_whitespace) || hash.len() != 8 {
        return Err(malformed);
    }
    let hash = u32::from_str_radix(hash, 16).map_err(|_| malformed)?.to_be_bytes();
    let bytes = STANDARD.decode(key).map_err(|_| malformed)?;
    match bytes.split_first() {
        Some((algorithm, key)) if *algorithm == wanted => {
            let key = key.try_into().map_err(|_| malformed)?;
            Ok((name, hash, key))
        }
        Some(_) => Err(other),
        None => Err(malformed),
    }
}
