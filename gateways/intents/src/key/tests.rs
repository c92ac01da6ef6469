//! Where keys come from, and that nothing of them comes out.

use super::{BearerToken, KeyError, KeySource, SigningKey};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// The public test key of the vectors: seed 00 01 02 … 1f.
const PAIR: &str =
    "ed25519:1GMkH3brNXiNNs1tiFZHu4yZSRrzJwxi5wB9bHFtMikjwpAW9DMZzU2Pqakc5it8X3N5vPmqdN7KF4CCUpmKhq";
const PUBLIC: &str = "ed25519:FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF";

struct KeyFile(tempfile::TempDir);

impl KeyFile {
    fn holding(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        fs::write(file.path(), text).unwrap();
        file.with_mode(0o600)
    }

    fn with_mode(self, mode: u32) -> Self {
        fs::set_permissions(self.path(), Permissions::from_mode(mode)).unwrap();
        self
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("key")
    }

    fn load(&self) -> Result<SigningKey, KeyError> {
        SigningKey::load(&KeySource::File(self.path()))
    }
}

#[test]
fn a_file_holds_the_key_as_text_or_as_near_credentials() {
    let credentials = format!(r#"{{"account_id":"m.near","public_key":"{PUBLIC}","private_key":"{PAIR}"}}"#);
    let older = format!(r#"{{ "secret_key": "{PAIR}" }}"#);
    for text in [PAIR.to_owned(), format!("  {PAIR}\n"), credentials, older] {
        assert_eq!(KeyFile::holding(&text).load().unwrap().public_key(), PUBLIC);
    }
}

#[test]
fn a_file_that_others_can_get_at_is_refused_with_the_remedy() {
    for mode in [0o640, 0o604, 0o620, 0o644, 0o610, 0o601] {
        let error = KeyFile::holding(PAIR).with_mode(mode).load().unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    assert!(KeyFile::holding(PAIR).with_mode(0o400).load().is_ok());
}

#[test]
fn what_is_no_key_is_named_by_place_and_never_shown() {
    let flipped = format!("{}r", &PAIR[..PAIR.len() - 1]);
    let no_prefix = PAIR.strip_prefix("ed25519:").unwrap();
    for text in [
        "",
        "ed25519:",
        "ed25519:abc",
        "secp256k1:abc",
        no_prefix,
        &flipped,
        "{}",
        r#"{"private_key":7}"#,
        "{",
    ] {
        let file = KeyFile::holding(text);
        let error = file.load().unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{text}: {error}");
        let said = format!("{error} {error:?}");
        assert!(said.contains("/key"), "{said}");
        let secret = text.trim_start_matches("ed25519:");
        assert!(secret.len() < 3 || !said.contains(secret), "{said}");
    }
}

#[test]
fn a_missing_file_a_directory_and_a_huge_file_are_told_apart() {
    let file = KeyFile::holding(PAIR);
    let missing = SigningKey::load(&KeySource::File(file.0.path().join("other"))).unwrap_err();
    assert!(matches!(missing, KeyError::Unreadable { .. }), "{missing}");
    let directory = SigningKey::load(&KeySource::File(file.0.path().to_owned())).unwrap_err();
    assert!(matches!(directory, KeyError::NotAFile { .. }), "{directory}");
    let huge = KeyFile::holding(&" ".repeat(20_000)).load().unwrap_err();
    assert!(matches!(huge, KeyError::NotAFile { .. }), "{huge}");
}

#[test]
fn a_variable_that_is_unset_or_holds_something_else_is_named() {
    let unset = SigningKey::load(&KeySource::Env("STELE_TEST_NEVER_SET".into())).unwrap_err();
    assert_eq!(unset.to_string(), "environment variable STELE_TEST_NEVER_SET is not set to text");
    let other = SigningKey::load(&KeySource::Env("PATH".into())).unwrap_err();
    assert!(matches!(other, KeyError::Malformed { .. }), "{other}");
    let said = format!("{other} {other:?}");
    assert!(!said.contains(&std::env::var("PATH").unwrap()), "{said}");
}

#[test]
fn debug_output_shows_the_public_half_only() {
    let key = KeyFile::holding(PAIR).load().unwrap();
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ public: {PUBLIC:?}, .. }}"));
    let file = KeyFile::holding("a.b.c\n");
    let token = BearerToken::load(&KeySource::File(file.path())).unwrap();
    assert_eq!((token.header().as_str(), format!("{token:?}").as_str()), ("Bearer a.b.c", "BearerToken(..)"));
}

#[test]
fn a_token_that_could_not_stand_in_a_header_is_refused() {
    for text in ["", "  \n", "two words", "a\nb", "tökén"] {
        let file = KeyFile::holding(text);
        let refused = BearerToken::load(&KeySource::File(file.path()));
        assert!(matches!(refused, Err(KeyError::Malformed { .. })), "{text:?}");
    }
}
