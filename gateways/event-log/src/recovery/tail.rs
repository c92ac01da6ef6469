//! What recovery changes: a write that did not finish is moved aside, and what was kept is made durable.

use super::{CutTail, unborn};
use crate::errors::{damaged, storage as failed};
use crate::format::{
    CHECKPOINTS_FILE, INDEX_UNFINISHED_FILE, SECTOR_BYTES, SEGMENT_HEADER_BYTES, is_prepared_file, to_u64,
    to_usize,
};
use crate::scan::{Scanned, Tail};
use crate::storage::{Access, Secrecy, Storage, StorageFile, read_all, remove_if_there, write_all_at};
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use stele_domain::port::event_log::LogError;

/// Names that are tried for one cut; more cuts at one place mean that something else is wrong.
const QUARANTINE_NAMES_MAX: u32 = 1_000;

/// Cuts what did not finish. What was cut stays in a quarantine file, which is durable before the cut is made.
pub fn mend(storage: &dyn Storage, scanned: &Scanned) -> Result<Option<CutTail>, LogError> {
    let directory = storage.describe();
    let names = storage.list().map_err(|error| failed("listing", "the files", &directory, error))?;
    for unfinished in names.iter().filter(|name| is_prepared_file(name) || *name == INDEX_UNFINISHED_FILE) {
        let removed = remove_if_there(storage, unfinished);
        removed.map_err(|error| failed("removing", unfinished, &directory, error))?;
    }
    if let Some(file) = unborn(&scanned.tail) {
        // It holds a part of a header that follows from the log, and nothing else.
        let removed = storage.remove(file).and_then(|()| storage.sync_directory());
        removed.map_err(|error| failed("removing", file, &directory, error))?;
        return Ok(None);
    }
    let Tail::Torn { file, offset, bytes } = &scanned.tail else {
        return Ok(None);
    };
    let failure = |action| move |error| failed(action, file, &storage.describe(), error);
    let segment = storage.open(file, Access::Write).map_err(failure("opening"))?;
    let mut window = Window::new(Arc::clone(&segment), to_usize(*bytes));
    let tail = window.slice(*offset, to_usize(*bytes)).map_err(failure("reading"))?;
    let quarantine = quarantine(storage, file, *offset, tail)?;
    segment.set_len(*offset).and_then(|()| segment.sync()).map_err(failure("cutting"))?;
    Ok(Some(CutTail { file: file.clone(), offset: *offset, bytes: *bytes, quarantine }))
}

/// Writes again and syncs what may have been seen in the operating system's memory only, and cuts a checkpoint
/// that did not finish.
///
/// After a failed fsync, Linux takes the pages for clean: they read well, a second fsync succeeds, and they were
/// never written. Writing the same bytes again makes that impossible. Everything before the last known durable
/// end is left alone.
pub fn make_durable(storage: &dyn Storage, scanned: &Scanned) -> Result<(), LogError> {
    let directory = storage.describe();
    if let Some(last) = scanned.index.segments().last() {
        let header = to_u64(SEGMENT_HEADER_BYTES);
        let from = if scanned.durable <= header { 0 } else { scanned.durable };
        let name = super::active_name(&scanned.index);
        rewrite(&*last.file, &last.file, from, last.extent().end)
            .map_err(|error| failed("making durable", &name, &directory, error))?;
    }
    if let Some(stored) = &scanned.stored {
        let failure = |error| failed("making durable", CHECKPOINTS_FILE, &directory, error);
        let file = storage.open(CHECKPOINTS_FILE, Access::Write).map_err(failure)?;
        // What is left of an unfinished block must be gone for good before the next one is written in its place.
        // Of a cut and a write that are lost together, the new length may stay alone: then the file ends with a
        // whole block that is the beginning of the old one and zeros, which nobody could tell from damage.
        file.set_len(stored.end).map_err(failure)?;
        rewrite(&*file, &file, stored.end.saturating_sub(to_u64(SECTOR_BYTES)), stored.end)
            .map_err(failure)?;
    }
    storage.sync_directory().map_err(|error| failed("syncing", "the directory", &directory, error))
}

fn rewrite(file: &dyn StorageFile, shared: &Arc<dyn StorageFile>, from: u64, to: u64) -> io::Result<()> {
    let mut window = Window::new(Arc::clone(shared), SCAN_CHUNK_BYTES);
    let mut at = from;
    while at < to {
        let piece = window.slice(at, to_usize(to - at).min(SCAN_CHUNK_BYTES))?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(file, piece, at)?;
        at += to_u64(piece.len());
    }
    file.sync()
}

/// Keeps `tail` in a file of its own, once: a crash between this and the end of the cut may leave a part of the file,
/// or of the tail.
fn quarantine(storage: &dyn Storage, segment: &str, offset: u64, tail: &[u8]) -> Result<String, LogError> {
    let directory = storage.describe();
    let first = segment.trim_end_matches(".seg");
    for attempt in 0..QUARANTINE_NAMES_MAX {
        let name = format!("quarantine-{first}-{offset}-{attempt}");
        let failure = |error| failed("writing", &name, &directory, error);
        let (file, kept) = match storage.create(&name, Secrecy::Shared) {
            Ok(file) => (file, Cow::Borrowed(tail)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = storage.open(&name, Access::Write).map_err(failure)?;
                let there = read_all(&*file, u64::MAX).map_err(failure)?;
                if has_all_of(&there, tail) {
                    (file, Cow::Owned(there))
                } else if is_unfinished_copy(&there, tail) {
                    (file, Cow::Borrowed(tail))
                } else {
                    continue;
                }
            }
            Err(error) => return Err(failure(error)),
        };
        // Also what is there already: after a failed fsync only writing it again makes it durable.
        let written =
            write_all_at(&*file, &kept, 0).and_then(|()| file.sync()).and_then(|()| storage.sync_directory());
        return written.map(|()| name.clone()).map_err(failure);
    }
    Err(damaged(segment, offset, format!("{QUARANTINE_NAMES_MAX} unfinished writes were cut here already")))
}

/// Whether a file has every byte that a crash in the middle of the cut left of the tail; where nothing was left, the
/// tail has zeros.
fn has_all_of(there: &[u8], tail: &[u8]) -> bool {
    tail.len() <= there.len() && tail.iter().zip(there).all(|(left, kept)| left == kept || *left == 0)
}

/// Whether a file may be what a crash left of writing `tail` to it.
fn is_unfinished_copy(there: &[u8], tail: &[u8]) -> bool {
    there.len() <= tail.len()
        && there
            .chunks(SECTOR_BYTES)
            .zip(tail.chunks(SECTOR_BYTES))
            .all(|(there, whole)| whole.starts_with(there) || crate::frame::sectors::is_blank(there))
}
