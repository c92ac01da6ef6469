//! What the log needs of a disk, and nothing more. The real one is [`DirectoryStorage`]; the one that loses
//! power is [`crate::simulated_disk::SimulatedDisk`].

mod directory;

pub use directory::DirectoryStorage;

use std::io;
use std::sync::Arc;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Whoever the directory lets in.
    Shared,
    /// Only the owner (mode 0600).
    Private,
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only; works on a read-only file system.
    Read,
    /// Reading and writing.
    Write,
}

/// Why a directory can't be owned.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// Somebody else owns it; what is known of them.
    #[error("it belongs to {0}")]
    Owned(String),
    /// The lock itself failed.
    #[error("the lock can't be taken")]
    Io(#[from] io::Error),
}

/// Ownership of a directory, for as long as the value lives.
pub trait Ownership: Send + Sync {}

/// One directory of files.
///
/// File contents are durable after [`StorageFile::sync`]; names are durable after
/// [`Storage::sync_directory`]. Until then a crash may undo any of it, in units of 512 bytes.
pub trait Storage: Send + Sync {
    /// What a person would call this directory.
    fn describe(&self) -> String;

    /// Becomes the only owner. Ends when the value is dropped or the process ends, however it ends.
    fn own(&self) -> Result<Box<dyn Ownership>, OwnError>;

    /// Whether somebody owns the directory now. Takes nothing that an owner could trip over for longer than
    /// the call.
    fn is_owned(&self) -> io::Result<bool>;

    /// The names of all files, in order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>>;

    /// Creates a file that does not exist.
    fn create(&self, name: &str, secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renamings and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// One file.
pub trait StorageFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Reads at an offset; may read less than there is room for, and nothing only at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The file that what is behind a segment's header is read from, where it is another one that has to be found first:
    /// whoever reads on and on finds it once.
    fn content(&self) -> io::Result<Option<Arc<dyn StorageFile>>> {
        Ok(None)
    }

    /// Writes at an offset, growing the file with zeros where there is a hole; may write less.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file's content and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `bytes`, however many writes it takes.
pub fn write_all_at(file: &dyn StorageFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset += crate::format::to_u64(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a whole file, which must not be longer than `bytes_max`.
pub fn read_all(file: &dyn StorageFile, bytes_max: u64) -> io::Result<Vec<u8>> {
    let len = file.len()?;
    if len > bytes_max {
        return Err(io::Error::other(format!("the file has {len} bytes, at most {bytes_max} were expected")));
    }
    let mut bytes = vec![0; crate::format::to_usize(len)];
    let mut filled = 0;
    while let Some(space) = bytes.get_mut(filled..).filter(|space| !space.is_empty()) {
        match file.read_at(space, crate::format::to_u64(filled)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Removes a file, if it is there.
pub fn remove_if_there(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether a write failed for want of room.
#[must_use]
pub fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
