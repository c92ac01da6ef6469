//! Puts the index of a segment into its file, whole or not at all. What is there is made again from the segment when it
//! is lost, so a failure costs time and nothing else.

use super::file::{IndexFile, TreePart, encode, file_name};
use super::pages::Unusable;
use super::part::Part;
use crate::format::{INDEX_UNFINISHED_FILE, to_u64};
use crate::storage::{Access, Secrecy, Storage, StorageFile, remove_if_there, write_all_at};
use std::io;
use uuid::Uuid;

/// Bytes of an index file that are made durable at a time: 128 KiB.
const PIECE_BYTES: usize = 128 * 1024;

/// Writes the index file of a segment, durably, over the one that may be there, and opens it.
pub fn store(storage: &dyn Storage, log: Uuid, part: &Part, tree: &TreePart) -> io::Result<IndexFile> {
    let first = part.extent().first;
    remove_unfinished(storage)?;
    let file = storage.create(INDEX_UNFINISHED_FILE, Secrecy::Shared)?;
    let written = write_in_pieces(&*file, &encode(log, part, tree));
    if let Err(error) = written {
        // A part that is there takes the room that a commit may need.
        remove_unfinished(storage)?;
        return Err(error);
    }
    storage.rename(INDEX_UNFINISHED_FILE, &file_name(first))?;
    storage.sync_directory()?;
    open(storage, log, first).map(|(file, _)| file).map_err(|unusable| match unusable {
        Unusable::Unread(error) => error,
        Unusable::Wrong { what, .. } => io::Error::other(what),
    })
}

/// Writes a new file, durably, piece by piece: the disk does one thing at a time, and groups of appends come in between.
fn write_in_pieces(file: &dyn StorageFile, bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    for piece in bytes.chunks(PIECE_BYTES) {
        write_all_at(file, piece, at)?;
        file.sync()?;
        at += to_u64(piece.len());
    }
    Ok(())
}

/// Opens the index file of the segment that begins with `first`.
pub fn open(storage: &dyn Storage, log: Uuid, first: u64) -> Result<(IndexFile, TreePart), Unusable> {
    let file = storage.open(&file_name(first), Access::Read).map_err(Unusable::Unread)?;
    IndexFile::open(file, log, first)
}

/// Removes what an earlier attempt left.
pub fn remove_unfinished(storage: &dyn Storage) -> io::Result<()> {
    remove_if_there(storage, INDEX_UNFINISHED_FILE)
}
