//! Segments that are missing at the end of a log. No segment goes on from them, so what was written beside them has to tell:
//! index files are named after their segments, a segment has one when the next has begun, and checkpoints sign how many
//! commits there were.

use super::{Beside, BesideError};
use crate::checkpoint;
use crate::format::CHECKPOINTS_FILE;
use crate::index;
use crate::scan::CHECKPOINTS_BYTES_MAX;
use crate::segment;
use crate::storage::{Access, Storage, read_all};

/// The first segment that must have followed the last one that is there. For a log that is known to be damaged: none where
/// nothing tells, and a log that lost commits of its last segment is damaged and no more.
pub(super) fn missing(beside: &Beside, storage: &dyn Storage) -> Option<BesideError> {
    let names = storage.list().ok()?;
    let last = beside.segments.last();
    let file = following(beside, storage, &names).filter(|file| !names.contains(file))?;
    let all_after = match last {
        Some(last) => format!("segments after {} are missing", last.name),
        None => "there is no segment at all".to_owned(),
    };
    let why = format!("and {all_after}: {CHECKPOINTS_FILE} or index files tell that they were there");
    Some(BesideError::Missing { file, why })
}

fn following(beside: &Beside, storage: &dyn Storage, names: &[String]) -> Option<String> {
    let last = beside.segments.last().map_or(0, |part| part.header.first);
    let indexed = names.iter().filter_map(|name| indexed_by(name)).filter(|first| *first > last).min();
    // A segment that is whole by its index is followed by the next one, which is not the first that has an index when more
    // are missing.
    let sealed = if last == 0 { Some((1, 0)) } else { sealed(beside, storage, last) };
    let signed = signed(beside, storage).unwrap_or(0);
    let next = sealed.filter(|(_, commits)| indexed.is_some() || signed > *commits).map(|(next, _)| next);
    next.or(indexed).map(segment::file_name)
}

/// The first position after a segment that has an index, and how many commits there are up to there.
fn sealed(beside: &Beside, storage: &dyn Storage, first: u64) -> Option<(u64, u64)> {
    let (index, _) = index::open(storage, beside.log, first).ok()?;
    Some((index.extent().next_position(), index.extent().next_commit()))
}

/// How many commits the last checkpoint signs.
fn signed(beside: &Beside, storage: &dyn Storage) -> Option<u64> {
    let file = storage.open(CHECKPOINTS_FILE, Access::Read).ok()?;
    let bytes = read_all(&*file, CHECKPOINTS_BYTES_MAX).ok()?;
    let stored = checkpoint::read_blocks(&bytes, &beside.verifier).ok()?;
    stored.checkpoints.last().map(|(_, checkpoint)| checkpoint.size)
}

/// The first position of the segment that an index file is named after.
fn indexed_by(name: &str) -> Option<u64> {
    segment::first_position(&format!("{}.seg", name.strip_suffix(".idx")?))
}
