//! The signing key: where it comes from, and what it does. It never leaves this file.
//!
//! It comes from a file or an environment variable, never from a flag, which every user of the machine could read.
//! Errors and `Debug` say what is wrong and never what was found.

use crate::nep413::{self, Digest, Malformed};
use ed25519_dalek::Signer as _;
use serde::Deserialize;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Largest key file, in bytes.
const FILE_BYTES_MAX: u64 = 16_384;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that only its owner can read.
    File(PathBuf),
    /// The name of an environment variable.
    Env(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Why there is no key. No variant holds any of the content.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No source is configured.
    #[error("no key file or variable is configured")]
    NotConfigured,
    /// The file can't be opened or read.
    #[error("{path} can't be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read or change the file.
    #[error("{path} has mode {mode:03o}: others can get at the key; run `chmod 600` on it")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory, a device, or larger than a key file can be.
    #[error("{path} is not a regular file of at most {FILE_BYTES_MAX} bytes")]
    NotAFile {
        /// Which file.
        path: PathBuf,
    },
    /// The variable is not set, or is not text.
    #[error("environment variable {name} is not set to text")]
    Unset {
        /// Which variable.
        name: String,
    },
    /// What was found is not a key.
    #[error("{origin} holds no key: {what}")]
    Malformed {
        /// Where it was found.
        origin: KeySource,
        /// What it should have been.
        what: &'static str,
    },
}

/// An ed25519 key that signs offers. Wiped from memory when it is dropped.
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: String,
}

/// A bearer token. Wiped from memory when it is dropped.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<String>);

impl SigningKey {
    /// Reads the key: `ed25519:` and base58 of 64 bytes (seed and public key, as NEAR writes it) or of the 32 bytes
    /// of the seed. A file may also be NEAR credentials, a JSON object with `private_key`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says where and what, never the content.
    pub fn load(source: &KeySource) -> Result<Self, KeyError> {
        let text = read(source)?;
        Self::parse(&text).map_err(|what| KeyError::Malformed { origin: source.clone(), what })
    }

    /// The public key, `ed25519:` and base58.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Signs a digest and checks the signature before it is handed out. The same digest gives the same signature.
    ///
    /// # Errors
    ///
    /// [`Malformed::Signature`] when the own signature does not verify: the machine computes wrongly.
    pub fn sign(&self, digest: Digest) -> Result<String, Malformed> {
        let signature = nep413::text(&self.secret.sign(&digest.0).to_bytes());
        nep413::verify(&self.public, digest, &signature)?;
        Ok(signature)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.starts_with('{') {
            let credentials: Credentials =
                serde_json::from_str(text).map_err(|_| "the JSON is no object with a text `private_key`")?;
            let inner = Zeroizing::new(credentials.private_key);
            return Self::from_near(inner.trim());
        }
        Self::from_near(text)
    }

    fn from_near(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "it must be `ed25519:` and base58 of 32 or 64 bytes";
        if let Ok(seed) = nep413::bytes::<32>("the key", text).map(Zeroizing::new) {
            return Ok(Self::from_seed(&seed));
        }
        let pair = nep413::bytes::<64>("the key", text).map(Zeroizing::new).map_err(|_| SHAPE)?;
        let secret = ed25519_dalek::SigningKey::from_keypair_bytes(&pair)
            .map_err(|_| "its last 32 bytes are not the public key of its first 32")?;
        Ok(Self::from_secret(secret))
    }

    fn from_seed(seed: &[u8; 32]) -> Self {
        Self::from_secret(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    fn from_secret(secret: ed25519_dalek::SigningKey) -> Self {
        let public = nep413::text(secret.verifying_key().as_bytes());
        Self { secret, public }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl BearerToken {
    /// Reads a token: one line of visible ASCII.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says where and what, never the content.
    pub fn load(source: &KeySource) -> Result<Self, KeyError> {
        let text = read(source)?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            let what = "a token is one word of visible ASCII";
            return Err(KeyError::Malformed { origin: source.clone(), what });
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// The value of an `Authorization` header.
    pub(crate) fn header(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.0.as_str()))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// NEAR's credentials file; the account and public key in it are not needed.
#[derive(Deserialize)]
struct Credentials {
    #[serde(alias = "secret_key")]
    private_key: String,
}

fn read(source: &KeySource) -> Result<Zeroizing<String>, KeyError> {
    match source {
        KeySource::File(path) => read_file(path),
        KeySource::Env(name) => {
            std::env::var(name).map(Zeroizing::new).map_err(|_| KeyError::Unset { name: name.clone() })
        }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // The open file is asked, not the path: nobody can swap it in between.
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(KeyError::NotAFile { path: path.to_owned() });
    }
    owner_only(path, &meta)?;
    // Room for all of it: a string that grows leaves copies behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or(0)));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(unix)]
fn owner_only(path: &Path, meta: &std::fs::Metadata) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = meta.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { Err(KeyError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn owner_only(_path: &Path, _meta: &std::fs::Metadata) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests;
