//! The newest checkpoint that the witness has cosigned, kept beside the log: what a proof can lead to, and where the next
//! export begins. It follows from nothing else; whoever removes it loses cosignatures and nothing of the log.

use crate::format::{COSIGNED_FILE, COSIGNED_UNFINISHED_FILE, to_u64};
use crate::note::NOTE_BYTES_MAX;
use crate::storage::{Access, Secrecy, Storage, read_all, write_all_at};
use std::fs;
use std::io;
use std::path::Path;

/// The note in the file; `None` when there is none. An error also when it can't be one. Blocks.
pub(super) fn read(storage: &dyn Storage) -> io::Result<Option<String>> {
    let file = match storage.open(COSIGNED_FILE, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = read_all(&*file, to_u64(NOTE_BYTES_MAX))?;
    String::from_utf8(bytes).map(Some).map_err(io::Error::other)
}

/// Keeps a note in place of the one before, durably. Blocks.
pub(super) fn keep(storage: &dyn Storage, note: &str) -> io::Result<()> {
    match storage.remove(COSIGNED_UNFINISHED_FILE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = storage.create(COSIGNED_UNFINISHED_FILE, Secrecy::Shared)?;
    write_all_at(&*file, note.as_bytes(), 0)?;
    file.sync()?;
    storage.rename(COSIGNED_UNFINISHED_FILE, COSIGNED_FILE)?;
    storage.sync_directory()
}

/// The newest cosigned checkpoint of the log in a directory, word for word and unverified; `None` when there is none.
///
/// # Errors
///
/// What keeps the file from being read.
pub fn cosigned_in(directory: &Path) -> io::Result<Option<String>> {
    let path = directory.join(COSIGNED_FILE);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > to_u64(NOTE_BYTES_MAX) => {
            Err(io::Error::other(format!("{} is longer than a note may be", path.display())))
        }
        Ok(_) => fs::read_to_string(&path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
