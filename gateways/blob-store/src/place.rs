//! The directory that blobs are files of: that it is still the one that was opened, who may enter it, and what puts that
//! did not end have left in it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stele_domain::port::blob_store::BlobName;

/// What stands between the name of a blob and a number in the name of a file that a put has not finished.
const UNFINISHED: char = '#';

/// How long nobody has written to a file before it is taken for one that was left: an hour. A put ends long before.
const LEFT_AFTER: Duration = Duration::from_hours(1);

/// How often directories for a blob are made, where somebody removes them before anything is in them.
const PREPARED_MAX: u32 = 8;

/// Another directory is where the store was.
#[derive(Debug, thiserror::Error)]
#[error("another directory is at {0}, or its disk is not mounted any more: mount it, and start again")]
struct Exchanged(String);

/// A directory, as it was when it was opened.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Who may enter the directories that are made in it.
    mode: u32,
}

/// Only this user.
pub const PRIVATE: u32 = 0o700;
/// Whoever this process's umask lets.
pub const SHARED: u32 = 0o777;

impl Place {
    /// The directory at a path.
    pub fn of(path: &Path, mode: u32) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino(), mode })
    }

    /// Refuses another directory under the same name: where a disk was unmounted, what it was mounted on is there.
    pub fn is_still_there(&self) -> io::Result<()> {
        let exchanged = || io::Error::other(Exchanged(self.path.display().to_string()));
        match std::fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Err(exchanged()),
        }
    }

    /// Makes ready to put a blob: the directories for it, without what earlier puts of this name have left. Somebody else may
    /// remove a directory that is empty, meanwhile: it is made again.
    pub fn prepare(&self, name: &BlobName) -> io::Result<()> {
        for _ in 1..PREPARED_MAX {
            match self.prepare_once(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                prepared => return prepared,
            }
        }
        self.prepare_once(name)
    }

    fn prepare_once(&self, name: &BlobName) -> io::Result<()> {
        self.is_still_there()?;
        let file = self.path.join(name.as_str());
        let (Some(directory), Some(file)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(());
        };
        DirBuilder::new().recursive(true).mode(self.mode).create(directory)?;
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let left = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.strip_prefix(file).is_some_and(|rest| rest.starts_with(UNFINISHED)));
            if left && is_old(&entry)? {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes a blob durable with all names on the way to it, which a process that died may not have.
    pub fn sync(&self, name: &BlobName) -> io::Result<()> {
        let file = self.path.join(name.as_str());
        File::open(&file)?.sync_all()?;
        for directory in file.ancestors().skip(1) {
            File::open(directory)?.sync_all()?;
            if directory == self.path {
                break;
            }
        }
        Ok(())
    }
}

fn is_old(entry: &std::fs::DirEntry) -> io::Result<bool> {
    match entry.metadata().and_then(|metadata| metadata.modified()) {
        Ok(written) => Ok(written.elapsed().is_ok_and(|age| age > LEFT_AFTER)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
