//! What the log knows of itself without looking at the disk: where streams are, where positions lie, and the
//! tree. Payloads stay on disk.

use crate::format::{SEGMENT_HEADER_BYTES, to_u64, to_usize};
use crate::hash::Table;
use crate::positions::Positions;
use crate::recent::{RecentIds, StreamNumber};
use crate::segment::SegmentHeader;
use crate::storage::StorageFile;
use crate::tree::Frontier;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Position, Revision, StreamId};
use stele_domain::time::Timestamp;
use uuid::Uuid;

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

/// One segment, as far as it is durable.
pub struct Segment {
    /// Position of the first record.
    pub first: u64,
    /// How many commits are before it.
    pub first_commit: u64,
    /// Offset after its last commit.
    pub end: u64,
    /// The file.
    pub file: Arc<dyn StorageFile>,
    marks: Vec<Mark>,
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

/// A record of a commit to be entered.
#[derive(Debug, Clone, Copy)]
pub struct RecordEntry<'a> {
    /// Its stream.
    pub stream: &'a StreamId,
    /// Its place there.
    pub revision: u64,
    /// Its id.
    pub event_id: EventId,
}

/// The index.
pub struct Index {
    log: Uuid,
    numbers: Table<StreamId, StreamNumber>,
    positions: Vec<Positions>,
    /// The stream of the last record.
    last: Option<(StreamId, StreamNumber)>,
    recent: RecentIds,
    segments: Vec<Segment>,
    commits: u64,
    head: u64,
    recorded_at: Timestamp,
}

impl Index {
    /// The index of a log without segments.
    #[must_use]
    pub fn new(log: Uuid) -> Self {
        Self {
            log,
            numbers: Table::default(),
            positions: vec![],
            last: None,
            recent: RecentIds::default(),
            segments: vec![],
            commits: 0,
            head: 0,
            recorded_at: Timestamp::default(),
        }
    }

    /// The header of the segment that would follow, `tree` being the tree over all commits.
    #[must_use]
    pub fn next_segment(&self, tree: &Frontier) -> SegmentHeader {
        let previous = self.segments.last();
        SegmentHeader {
            log: self.log,
            first: self.head + 1,
            previous_first: previous.map_or(0, |segment| segment.first),
            previous_end: previous.map_or(0, |segment| segment.end),
            recorded_before: self.recorded_at,
            tree: tree.clone(),
        }
    }

    /// Enters a segment that has a header and no commits yet.
    pub fn add_segment(&mut self, file: Arc<dyn StorageFile>) {
        self.segments.push(Segment {
            first: self.head + 1,
            first_commit: self.commits(),
            end: to_u64(SEGMENT_HEADER_BYTES),
            file,
            marks: vec![],
        });
    }

    /// Enters a commit of the last segment. The records come one by one, by [`Self::add_record`], after it.
    pub fn add_commit(&mut self, entry: CommitEntry) {
        let mark = Mark { position: self.head + 1, commit: self.commits(), offset: entry.offset };
        self.commits += 1;
        self.recorded_at = entry.recorded_at;
        if let Some(segment) = self.segments.last_mut() {
            assert!(entry.offset >= segment.end, "a commit at {} before {}", entry.offset, segment.end);
            segment.end = entry.end;
            let far = |last: &Mark| entry.offset - last.offset >= MARK_EVERY_BYTES;
            if segment.marks.last().is_none_or(far) {
                segment.marks.push(mark);
            }
        }
    }

    /// Enters the next record. False, and nothing is entered, when its revision is not the stream's next.
    pub fn add_record(&mut self, entry: RecordEntry<'_>) -> bool {
        let number = self.number_or_new(entry.stream);
        let Some(positions) = self.positions.get_mut(to_usize(number.into())) else {
            return false;
        };
        if entry.revision != positions.len() {
            return false;
        }
        self.head += 1;
        positions.push(self.head);
        self.recent.push(self.head, number, entry.revision, entry.event_id);
        true
    }

    /// The last position; 0 when there is none.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Number of commits.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// When the last commit was recorded; the epoch when there is none.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// All segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many streams have records.
    #[must_use]
    pub fn streams(&self) -> u64 {
        to_u64(self.positions.len())
    }

    /// How many records each category has. Goes through all streams.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, u64> {
        let mut categories = BTreeMap::new();
        for (stream, number) in &self.numbers {
            let count = self.positions.get(to_usize((*number).into())).map_or(0, Positions::len);
            if let Some(sum) = categories.get_mut(stream.category()) {
                *sum += count;
            } else {
                categories.insert(stream.category().to_owned(), count);
            }
        }
        categories
    }

    /// How many records a stream has.
    #[must_use]
    pub fn count(&self, stream: &StreamId) -> u64 {
        self.of_stream(stream).map_or(0, Positions::len)
    }

    /// How many records a stream has up to a position.
    #[must_use]
    pub fn count_to(&self, stream: &StreamId, position: u64) -> u64 {
        self.of_stream(stream).map_or(0, |positions| positions.count_to(position))
    }

    /// The position of a stream's record.
    #[must_use]
    pub fn position(&self, stream: &StreamId, revision: u64) -> Option<u64> {
        self.of_stream(stream)?.get(revision)
    }

    /// The positions of a stream's records, as far as they exist.
    #[must_use]
    pub fn positions(&self, stream: &StreamId, revisions: Range<u64>) -> Vec<u64> {
        self.of_stream(stream).map_or_else(Vec::new, |positions| positions.range(revisions))
    }

    /// The revision of a stream's last record with this id, when it is a recent one.
    #[must_use]
    pub fn recent(&self, stream: &StreamId, id: EventId) -> Option<Revision> {
        self.recent.revision(*self.numbers.get(stream)?, id).map(Revision)
    }

    /// The id at a position, when it is a recent one.
    #[must_use]
    pub fn recent_id(&self, position: Position) -> Option<EventId> {
        self.recent.id_at(position.0)
    }

    /// The segment with a position, and a commit at or before it.
    #[must_use]
    pub fn locate(&self, position: u64) -> Option<(&Segment, Mark)> {
        self.find(|segment| segment.first <= position, |mark| mark.position <= position)
    }

    /// The segment with a commit, and a commit at or before it.
    #[must_use]
    pub fn locate_commit(&self, commit: u64) -> Option<(&Segment, Mark)> {
        self.find(|segment| segment.first_commit <= commit, |mark| mark.commit <= commit)
    }

    fn find(
        &self,
        begins: impl Fn(&Segment) -> bool,
        stands: impl Fn(&Mark) -> bool,
    ) -> Option<(&Segment, Mark)> {
        let after = self.segments.partition_point(begins);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let after = segment.marks.partition_point(stands);
        segment.marks.get(after.checked_sub(1)?).map(|mark| (segment, *mark))
    }

    fn of_stream(&self, stream: &StreamId) -> Option<&Positions> {
        self.positions.get(to_usize((*self.numbers.get(stream)?).into()))
    }

    fn number_or_new(&mut self, stream: &StreamId) -> StreamNumber {
        // The records of a batch share their stream's name.
        if let Some((last, number)) = &self.last
            && std::ptr::eq(last.as_str(), stream.as_str())
        {
            return *number;
        }
        let number = self.look_up_or_enter(stream);
        self.last = Some((stream.clone(), number));
        number
    }

    fn look_up_or_enter(&mut self, stream: &StreamId) -> StreamNumber {
        if let Some(number) = self.numbers.get(stream) {
            return *number;
        }
        let number = crate::format::to_u32(to_u64(self.positions.len()));
        self.numbers.insert(stream.clone(), number);
        self.positions.push(Positions::default());
        number
    }
}
