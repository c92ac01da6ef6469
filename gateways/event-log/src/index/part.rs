//! The index of one segment: a function of its bytes alone, so that it can be made for every segment by itself, beside
//! others, and again when it is lost.

use crate::format::{SEGMENT_HEADER_BYTES, to_u32, to_u64, to_usize};
use crate::hash::Table;
use crate::positions::Positions;
use crate::segment::SegmentHeader;
use std::collections::BTreeMap;
use stele_domain::port::event_log::StreamId;
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

/// The index of one segment.
#[derive(Debug)]
pub struct Part {
    /// Position of the segment's first record.
    pub first: u64,
    /// How many commits are before it.
    pub first_commit: u64,
    /// Offset after its last commit.
    pub end: u64,
    /// How many records it has.
    pub records: u64,
    /// How many commits it has.
    pub commits: u64,
    /// When its last commit was recorded; the one before it when it has none.
    pub recorded_at: Timestamp,
    numbers: Table<StreamId, u32>,
    streams: Vec<Held>,
    /// The stream of the last record.
    last: Option<(StreamId, u32)>,
    marks: Vec<Mark>,
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
        Self {
            first: header.first,
            first_commit: header.tree.size(),
            end: to_u64(SEGMENT_HEADER_BYTES),
            records: 0,
            commits: 0,
            recorded_at: header.recorded_before,
            numbers: Table::default(),
            streams: vec![],
            last: None,
            marks: vec![],
        }
    }

    /// The position after its last record.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.first + self.records
    }

    /// The number of the commit after its last one.
    #[must_use]
    pub fn next_commit(&self) -> u64 {
        self.first_commit + self.commits
    }

    /// Enters a commit. The records come one by one, by [`Self::add_record`], after it.
    pub fn add_commit(&mut self, entry: CommitEntry) {
        assert!(entry.offset >= self.end, "a commit at {} before {}", entry.offset, self.end);
        let mark = Mark { position: self.next_position(), commit: self.next_commit(), offset: entry.offset };
        if self.marks.last().is_none_or(|last| entry.offset - last.offset >= MARK_EVERY_BYTES) {
            self.marks.push(mark);
        }
        self.commits += 1;
        (self.end, self.recorded_at) = (entry.end, entry.recorded_at);
    }

    /// Enters the next record. False, and nothing is entered, when its revision is not the next of those that are here.
    pub fn add_record(&mut self, stream: &StreamId, revision: u64) -> bool {
        let position = self.next_position();
        let number = self.number(stream, revision);
        let Some(held) = self.streams.get_mut(to_usize(number.into())) else {
            return false;
        };
        if held.next_revision() != revision {
            return false;
        }
        held.positions.push(position);
        self.records += 1;
        true
    }

    /// What is here of a stream.
    #[must_use]
    pub fn get(&self, stream: &StreamId) -> Option<&Held> {
        self.streams.get(to_usize((*self.numbers.get(stream)?).into()))
    }

    /// All streams that have records here, in no order.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamId, &Held)> {
        self.numbers
            .iter()
            .filter_map(|(name, number)| Some((name, self.streams.get(to_usize((*number).into()))?)))
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

    fn number(&mut self, stream: &StreamId, revision: u64) -> u32 {
        // The records of a batch share their stream's name.
        if let Some((last, number)) = &self.last
            && std::ptr::eq(last.as_str(), stream.as_str())
        {
            return *number;
        }
        let number = self.numbers.get(stream).copied().unwrap_or_else(|| {
            let number = to_u32(to_u64(self.streams.len()));
            self.numbers.insert(stream.clone(), number);
            self.streams.push(Held { first_revision: revision, positions: Positions::default() });
            number
        });
        self.last = Some((stream.clone(), number));
        number
    }
}
