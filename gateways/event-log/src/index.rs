//! What the log knows of itself without looking at commits: where streams are and where positions lie, segment by
//! segment. Payloads stay on disk.

mod part;

pub use part::{CommitEntry, Held, Mark, Part};

use crate::recent::RecentIds;
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

/// One segment, as far as it is durable.
pub struct Segment {
    /// The file.
    pub file: Arc<dyn StorageFile>,
    /// What is in it.
    pub part: Part,
}

/// The index.
pub struct Index {
    log: Uuid,
    recent: RecentIds,
    segments: Vec<Segment>,
    /// How many streams have records.
    streams: u64,
}

impl Index {
    /// The index of a log without segments.
    #[must_use]
    pub fn new(log: Uuid) -> Self {
        Self { log, recent: RecentIds::default(), segments: vec![], streams: 0 }
    }

    /// The header of the segment that would follow, `tree` being the tree over all commits.
    #[must_use]
    pub fn next_segment(&self, tree: &Frontier) -> SegmentHeader {
        let previous = self.segments.last().map(|segment| &segment.part);
        SegmentHeader {
            log: self.log,
            first: self.head() + 1,
            previous_first: previous.map_or(0, |part| part.first),
            previous_end: previous.map_or(0, |part| part.end),
            recorded_before: self.recorded_at(),
            tree: tree.clone(),
        }
    }

    /// Enters a segment that follows those that are here.
    pub fn add_segment(&mut self, file: Arc<dyn StorageFile>, part: Part) {
        assert_eq!(part.first, self.head() + 1, "a segment does not follow the one before it");
        let begun = part.streams().filter(|(_, held)| held.first_revision == 0).count();
        self.streams += crate::format::to_u64(begun);
        self.segments.push(Segment { file, part });
    }

    /// Enters a commit of the last segment. The records come one by one, by [`Self::add_record`], after it.
    pub fn add_commit(&mut self, entry: CommitEntry) {
        if let Some(segment) = self.segments.last_mut() {
            segment.part.add_commit(entry);
        }
    }

    /// Enters the next record. False, and nothing is entered, when its revision is not the next of those that the last
    /// segment has; whoever writes the first of them has looked at those before.
    pub fn add_record(&mut self, stream: &StreamId, revision: u64, event_id: EventId) -> bool {
        let position = self.head() + 1;
        let Some(segment) = self.segments.last_mut() else {
            return false;
        };
        if !segment.part.add_record(stream, revision) {
            return false;
        }
        self.streams += u64::from(revision == 0);
        self.recent.push(position, stream, revision, event_id);
        true
    }

    /// The last position; 0 when there is none.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.part.next_position() - 1)
    }

    /// Number of commits.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.part.next_commit())
    }

    /// When the last commit was recorded; the epoch when there is none.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.segments.last().map_or_else(Timestamp::default, |segment| segment.part.recorded_at)
    }

    /// All segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many streams have records.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams
    }

    /// How many records each category has. Goes through all streams.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, u64> {
        let mut categories = BTreeMap::new();
        for (category, count) in self.segments.iter().flat_map(|segment| segment.part.categories()) {
            *categories.entry(category).or_default() += count;
        }
        categories
    }

    /// How many records a stream has.
    #[must_use]
    pub fn count(&self, stream: &StreamId) -> u64 {
        self.held(stream).next().map_or(0, Held::next_revision)
    }

    /// How many records a stream has up to a position.
    #[must_use]
    pub fn count_to(&self, stream: &StreamId, position: u64) -> u64 {
        for held in self.held(stream) {
            let here = held.positions.count_to(position);
            if here > 0 || held.first_revision == 0 {
                return held.first_revision + here;
            }
        }
        0
    }

    /// The position of a stream's record.
    #[must_use]
    pub fn position(&self, stream: &StreamId, revision: u64) -> Option<u64> {
        let held = self.held(stream).find(|held| held.first_revision <= revision)?;
        held.positions.get(revision - held.first_revision)
    }

    /// The positions of a stream's records, as far as they exist.
    #[must_use]
    pub fn positions(&self, stream: &StreamId, revisions: Range<u64>) -> Vec<u64> {
        let mut pieces = vec![];
        for held in self.held(stream).filter(|held| held.first_revision < revisions.end) {
            let from = revisions.start.saturating_sub(held.first_revision);
            pieces.push(held.positions.range(from..revisions.end - held.first_revision));
            if held.first_revision <= revisions.start {
                break;
            }
        }
        pieces.into_iter().rev().flatten().collect()
    }

    /// The revision of a stream's last record with this id, when it is a recent one. Those of an earlier process must
    /// have been remembered before.
    #[must_use]
    pub fn recent(&self, stream: &StreamId, id: EventId) -> Option<Revision> {
        self.recent.revision(stream, id).map(Revision)
    }

    /// The id at a position, when it is a recent one.
    #[must_use]
    pub fn recent_id(&self, position: Position) -> Option<EventId> {
        self.recent.id_at(position.0)
    }

    /// Recent positions whose ids are not remembered.
    #[must_use]
    pub fn not_remembered(&self) -> Range<u64> {
        self.recent.missing(self.head())
    }

    /// Remembers records that come before those that are remembered.
    pub fn remember(&mut self, first: u64, records: Vec<(StreamId, u64, EventId)>) {
        self.recent.prepend(first, records);
    }

    /// The segment with a position, and a commit at or before it.
    #[must_use]
    pub fn locate(&self, position: u64) -> Option<(&Segment, Mark)> {
        self.find(|part| part.first <= position, |mark| mark.position <= position)
    }

    /// The segment with a commit, and a commit at or before it.
    #[must_use]
    pub fn locate_commit(&self, commit: u64) -> Option<(&Segment, Mark)> {
        self.find(|part| part.first_commit <= commit, |mark| mark.commit <= commit)
    }

    fn find(
        &self,
        begins: impl Fn(&Part) -> bool,
        stands: impl Fn(&Mark) -> bool,
    ) -> Option<(&Segment, Mark)> {
        let after = self.segments.partition_point(|segment| begins(&segment.part));
        let segment = self.segments.get(after.checked_sub(1)?)?;
        segment.part.mark(stands).map(|mark| (segment, mark))
    }

    /// What segments hold of a stream, the last one first.
    fn held(&self, stream: &StreamId) -> impl Iterator<Item = &Held> {
        self.segments.iter().rev().filter_map(|segment| segment.part.get(stream))
    }
}
