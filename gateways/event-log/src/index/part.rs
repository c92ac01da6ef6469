//! The index of one segment: a function of its bytes alone, so that it can be made for every segment by itself, beside
//! others, and again when it is lost.

use crate::format::{NUMBER_MAX, SEGMENT_HEADER_BYTES, to_u32, to_u64, to_usize};
use crate::hash::Table;
use crate::positions::Positions;
use crate::segment::SegmentHeader;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use stele_domain::port::event_log::{InvalidStream, StreamId};
use stele_domain::time::Timestamp;

/// Between two marks of a segment lie at least this many bytes; a look-up walks about as many.
const MARK_EVERY_BYTES: u64 = 4_096;

/// A commit whose place is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Position of its first record.
    pub position: u64,
    /// Its number: how many commits are before it.
    pub commit: u64,
    /// Where its frame lies in the segment.
    pub offset: u64,
}

/// A commit to be entered.
#[derive(Debug, Clone, Copy)]
pub struct CommitEntry {
    /// Where its frame lies.
    pub offset: u64,
    /// Offset after its frame.
    pub end: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// What an index covers, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Position of the segment's first record.
    pub first: u64,
    /// How many commits are before it.
    pub first_commit: u64,
    /// Offset after the last commit.
    pub end: u64,
    /// How many records there are.
    pub records: u64,
    /// How many commits there are.
    pub commits: u64,
    /// When the last commit was recorded; the one before the segment when there is none.
    pub recorded_at: Timestamp,
    /// How many streams have records.
    pub streams: u64,
    /// How many of these have their first record here.
    pub begun: u64,
}

impl Extent {
    /// The position after the last record.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.first + self.records
    }

    /// The number of the commit after the last one.
    #[must_use]
    pub fn next_commit(&self) -> u64 {
        self.first_commit + self.commits
    }
}

/// The index of one segment.
#[derive(Debug)]
pub struct Part {
    extent: Extent,
    numbers: Table<Name, u32>,
    streams: Vec<Held>,
    /// The stream of the last record.
    last: Option<(StreamId, u32)>,
    marks: Vec<Mark>,
}

/// A stream's name, which is found by its text: scans look up every record's stream and make a name of few.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Name(StreamId);

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// What a segment holds of one stream.
#[derive(Debug)]
pub struct Held {
    /// Revision of the first of its records.
    pub first_revision: u64,
    /// Where they are.
    pub positions: Positions,
}

impl Held {
    /// Revision of the stream's record after these.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        self.first_revision + self.positions.len()
    }
}

impl Part {
    /// The index of a segment without commits.
    #[must_use]
    pub fn begin(header: &SegmentHeader) -> Self {
        Self::resume(Extent {
            first: header.first,
            first_commit: header.tree.size(),
            end: to_u64(SEGMENT_HEADER_BYTES),
            records: 0,
            commits: 0,
            recorded_at: header.recorded_before,
            streams: 0,
            begun: 0,
        })
    }

    /// The index that covers `extent`, once its streams and marks are put in.
    #[must_use]
    pub fn resume(extent: Extent) -> Self {
        let (streams, marks) = (vec![], vec![]);
        Self { extent, numbers: Table::default(), streams, last: None, marks }
    }

    /// Puts in a stream that the extent counts already; `None` when its positions don't grow, or its revisions are out
    /// of range.
    pub fn hold(
        &mut self,
        stream: &StreamId,
        first_revision: u64,
        positions: impl Iterator<Item = u64>,
    ) -> Option<()> {
        if first_revision > NUMBER_MAX {
            return None;
        }
        let mut held = Held { first_revision, positions: Positions::default() };
        let mut before = 0;
        for position in positions {
            if position <= before {
                return None;
            }
            held.positions.push(position);
            before = position;
        }
        self.numbers.insert(Name(stream.clone()), to_u32(to_u64(self.streams.len())));
        self.streams.push(held);
        Some(())
    }

    /// Puts in all marks.
    pub fn put_marks(&mut self, marks: Vec<Mark>) {
        self.marks = marks;
    }

    /// What it covers.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// All marks in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Enters a commit. The records come one by one, by [`Self::add_record`], after it.
    pub fn add_commit(&mut self, entry: CommitEntry) {
        let extent = &mut self.extent;
        assert!(entry.offset >= extent.end, "a commit at {} before {}", entry.offset, extent.end);
        let (position, commit) = (extent.next_position(), extent.next_commit());
        let mark = Mark { position, commit, offset: entry.offset };
        if self.marks.last().is_none_or(|last| entry.offset - last.offset >= MARK_EVERY_BYTES) {
            self.marks.push(mark);
        }
        extent.commits += 1;
        (extent.end, extent.recorded_at) = (entry.end, entry.recorded_at);
    }

    /// Enters the next record. False, and nothing is entered, when its revision is not the next of those that are here.
    pub fn add_record(&mut self, stream: &StreamId, revision: u64) -> bool {
        let known = self.number(stream.as_str());
        let number = known.unwrap_or_else(|| self.enter(stream.clone(), revision));
        self.add_to(number, revision)
    }

    /// As [`Self::add_record`], for a name as it stands on disk.
    pub fn add_read(&mut self, stream: &str, revision: u64) -> Result<bool, InvalidStream> {
        let number = match self.number(stream) {
            Some(number) => number,
            None => self.enter(StreamId::new(stream)?, revision),
        };
        Ok(self.add_to(number, revision))
    }

    fn add_to(&mut self, number: u32, revision: u64) -> bool {
        let position = self.extent.next_position();
        let Some(held) = self.streams.get_mut(to_usize(number.into())) else {
            return false;
        };
        if held.next_revision() != revision {
            return false;
        }
        held.positions.push(position);
        self.extent.records += 1;
        true
    }

    /// What is here of a stream.
    #[must_use]
    pub fn get(&self, stream: &StreamId) -> Option<&Held> {
        self.streams.get(to_usize((*self.numbers.get(stream.as_str())?).into()))
    }

    /// All streams that have records here, in no order.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamId, &Held)> {
        let held = |number: &u32| self.streams.get(to_usize((*number).into()));
        self.numbers.iter().filter_map(move |(name, number)| Some((&name.0, held(number)?)))
    }

    /// How many records each category has here.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, u64> {
        let mut categories = BTreeMap::new();
        for (stream, held) in self.streams() {
            if let Some(sum) = categories.get_mut(stream.category()) {
                *sum += held.positions.len();
            } else {
                categories.insert(stream.category().to_owned(), held.positions.len());
            }
        }
        categories
    }

    /// A commit at or before the first one for which `stands` no longer holds.
    #[must_use]
    pub fn mark(&self, stands: impl Fn(&Mark) -> bool) -> Option<Mark> {
        let after = self.marks.partition_point(stands);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    fn number(&mut self, stream: &str) -> Option<u32> {
        // The records of a batch are of one stream.
        if let Some((last, number)) = &self.last
            && last.as_str() == stream
        {
            return Some(*number);
        }
        let (name, number) = self.numbers.get_key_value(stream)?;
        self.last = Some((name.0.clone(), *number));
        Some(*number)
    }

    fn enter(&mut self, stream: StreamId, revision: u64) -> u32 {
        let number = to_u32(to_u64(self.streams.len()));
        self.last = Some((stream.clone(), number));
        self.numbers.insert(Name(stream), number);
        self.streams.push(Held { first_revision: revision, positions: Positions::default() });
        self.extent.streams += 1;
        self.extent.begun += u64::from(revision == 0);
        number
    }
}
