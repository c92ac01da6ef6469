//! The commits of one segment, and what follows them.

use super::{Roots, Scan, evidence};
use crate::errors::{damaged, storage as failed};
use crate::format::{SEGMENT_HEADER_BYTES, frame_start, to_u64, to_usize};
use crate::frame::Place;
use crate::frame::inspect::{Found, inspect};
use crate::frame::payload::{Payload, leaf_of};
use crate::index::{CommitEntry, Index, RecordEntry};
use crate::tree::SubtreeStore;
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position, StreamId};

/// A segment whose header has been checked; it is the last one in the index.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// Its file.
    pub name: &'a str,
    /// Whether no segment follows it.
    pub last: bool,
    /// How many commits are known to have been durable, from a checkpoint.
    pub known: u64,
}

/// How a segment ends.
pub struct SegmentEnd {
    /// Offset after the last whole commit.
    pub offset: u64,
    /// Bytes of a write that did not finish, without the zeros that the file ends with; 0 when there is none.
    pub torn_bytes: u64,
    /// Everything before this offset was durable when the last commit was written.
    pub durable: u64,
}

/// What a look at one place leads to.
enum Step {
    Commit { end: u64, durable: u64 },
    Stop,
    Suspect(&'static str),
    InFlight,
}

/// Enters all commits of a segment into the index.
pub fn scan(
    scan: &Scan<'_>,
    index: &mut Index,
    tree: &mut SubtreeStore,
    roots: &mut Roots<'_>,
    segment: Segment<'_>,
) -> Result<SegmentEnd, LogError> {
    let Some(entered) = index.segments().last() else {
        return Err(damaged(segment.name, 0, "the segment was not entered"));
    };
    let mut cursor = Cursor {
        place: Place { log: scan.log, segment: entered.first, offset: 0 },
        window: Window::new(Arc::clone(&entered.file), SCAN_CHUNK_BYTES),
        directory: scan.storage.describe(),
        name: segment.name,
        end: to_u64(SEGMENT_HEADER_BYTES),
        durable: to_u64(SEGMENT_HEADER_BYTES),
    };
    loop {
        cursor.place.offset = frame_start(cursor.end);
        match cursor.step(index, tree, segment.last && scan.being_written)? {
            Step::Commit { end, durable } => {
                (cursor.end, cursor.durable) = (end, durable);
                roots.compare(tree)?;
            }
            Step::Stop => return Ok(cursor.ended(0)),
            Step::InFlight => return cursor.torn(),
            Step::Suspect(what) => {
                cursor.rule_out_damage(index, segment, what)?;
                return cursor.torn();
            }
        }
    }
}

struct Cursor<'a> {
    place: Place,
    window: Window,
    directory: String,
    name: &'a str,
    end: u64,
    durable: u64,
}

impl Cursor<'_> {
    fn step(
        &mut self,
        index: &mut Index,
        tree: &mut SubtreeStore,
        in_flight: bool,
    ) -> Result<Step, LogError> {
        let start = self.place.offset;
        let padding = self.read(self.end, to_usize(start - self.end))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(damaged(self.name, self.end, "there should be zeros between commits"));
        }
        let (directory, name) = (&self.directory, self.name);
        let found = inspect(&mut self.window, self.place);
        let step = match found.map_err(|error| failed("reading", name, directory, error))? {
            Found::Commit { header, payload, end } => {
                let durable = start - u64::from(header.back);
                if durable < self.durable || durable > self.end {
                    return Err(damaged(name, start, "the commit names a durable end that can't be"));
                }
                enter(index, tree, payload, start, end).map_err(|what| damaged(name, start, what))?;
                return Ok(Step::Commit { end, durable });
            }
            Found::Blank => Step::Suspect("a commit is not there any more"),
            Found::Unfinished => Step::Suspect("a part of the commit is not there any more"),
            Found::Damaged(_) if in_flight => Step::InFlight,
            Found::Damaged(what) => return Err(damaged(name, start, what)),
        };
        if self.is_blank_from(start)? {
            return Ok(Step::Stop);
        }
        Ok(if in_flight { Step::InFlight } else { step })
    }

    /// An unfinished write is possible only where nothing says that the place was durable already.
    fn rule_out_damage(&mut self, index: &Index, segment: Segment<'_>, what: &str) -> Result<(), LogError> {
        let start = self.place.offset;
        let refuse = |why: String| Err(damaged(segment.name, start, format!("{what}: {why}")));
        if !segment.last {
            return refuse("a segment follows, so it was durable".to_owned());
        }
        if index.commits() < segment.known {
            return refuse(format!("a stored checkpoint over {} commits includes it", segment.known));
        }
        let later = evidence::of_later_commit(&mut self.window, self.place);
        let later = later.map_err(|error| failed("reading", self.name, &self.directory, error))?;
        match later {
            Some(offset) => refuse(format!("the commit at byte {offset} was written after it was durable")),
            None => Ok(()),
        }
    }

    fn torn(&mut self) -> Result<SegmentEnd, LogError> {
        let written = self.window.written_end(self.end);
        let written = written.map_err(|error| failed("reading", self.name, &self.directory, error))?;
        Ok(self.ended(written - self.end))
    }

    fn ended(&self, torn_bytes: u64) -> SegmentEnd {
        SegmentEnd { offset: self.end, torn_bytes, durable: self.durable }
    }

    fn read(&mut self, offset: u64, wanted: usize) -> Result<&[u8], LogError> {
        let (directory, name) = (&self.directory, self.name);
        self.window.slice(offset, wanted).map_err(|error| failed("reading", name, directory, error))
    }

    fn is_blank_from(&mut self, offset: u64) -> Result<bool, LogError> {
        let (directory, name) = (&self.directory, self.name);
        self.window.is_blank_from(offset).map_err(|error| failed("reading", name, directory, error))
    }
}

/// Enters a commit; says what is wrong with it otherwise.
fn enter(
    index: &mut Index,
    tree: &mut SubtreeStore,
    bytes: &[u8],
    offset: u64,
    end: u64,
) -> Result<(), String> {
    let payload = Payload::read(bytes)?;
    if index.commits() > 0 && payload.recorded_at < index.recorded_at() {
        return Err("the commit was recorded before the one before it".to_owned());
    }
    let first = Position(index.head() + 1);
    tree.push(leaf_of(first, bytes));
    index.add_commit(CommitEntry { offset, end, recorded_at: payload.recorded_at });
    for record in payload.records() {
        let record = record?;
        let stream = StreamId::new(record.stream).map_err(|error| error.to_string())?;
        let entry = RecordEntry { stream: &stream, revision: record.revision, event_id: record.event_id };
        if !index.add_record(entry) {
            return Err(format!("revision {} is not the next of stream {stream}", record.revision));
        }
    }
    Ok(())
}
