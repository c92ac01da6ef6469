//! The pepper: the 32 secret bytes that keys are hashed with. The owner of the log makes it, once.

use super::secret;
use crate::cli::of_error;
use crate::config::{Config, LogElsewhere};
use crate::exit::{Code, Failure};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stele_commands::access::Pepper;
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
    Ok(Pepper::new(*secret::bytes::<32>(SETTING, path)?))
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
        file.write_all(&*bytes)?;
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
    use super::make;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_pepper_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.pepper");
        make(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!((first.len(), path.metadata().unwrap().permissions().mode() & 0o777), (32, 0o600));
        make(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    }
}
