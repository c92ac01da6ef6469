//! The pepper: the 32 secret bytes that keys are hashed with, and a checksum. The owner of the log makes it, once.

use super::secret;
use crate::cli::of_error;
use crate::config::{Config, LogElsewhere};
use crate::exit::{Code, Failure};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stele_commands::access::{PEPPER_FILE_BYTES, Pepper, WrongPepper};
use zeroize::Zeroizing;

/// What it is called in complaints.
const SETTING: &str = "access.pepper_file";

/// Reads the pepper; the process that owns the log makes one where there is none, and on a KurrentDB server, which no process
/// owns, the first. Blocks on files.
pub(crate) fn load(config: &Config) -> Result<Pepper, Failure> {
    let path = &config.pepper_file;
    let owned_elsewhere = matches!(config.remote_log, Some(LogElsewhere::Owner(_)));
    if !owned_elsewhere {
        make(path)?;
    } else if !path.exists() {
        let what = format!("configuration: `{SETTING}`: there is no {}", path.display());
        return Err(Failure::new(Code::Usage, what).advise(
            "a process with doors must know the keys of the desk: give it a copy of `keys.pepper` from the data \
             directory of the process that owns the log, with mode 600",
        ));
    }
    of_file(path, &secret::bytes(SETTING, path, PEPPER_FILE_BYTES)?)
}

/// Says of a pepper that lies beside a log that is verified whether it is what was written. One that is not there, or that
/// this process may not read, is not judged.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(());
        }
        file => file,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(PEPPER_FILE_BYTES + 1));
    let most = u64::try_from(PEPPER_FILE_BYTES + 1).unwrap_or(u64::MAX);
    let read = file.and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| Failure::error(&error))?;
    of_file(path, &bytes).map(|_| ())
}

fn of_file(path: &Path, bytes: &[u8]) -> Result<Pepper, Failure> {
    Pepper::of_file(bytes).map_err(|wrong| {
        let what = format!("the secret of the keys, {}, can't be used: {wrong}", path.display());
        let code = match wrong {
            WrongPepper::Length { .. } => Code::Usage,
            WrongPepper::Changed => Code::Mismatch,
        };
        Failure::new(code, what).advise(
            "nothing was changed. Put back the copy that is in the newest backup: with another one no key would hold",
        )
    })
}

/// Makes it where there is none. It appears whole or not at all, and never replaces one.
fn make(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(
            of_error(error).unwrap_or(Code::Error),
            format!("the secret of the keys, {}, can't be made: {error}", path.display()),
        )
    };
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| failed(&error))?;
    // A name of its own: of two processes that make one at once, one wins, and both read what won.
    let mut name = [0_u8; 8];
    getrandom::fill(&mut name).map_err(|error| failed(&error))?;
    let newborn = path.with_extension(format!("{:016x}.new", u64::from_le_bytes(name)));
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&newborn)?;
        file.write_all(&*Zeroizing::new(Pepper::file_of(&bytes)))?;
        file.sync_all()?;
        // A link never replaces what is there, where a rename would.
        match std::fs::hard_link(&newborn, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::remove_file(&newborn)?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::{check, make};
    use crate::exit::Code;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_pepper_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.pepper");
        make(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!((first.len(), path.metadata().unwrap().permissions().mode() & 0o777), (36, 0o600));
        make(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    }

    #[test]
    fn a_pepper_that_was_changed_is_named_and_one_that_is_not_there_is_not_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.pepper");
        check(&path).unwrap();
        make(&path).unwrap();
        check(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[7] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let refused = check(&path).unwrap_err();
        assert_eq!(refused.code, Code::Mismatch);
        assert!(refused.what.contains("keys.pepper") && refused.what.contains("at byte 0"), "{refused}");
    }
}
