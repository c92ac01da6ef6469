//! The socket file: made for its owner only, taken over from the dead, never taken from the living.
//!
//! A lock file beside it says who lives: the system lets go of the lock when its process ends, however it ends.

use super::DoorError;
use crate::observe;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

/// Longest path of a Unix socket on Linux, in bytes.
const PATH_BYTES_MAX: usize = 107;
/// How long a live process may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// A socket that this process listens on, and the lock that says so.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

impl Owned {
    pub(super) async fn open(path: &Path) -> Result<Self, DoorError> {
        let io = |what| move |source| DoorError::Io { what, path: path.to_owned(), source };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        // Bound in a directory of its own first, so that no other user ever sees it open.
        let id = Uuid::now_v7().simple().to_string();
        let cradle = parent.join(format!(".{}", id.get(24..).unwrap_or(&id)));
        let newborn = cradle.join("s");
        fits(path)?;
        fits(&newborn)?;
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io("make its directory"))?;
        let lock = lock(path)?;
        take_over(path).await?;
        DirBuilder::new().mode(0o700).create(&cradle).map_err(io("make a directory beside it"))?;
        let made = listen(&newborn, path);
        let swept = std::fs::remove_file(&newborn).is_ok();
        let _ = std::fs::remove_dir(&cradle);
        debug_assert!(made.is_err() || !swept, "a socket that was moved can't be left behind");
        let listener = made.map_err(io("listen"))?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// Lets nobody in any more.
    pub(super) fn close(self) -> PathBuf {
        // While the lock is held the file is ours.
        if let Err(error) = std::fs::remove_file(&self.path) {
            observe::not_removed(&self.path, &error);
        }
        self.path
    }
}

fn fits(path: &Path) -> Result<(), DoorError> {
    let bytes = path.as_os_str().len();
    if bytes <= PATH_BYTES_MAX {
        return Ok(());
    }
    Err(DoorError::TooLong { path: path.to_owned(), bytes, max: PATH_BYTES_MAX })
}

/// Listens on `newborn` and moves it to `path`, replacing what a dead process has left there.
fn listen(newborn: &Path, path: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(newborn)?;
    std::fs::set_permissions(newborn, Permissions::from_mode(0o600))?;
    std::fs::rename(newborn, path)?;
    Ok(listener)
}

fn lock(path: &Path) -> Result<File, DoorError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let what = "lock the file beside it";
    let io = |source| DoorError::Io { what, path: path.to_owned(), source };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(name).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DoorError::Taken { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Removes a socket that nobody listens on any more.
async fn take_over(path: &Path) -> Result<(), DoorError> {
    let io = |what| move |source| DoorError::Io { what, path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("look at it")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(DoorError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let knock = tokio::time::timeout(ANSWER_WAIT, UnixStream::connect(path)).await;
    match knock {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            observe::stale_removed(path);
            std::fs::remove_file(path).map_err(io("remove a stale one"))
        }
        Ok(Err(error)) => Err(io("find out whether somebody listens")(error)),
        // Whoever is too busy to answer lives.
        Ok(Ok(_)) | Err(_) => Err(DoorError::Taken { path: path.to_owned() }),
    }
}
