//! The headers of segments: each must be, byte for byte, what follows from everything before it.

use super::Scan;
use crate::errors::{damaged, storage as failed};
use crate::format::{SEGMENT_HEADER_BYTES, to_u64};
use crate::index::Index;
use crate::segment::{self, HeaderState, SegmentHeader};
use crate::storage::StorageFile;
use crate::tree::Frontier;
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::sync::Arc;
use stele_domain::port::event_log::LogError;

/// What stands where a header belongs.
pub enum HeaderFound {
    /// The header that belongs there, and the file.
    Whole(SegmentHeader, Arc<dyn StorageFile>),
    /// The beginning of one, in a file that holds nothing else.
    Unborn,
}

/// Checks the header of the segment `name`, which must follow what is in the index.
pub fn check(
    scan: &Scan<'_>,
    index: &Index,
    tree: &Frontier,
    name: &str,
    last: bool,
    known: u64,
) -> Result<HeaderFound, LogError> {
    let expected = index.next_segment(tree);
    if segment::first_position(name) != Some(expected.first) {
        let what = format!(
            "the segment should begin with position {}: a segment before it is missing, or its end is",
            expected.first
        );
        return Err(damaged(name, 0, what));
    }
    let directory = scan.storage.describe();
    let failure = |error| failed("reading", name, &directory, error);
    let file = scan.storage.open(name, scan.access).map_err(failure)?;
    let mut window = Window::new(Arc::clone(&file), SEGMENT_HEADER_BYTES);
    let read = window.slice(0, SEGMENT_HEADER_BYTES).map_err(failure)?.to_vec();
    let after = to_u64(SEGMENT_HEADER_BYTES);
    let state = segment::compare(&read, &expected.encode());
    if state == HeaderState::Whole {
        return Ok(HeaderFound::Whole(expected, file));
    }
    // A header is durable before the first commit is written behind it.
    let mut rest = Window::new(Arc::clone(&file), SCAN_CHUNK_BYTES);
    let alone = last && index.commits() >= known && rest.is_blank_from(after).map_err(failure)?;
    match state {
        HeaderState::Whole | HeaderState::Unfinished if alone => Ok(HeaderFound::Unborn),
        HeaderState::Differs(_) if alone && scan.being_written && read.len() < SEGMENT_HEADER_BYTES => {
            Ok(HeaderFound::Unborn)
        }
        HeaderState::Whole | HeaderState::Unfinished => {
            Err(damaged(name, 0, "a part of the segment's header is not there any more"))
        }
        HeaderState::Differs(at) => Err(why(&read, &expected, name, to_u64(at))),
    }
}

/// Says in which way a header is not the one that belongs there.
fn why(read: &[u8], expected: &SegmentHeader, name: &str, at: u64) -> LogError {
    let found = match SegmentHeader::decode(read) {
        Ok(found) => found,
        Err(what) => return damaged(name, at, what),
    };
    if found.log != expected.log {
        return damaged(name, at, format!("the segment belongs to another log, {}", found.log));
    }
    if found.previous_first == expected.previous_first && found.previous_end > expected.previous_end {
        let before = segment::file_name(found.previous_first);
        let what =
            format!("the segment ended at byte {}: commits at its end are missing", found.previous_end);
        return damaged(&before, expected.previous_end, what);
    }
    damaged(name, at, "the segment does not continue the log before it")
}
