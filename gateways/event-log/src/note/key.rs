//! Keys for signed notes, in the text forms that the tools of that ecosystem read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// The signature type of Ed25519 in key texts.
const ED25519: u8 = 0x01;

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
            verifier: NoteVerifier { name: name.to_owned(), hash: hash_of(name, &public), key: public },
            key,
        }
    }

    /// Reads `PRIVATE+KEY+name+hash+base64`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim_end().strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Malformed)?;
        let (name, hash, seed) = split(rest)?;
        let signer = Self::from_seed(name, &seed);
        if signer.verifier.hash == hash { Ok(signer) } else { Err(KeyError::WrongHash) }
    }

    /// The text that [`Self::parse`] reads. Secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let seed = self.key.to_bytes();
        format!("{PRIVATE_PREFIX}{}", join(&self.verifier.name, self.verifier.hash, &seed))
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
        let (name, hash, key) = split(text.trim_end())?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyError::Malformed)?;
        let verifier = Self { name: name.to_owned(), hash: hash_of(name, &key), key };
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
        f.write_str(&join(&self.name, self.hash, self.key.as_bytes()))
    }
}

/// SHA-256(name || newline || algorithm || public key), its first four bytes.
fn hash_of(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn join(name: &str, hash: [u8; 4], key: &[u8; 32]) -> String {
    let mut bytes = vec![ED25519];
    bytes.extend_from_slice(key);
    format!("{name}+{:08x}+{}", u32::from_be_bytes(hash), STANDARD.encode(bytes))
}

fn split(text: &str) -> Result<(&str, [u8; 4], [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Malformed);
    };
    if name.is_empty() || name.contains(char::is_whitespace) || hash.len() != 8 {
        return Err(KeyError::Malformed);
    }
    let hash = u32::from_str_radix(hash, 16).map_err(|_| KeyError::Malformed)?.to_be_bytes();
    let bytes = STANDARD.decode(key).map_err(|_| KeyError::Malformed)?;
    match bytes.split_first() {
        Some((&ED25519, key)) => {
            let key = key.try_into().map_err(|_| KeyError::Malformed)?;
            Ok((name, hash, key))
        }
        Some(_) => Err(KeyError::OtherAlgorithm),
        None => Err(KeyError::Malformed),
    }
}
