//! The key that a client shows: read from a file that is its owner's alone, and never said.

use super::setup::SetupError;
use crate::papers::{self, Unread};
use axum::http::HeaderValue;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// What every key begins with.
const PREFIX: &str = "stele_";
/// Longest key file, in bytes. A key has about a hundred.
const FILE_BYTES_MAX: usize = 4_096;

/// A key.
#[derive(Clone)]
pub struct AccessKey {
    header: HeaderValue,
}

impl AccessKey {
    /// Reads a key file. It must hold one key, and nobody but its owner may be able to read it.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, and what to do about it.
    pub fn load(path: &Path) -> Result<Self, SetupError> {
        let bytes = papers::private(path, FILE_BYTES_MAX).map_err(|unread| refused(path, unread))?;
        let key = std::str::from_utf8(&bytes).ok().and_then(Self::read);
        key.ok_or_else(|| SetupError::NotAKey { path: path.to_owned() })
    }

    /// A key from its text; none when it is no key.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let key = text.trim();
        if !key.starts_with(PREFIX) || key.contains(|letter: char| !letter.is_ascii_graphic()) {
            return None;
        }
        let text = Zeroizing::new(format!("Bearer {key}"));
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(Self { header })
    }

    /// As the `authorization` header has it.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// Why a file that should hold a key is not used.
pub(super) fn refused(path: &Path, unread: Unread) -> SetupError {
    let path = path.to_owned();
    match unread {
        Unread::Io(source) => SetupError::KeyFileUnreadable { path, source },
        Unread::Open { mode } => SetupError::KeyFileOpen { path, mode },
        Unread::TooLarge { .. } => SetupError::NotAKey { path },
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::AccessKey;
    use crate::client::setup::SetupError;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_file_is_read_when_it_is_its_owner_s_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "stele_k1_secret_00000000\n").unwrap();
        for (mode, fits) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let outcome = AccessKey::load(&path);
            assert_eq!(outcome.is_ok(), fits, "{mode:o}: {outcome:?}");
            if let Err(error) = outcome {
                let words = error.to_string();
                assert!(words.contains("chmod 600") && words.contains(&format!("{mode:o}")), "{words}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let long = format!("stele_{}", "x".repeat(5_000));
        for text in ["", "hunter2", &long, "stele_a b", "stele_k1\nstele_k2", "stele_ä"] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let error = AccessKey::load(&path).unwrap_err();
            assert!(matches!(error, SetupError::NotAKey { .. }), "{error:?}");
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text));
        }
        assert!(matches!(
            AccessKey::load(&directory.path().join("none")),
            Err(SetupError::KeyFileUnreadable { .. })
        ));
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = AccessKey::read("stele_k1_verysecret").unwrap();
        assert!(!format!("{key:?} {:?}", key.header()).contains("verysecret"));
    }
}
