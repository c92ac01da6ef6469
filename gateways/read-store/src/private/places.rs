//! Where a private server keeps its things, and as whom it runs.

use super::PrivateError;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest path of a Unix socket that every system takes (Linux 107 bytes, macOS 103).
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// The name that the server gives to its socket.
const SOCKET: &str = "/.s.PGSQL.5432";

/// Somebody who is not root: the server refuses to run as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// Folders and files of one private server.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder that was asked for.
    pub root: PathBuf,
    /// The server's own folder.
    pub data: PathBuf,
    /// Where its socket is.
    pub sockets: PathBuf,
    /// What it says.
    pub log: PathBuf,
    /// Held by the desk that runs it.
    pub lock: PathBuf,
    /// Whom to become; `None` when we are nobody special.
    pub account: Option<Account>,
}

impl Places {
    /// Makes the folders, for whoever will run the server.
    pub fn make(root: &Path) -> Result<Self, PrivateError> {
        let account = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        std::fs::create_dir_all(root).map_err(|error| PrivateError::file(root, error))?;
        let root = root.canonicalize().map_err(|error| PrivateError::file(root, error))?;
        if let Some(account) = &account {
            let uid = std::fs::metadata(&root).map_err(|error| PrivateError::file(&root, error))?.uid();
            if uid != 0 && uid != account.uid {
                return Err(PrivateError::Theirs { folder: root, uid });
            }
            chown(&root, Some(account.uid), Some(account.gid))
                .map_err(|error| PrivateError::file(&root, error))?;
            may_enter(&root, account)?;
        }
        let sockets = socket_folder(&root);
        let places = Self {
            data: root.join("data"),
            log: root.join("server.log"),
            lock: root.join("lock"),
            sockets,
            account,
            root,
        };
        places.own_folder(&places.sockets)?;
        Ok(places)
    }

    /// A folder that only the server's account can enter. One that is there already must be exactly that:
    /// `/tmp` is everybody's.
    fn own_folder(&self, folder: &Path) -> Result<(), PrivateError> {
        let failed = |error| PrivateError::file(folder, error);
        let (uid, gid) = match &self.account {
            Some(account) => (account.uid, account.gid),
            None => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        };
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            // What was put in its place meanwhile is not followed.
            Ok(()) => lchown(folder, Some(uid), Some(gid)).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let there = std::fs::symlink_metadata(folder).map_err(failed)?;
                let ours = there.is_dir() && there.uid() == uid && there.mode() & 0o777 == 0o700;
                if ours { Ok(()) } else { Err(PrivateError::NotOurs(folder.to_owned())) }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens a file of ours in the folder of the account, for appending.
    pub fn append(&self, path: &Path) -> Result<File, PrivateError> {
        self.own_file(path, OpenOptions::new().create(true).append(true))
    }

    /// The end of a file of ours in the folder of the account.
    pub fn end_of(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, PrivateError> {
        let failed = |error| PrivateError::file(path, error);
        let mut file = self.own_file(path, OpenOptions::new().read(true))?;
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes_max))).map_err(failed)?;
        let mut end = vec![];
        file.take(bytes_max).read_to_end(&mut end).map_err(failed)?;
        Ok(end)
    }

    /// A file in a folder where the account may put what it likes: a link there would have root write to, or show, a
    /// file of somebody else. So the last step of the path is not followed, nothing that waits for a reader is waited
    /// for, and what was opened has one name and an owner of ours.
    fn own_file(&self, path: &Path, options: &mut OpenOptions) -> Result<File, PrivateError> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match options.mode(0o600).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if is_no_file(&error) => return Err(PrivateError::Planted(path.to_owned())),
            Err(error) => return Err(PrivateError::file(path, error)),
        };
        let there = file.metadata().map_err(|error| PrivateError::file(path, error))?;
        let us = rustix::process::geteuid().as_raw();
        let owned =
            there.uid() == us || self.account.as_ref().is_some_and(|account| account.uid == there.uid());
        if there.is_file() && there.nlink() == 1 && owned {
            return Ok(file);
        }
        Err(PrivateError::Planted(path.to_owned()))
    }

    /// The major version of the data, when there are any.
    pub fn major(&self) -> Option<u32> {
        std::fs::read_to_string(self.data.join("PG_VERSION")).ok()?.trim().parse().ok()
    }
}

/// What the system says when a link is not followed (FreeBSD has a word of its own for it), and of a pipe without a
/// reader, a socket, a folder.
fn is_no_file(error: &std::io::Error) -> bool {
    const NO_FILE: [Errno; 4] = [Errno::LOOP, Errno::MLINK, Errno::NXIO, Errno::ISDIR];
    error.raw_os_error().is_some_and(|code| NO_FILE.iter().any(|errno| errno.raw_os_error() == code))
}

/// Beside the data when that path is short enough for a socket; else a folder of its own in `/tmp`, named after
/// the data, so that the next start finds it again.
pub fn socket_folder(root: &Path) -> PathBuf {
    let beside = root.join("run");
    if beside.as_os_str().len() + SOCKET.len() <= SOCKET_PATH_BYTES_MAX {
        return beside;
    }
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let mut name = String::from("/tmp/stele-");
    for byte in digest.iter().take(8) {
        // Writing to a string can't fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.into()
}

/// `postgres` where there is one, else `nobody`.
fn unprivileged() -> Result<Account, PrivateError> {
    let number = |name: &str, flag: &str| {
        let said = Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8_lossy(&said.stdout).trim().parse().ok()
    };
    let account = |name: &str| {
        Some(Account { name: name.to_owned(), uid: number(name, "-u")?, gid: number(name, "-g")? })
    };
    account("postgres").or_else(|| account("nobody")).ok_or(PrivateError::NoAccount)
}

/// Every folder above must let the account through.
fn may_enter(root: &Path, account: &Account) -> Result<(), PrivateError> {
    for folder in root.ancestors().skip(1) {
        let there = std::fs::metadata(folder).map_err(|error| PrivateError::file(folder, error))?;
        let mode = there.mode();
        let open = mode & 0o001 != 0
            || (there.gid() == account.gid && mode & 0o010 != 0)
            || (there.uid() == account.uid && mode & 0o100 != 0);
        if !open {
            return Err(PrivateError::Closed { folder: folder.to_owned(), account: account.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Places, SOCKET, SOCKET_PATH_BYTES_MAX, socket_folder};
    use crate::private::PrivateError;
    use std::os::unix::fs::{MetadataExt as _, chown};
    use std::path::Path;

    #[test]
    fn root_takes_no_folder_of_another_account_over() {
        let place = tempfile::tempdir().unwrap();
        // Only root can give a folder away, and only root could take it over.
        let given = chown(place.path(), Some(12_345), None).is_ok();
        let made = Places::make(place.path());
        assert_eq!(matches!(made, Err(PrivateError::Theirs { uid: 12_345, .. })), given);
        assert_eq!(std::fs::metadata(place.path()).unwrap().uid() == 12_345, given);
    }

    #[test]
    fn a_socket_path_is_never_too_long() {
        let short = Path::new("/var/lib/stele/postgres");
        assert_eq!(socket_folder(short), short.join("run"));
        let long = format!("/{}", "x".repeat(200));
        let folder = socket_folder(Path::new(&long));
        assert!(folder.as_os_str().len() + SOCKET.len() <= SOCKET_PATH_BYTES_MAX, "{}", folder.display());
        assert_eq!(folder, socket_folder(Path::new(&long)), "the next start finds it again");
        assert_ne!(folder, socket_folder(Path::new(&format!("{long}y"))));
    }
}
