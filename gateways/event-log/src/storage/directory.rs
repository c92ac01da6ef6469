//! A directory of the operating system.

use super::{Access, OwnError, Ownership, Secrecy, Storage, StorageFile, write_all_at};
use crate::format::LOCK_FILE;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest text of an owner that is believed, in bytes.
const OWNER_BYTES_MAX: u64 = 256;

/// How often the lock is tried for, and how long after each time: whoever only asks whether there is an owner holds it for a
/// moment, and is none. 200 ms in all.
const LOCK_TRIES: u32 = 20;
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Files in one directory of the machine.
#[derive(Debug, Clone)]
pub struct DirectoryStorage {
    directory: PathBuf,
}

impl DirectoryStorage {
    /// The directory at `path`, which must exist.
    pub fn open(path: &Path) -> io::Result<Self> {
        if std::fs::metadata(path)?.is_dir() {
            Ok(Self { directory: path.to_owned() })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The directory at `path`. When it does not exist it is made, durably and for its owner only; whoever else may
    /// read it is the operator's to say.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            // Every new name on the way is an entry in its parent; syncing all the way up is cheap and rare.
            for parent in path.canonicalize()?.ancestors().skip(1) {
                if let Ok(parent) = File::open(parent) {
                    parent.sync_all().ok();
                }
            }
        }
        Self::open(path)
    }

    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.directory.join(LOCK_FILE))
    }
}

/// Takes the lock, from whoever holds it for a moment only.
#[expect(
    clippy::disallowed_methods,
    reason = "a lock tells nobody when it is given back; whoever opens a log may block"
)]
fn lock(file: &File) -> Result<(), TryLockError> {
    let mut tried = file.try_lock();
    for _ in 1..LOCK_TRIES {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOCK_RETRY);
        tried = file.try_lock();
    }
    tried
}

/// The lock goes with the open file.
struct Lock {
    _file: File,
}

impl Ownership for Lock {}

impl Storage for DirectoryStorage {
    fn describe(&self) -> String {
        self.directory.display().to_string()
    }

    fn own(&self) -> Result<Box<dyn Ownership>, OwnError> {
        let file = self.lock_file()?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = super::read_all(&file, OWNER_BYTES_MAX).unwrap_or_default();
                let owner = String::from_utf8_lossy(&text).trim().to_owned();
                return Err(OwnError::Owned(if owner.is_empty() { "unknown".to_owned() } else { owner }));
            }
            Err(TryLockError::Error(error)) => return Err(OwnError::Io(error)),
        }
        // Who holds the lock is a courtesy to the next process; it need not be durable.
        file.set_len(0)?;
        write_all_at(&file, format!("pid {}\n", std::process::id()).as_bytes(), 0)?;
        Ok(Box::new(Lock { _file: file }))
    }

    fn is_owned(&self) -> io::Result<bool> {
        let file = match File::open(self.directory.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = vec![];
        for entry in std::fs::read_dir(&self.directory)? {
            // A name that is not text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let write = access == Access::Write;
        let file = OpenOptions::new().read(true).write(write).open(self.directory.join(name))?;
        Ok(Arc::new(file))
    }

    fn create(&self, name: &str, secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>> {
        let mode = match secrecy {
            Secrecy::Shared => 0o644,
            Secrecy::Private => 0o600,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        Ok(Arc::new(options.open(self.directory.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::{DirectoryStorage, LOCK_RETRY};
    use crate::format::LOCK_FILE;
    use crate::storage::{OwnError, Storage as _};
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    #[test]
    fn a_directory_that_was_made_is_its_owners_and_one_that_was_there_stays_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
        DirectoryStorage::open_or_create(&place.path().join("data/log")).unwrap();
        assert_eq!((mode("data"), mode("data/log")), (0o700, 0o700));
        let shared = place.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o750)).unwrap();
        DirectoryStorage::open_or_create(&shared).unwrap();
        assert_eq!(mode("shared"), 0o750);
    }

    #[test]
    fn whoever_looks_for_an_owner_at_the_moment_of_a_start_keeps_nobody_from_owning() {
        let place = tempfile::tempdir().unwrap();
        let storage = DirectoryStorage::open(place.path()).unwrap();
        drop(storage.own().unwrap());
        let looking = File::open(place.path().join(LOCK_FILE)).unwrap();
        looking.try_lock_shared().unwrap();
        let (own, owner) = std::thread::scope(|threads| {
            let own = threads.spawn(|| storage.own());
            // Long enough for the lock to be tried for, and shorter than it is tried for.
            let begun = Instant::now();
            while begun.elapsed() < LOCK_RETRY * 5 && !own.is_finished() {
                std::thread::yield_now();
            }
            drop(looking);
            (own.join().unwrap(), storage.own().err())
        });
        assert!(own.is_ok());
        assert!(
            matches!(owner, Some(OwnError::Owned(who)) if who.starts_with("pid ")),
            "a real owner stays one"
        );
    }
}
