//! Secrets in files: read once, by their owner only. Errors say where and what, never the content.

use crate::exit::{Code, Failure};
use secrecy::SecretString;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Largest file of a secret, in bytes.
const FILE_BYTES_MAX: u64 = 4_096;

/// The key in a file that only its owner can read: one word.
pub(super) fn line(setting: &str, path: &Path) -> Result<SecretString, Failure> {
    match text(setting, path)?.trim() {
        "" => Err(unusable(setting, path, "it is empty")),
        line if line.contains(char::is_whitespace) => {
            Err(unusable(setting, path, "it has more than one word"))
        }
        line => Ok(SecretString::from(line.to_owned())),
    }
}

/// The password in a file that only its owner can read: its one line, which may have spaces anywhere.
pub(super) fn password(setting: &str, path: &Path) -> Result<SecretString, Failure> {
    match text(setting, path)?.trim_end_matches(['\r', '\n']) {
        "" => Err(unusable(setting, path, "it is empty")),
        lines if lines.contains(char::is_control) => {
            Err(unusable(setting, path, "it has more than one line, or control characters"))
        }
        password => Ok(SecretString::from(password.to_owned())),
    }
}

fn text(setting: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or(0)));
    let failed = |error: std::io::Error| unusable(setting, path, &error.to_string());
    open(setting, path)?.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The bytes of a file that only its owner can read, at most so many.
pub(super) fn bytes(setting: &str, path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // One more, so that nothing moves when the file is too long and a copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let failed = |error: std::io::Error| unusable(setting, path, &error.to_string());
    open(setting, path)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(unusable(setting, path, &format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn open(setting: &str, path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unusable(setting, path, &error.to_string()))?;
    // The open file is asked, not the path: nobody can swap it in between.
    let meta = file.metadata().map_err(|error| unusable(setting, path, &error.to_string()))?;
    if !meta.is_file() {
        return Err(unusable(setting, path, "it is no file"));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            let why = format!("it has mode {mode:03o}, so others can read it: run `chmod 600` on it");
            return Err(unusable(setting, path, &why));
        }
    }
    Ok(file)
}

fn unusable(setting: &str, path: &Path, why: &str) -> Failure {
    Failure::new(Code::Usage, format!("configuration: `{setting}`: {} can't be used: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{bytes, line, password};
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_and_not_shown() {
        let (_folder, path) = file(b"hush\n", 0o640);
        let words = format!("{:?}", line("log.key_file", &path).unwrap_err());
        assert!(
            words.contains("640") && words.contains("log.key_file") && !words.contains("hush"),
            "{words}"
        );
        let (_folder, path) = file(b"hush\n", 0o600);
        assert_eq!(line("log.key_file", &path).unwrap().expose_secret(), "hush");
    }

    #[test]
    fn a_password_may_have_spaces_and_a_key_may_not() {
        let (_folder, path) = file(b" two words \r\n", 0o600);
        assert_eq!(password("database.password_file", &path).unwrap().expose_secret(), " two words ");
        assert!(line("log.key_file", &path).is_err());
        for refused in [&b"\n"[..], b"two\nlines\n"] {
            let (_folder, path) = file(refused, 0o600);
            let words = format!("{:?}", password("database.password_file", &path).unwrap_err());
            assert!(words.contains("database.password_file") && !words.contains("lines\\"), "{words}");
        }
    }

    #[test]
    fn bytes_have_at_most_the_length_that_is_asked_for() {
        for (content, fits) in [(&[7_u8; 31][..], true), (&[7; 32], true), (&[7; 33], false)] {
            let (_folder, path) = file(content, 0o600);
            let read = bytes("access.pepper_file", &path, 32);
            assert_eq!(read.is_ok(), fits, "{} bytes", content.len());
            assert!(read.is_err() || read.is_ok_and(|read| **read == *content));
        }
    }
}
