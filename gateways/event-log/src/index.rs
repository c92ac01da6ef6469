//! What the log knows of itself without looking at commits: where streams are and where positions lie, segment by
//! segment. Of the last segment all of it is in memory, of sealed ones a little; the rest is in index files. What is
//! not in memory is looked up when nobody holds the index: it hands out what to look at.

mod file;
mod filter;
mod layout;
mod pages;
mod part;
mod store;

pub use file::{IndexFile, TreePart, encode, file_name};
pub use filter::hash_of;
pub use layout::StreamEntry;
pub use pages::{Owner, Unusable};
pub use part::{CommitEntry, Extent, Held, Mark, Part};
pub use store::{open, store};

use crate::format::to_u64;
use crate::recent::RecentIds;
use crate::segment::SegmentHeader;
use crate::storage::StorageFile;
use crate::tree::Frontier;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{LogError, Position, Revision, StreamId};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// One segment, as far as it is written: up to the head it is durable, too.
pub struct Segment {
    /// The file.
    pub file: Arc<dyn StorageFile>,
    known: Known,
}

/// The index of one segment, wherever it is.
pub enum Known {
    /// In memory, and growing.
    Open(Box<Part>),
    /// In memory, until it is in a file.
    Sealed(Arc<Part>),
    /// In a file.
    File(Arc<IndexFile>),
}

impl Segment {
    fn sealed(self) -> Self {
        let known = match self.known {
            Known::Open(part) => Known::Sealed(Arc::new(*part)),
            sealed @ (Known::Sealed(_) | Known::File(_)) => sealed,
        };
        Self { known, ..self }
    }

    fn add_categories(&self, sums: &mut BTreeMap<String, u64>) {
        let mut add = |categories: &BTreeMap<String, u64>| {
            for (category, count) in categories {
                *sums.entry(category.clone()).or_default() += count;
            }
        };
        match &self.known {
            Known::Open(part) => add(&part.categories()),
            Known::Sealed(part) => add(&part.categories()),
            Known::File(file) => add(file.categories()),
        }
    }

    /// What it covers.
    #[must_use]
    pub fn extent(&self) -> Extent {
        match &self.known {
            Known::Open(part) => part.extent(),
            Known::Sealed(part) => part.extent(),
            Known::File(file) => *file.extent(),
        }
    }
}

/// A segment in which something is to be found, with its index or in it.
pub struct Located {
    /// The file.
    pub file: Arc<dyn StorageFile>,
    /// Position of the segment's first record.
    pub first: u64,
    /// Offset after its last commit.
    pub end: u64,
    found: Result<Mark, Arc<IndexFile>>,
}

impl Located {
    /// A commit at or before `position`, which the segment has.
    pub fn mark_of(&self, position: u64) -> Result<Mark, LogError> {
        self.mark(|mark| mark.position <= position)
    }

    /// A commit at or before the one with this number, which the segment has.
    pub fn mark_of_commit(&self, commit: u64) -> Result<Mark, LogError> {
        self.mark(|mark| mark.commit <= commit)
    }

    fn mark(&self, stands: impl Fn(&Mark) -> bool) -> Result<Mark, LogError> {
        match &self.found {
            Ok(mark) => Ok(*mark),
            Err(file) => file.mark(stands)?.ok_or_else(|| {
                crate::errors::damaged(
                    &file_name(self.first),
                    0,
                    "a commit is not in the index of its segment",
                )
            }),
        }
    }
}

/// Where a stream may be among the sealed segments, the last one first.
pub struct Trail {
    hash: u64,
    places: Vec<Place>,
}

/// The index of a sealed segment that may have a stream.
enum Place {
    Memory(Arc<Part>),
    File(Arc<IndexFile>),
}

/// What one of them has of it.
enum Found<'a> {
    Memory(&'a Held),
    File(&'a IndexFile, StreamEntry),
}

impl Found<'_> {
    fn first_revision(&self) -> u64 {
        match self {
            Self::Memory(held) => held.first_revision,
            Self::File(_, entry) => entry.first_revision,
        }
    }

    fn next_revision(&self) -> u64 {
        match self {
            Self::Memory(held) => held.next_revision(),
            Self::File(_, entry) => entry.next_revision(),
        }
    }

    fn positions(&self, nth: Range<u64>) -> Result<Vec<u64>, LogError> {
        match self {
            Self::Memory(held) => Ok(held.positions.range(nth)),
            Self::File(file, entry) => file.positions(entry, nth),
        }
    }
}

impl Trail {
    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many records the stream has in sealed segments and those before.
    pub fn count(&self, stream: &StreamId) -> Result<u64, LogError> {
        let found = self.found(stream).next().transpose()?;
        Ok(found.map_or(0, |found| found.next_revision()))
    }

    /// Positions of these revisions of the stream, as far as sealed segments have them.
    pub fn positions(&self, stream: &StreamId, revisions: &Range<u64>) -> Result<Vec<u64>, LogError> {
        let mut pieces = vec![];
        for found in self.found(stream) {
            let found = found?;
            let first = found.first_revision();
            let nth = revisions.start.saturating_sub(first)..revisions.end.saturating_sub(first);
            pieces.push(found.positions(nth)?);
            if first <= revisions.start {
                break;
            }
        }
        Ok(pieces.into_iter().rev().flatten().collect())
    }

    fn found(&self, stream: &StreamId) -> impl Iterator<Item = Result<Found<'_>, LogError>> {
        self.places.iter().filter_map(move |place| match place {
            Place::Memory(part) => part.get(stream).map(|held| Ok(Found::Memory(held))),
            Place::File(file) => {
                file.find(self.hash, stream).map(|entry| Some(Found::File(file, entry?))).transpose()
            }
        })
    }
}

/// The index.
pub struct Index {
    log: Uuid,
    recent: RecentIds,
    segments: Vec<Segment>,
    /// How many records each category has in all segments but the last.
    categories: BTreeMap<String, u64>,
    /// The header of the first segment, where it is not the first of the log.
    base: Option<SegmentHeader>,
}

impl Index {
    /// The index of a log without segments.
    #[must_use]
    pub fn new(log: Uuid) -> Self {
        let (segments, categories) = (vec![], BTreeMap::new());
        Self { log, recent: RecentIds::default(), segments, categories, base: None }
    }

    /// The index of a log whose first segments are left out, up to the one with this header.
    #[must_use]
    pub fn begin_with(header: &SegmentHeader) -> Self {
        Self { base: Some(header.clone()), ..Self::new(header.log) }
    }

    /// The header of the segment that would follow, `tree` being the tree over all commits.
    #[must_use]
    pub fn next_segment(&self, tree: &Frontier) -> SegmentHeader {
        let previous = self.last();
        if let (None, Some(base)) = (previous, &self.base) {
            return base.clone();
        }
        SegmentHeader {
            log: self.log,
            first: self.head() + 1,
            previous_first: previous.map_or(0, |extent| extent.first),
            previous_end: previous.map_or(0, |extent| extent.end),
            recorded_before: self.recorded_at(),
            tree: tree.clone(),
        }
    }

    /// Enters a segment that follows those that are here. Nothing more comes into the one before it.
    pub fn add_segment(&mut self, file: Arc<dyn StorageFile>, known: Known) {
        let segment = Segment { file, known };
        assert_eq!(segment.extent().first, self.head() + 1, "a segment does not follow the one before it");
        if let Some(before) = self.segments.pop() {
            before.add_categories(&mut self.categories);
            self.segments.push(before.sealed());
        }
        self.segments.push(segment);
    }

    /// The index of the segment before the last, when it is to be written to a file.
    #[must_use]
    pub fn last_sealed(&self) -> Option<Arc<Part>> {
        match &self.segments.get(self.segments.len().checked_sub(2)?)?.known {
            Known::Sealed(part) => Some(Arc::clone(part)),
            Known::Open(_) | Known::File(_) => None,
        }
    }

    /// The last segment is written to again: the one that was to follow it never came to be.
    pub fn reopen(&mut self) -> Result<(), LogError> {
        let Some(Segment { file, known }) = self.segments.pop() else {
            return Ok(());
        };
        let part = match known {
            Known::Open(part) => part,
            Known::File(index) => Box::new(index.load()?),
            Known::Sealed(part) => match Arc::try_unwrap(part) {
                Ok(part) => Box::new(part),
                Err(_) => {
                    return Err(LogError::Stopped("an index is in use while the log is opened".to_owned()));
                }
            },
        };
        self.segments.push(Segment { file, known: Known::Open(part) });
        Ok(())
    }

    /// The index of a sealed segment is in a file now.
    pub fn filed(&mut self, file: IndexFile) {
        let first = file.extent().first;
        let sealed = self.segments.iter_mut().find(|segment| segment.extent().first == first);
        if let Some(segment) = sealed {
            segment.known = Known::File(Arc::new(file));
        }
    }

    /// The bytes of a sealed segment are in another file now.
    pub fn moved(&mut self, first: u64, file: Arc<dyn StorageFile>) {
        let sealed = self.segments.iter_mut().find(|segment| segment.extent().first == first);
        if let Some(segment) = sealed {
            segment.file = file;
        }
    }

    /// The index of the last segment.
    #[must_use]
    pub fn open_part(&self) -> Option<&Part> {
        match &self.segments.last()?.known {
            Known::Open(part) => Some(part),
            Known::Sealed(_) | Known::File(_) => None,
        }
    }

    /// Enters a commit of the last segment. The records come after it, by [`Self::add_records`].
    pub fn add_commit(&mut self, entry: CommitEntry) {
        if let Some(part) = self.open_part_mut() {
            part.add_commit(entry);
        }
    }

    /// Enters the next records, at least one, all of one stream, the first of them having this revision. False, and nothing
    /// is entered, when it is not the next of those that the last segment has; whoever writes the first of them has looked
    /// at those before.
    pub fn add_records(
        &mut self,
        stream: &StreamId,
        revision: u64,
        ids: impl ExactSizeIterator<Item = EventId>,
    ) -> bool {
        let (position, count) = (self.head() + 1, to_u64(ids.len()));
        let added = self.open_part_mut().is_some_and(|part| part.add_records(stream, revision, count));
        if added {
            self.recent.push(position, stream, revision, ids);
        }
        added
    }

    /// The last position; 0 when there is none.
    #[must_use]
    pub fn head(&self) -> u64 {
        let before = self.base.as_ref().map_or(0, |base| base.first - 1);
        self.last().map_or(before, |extent| extent.next_position() - 1)
    }

    /// Number of commits.
    #[must_use]
    pub fn commits(&self) -> u64 {
        let before = self.base.as_ref().map_or(0, |base| base.tree.size());
        self.last().map_or(before, |extent| extent.next_commit())
    }

    /// When the last commit was recorded; the epoch when there is none.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.last().map_or_else(Timestamp::default, |extent| extent.recorded_at)
    }

    /// All segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many streams have records.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.segments.iter().map(|segment| segment.extent().begun).sum()
    }

    /// How many records each category has. Takes as long as there are categories, however many streams and segments there
    /// are.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, u64> {
        let mut sums = self.categories.clone();
        if let Some(last) = self.segments.last() {
            last.add_categories(&mut sums);
        }
        sums
    }

    /// What the last segment has of a stream.
    #[must_use]
    pub fn held(&self, stream: &StreamId) -> Option<&Held> {
        self.open_part()?.get(stream)
    }

    /// Where a stream may be among the sealed segments.
    #[must_use]
    pub fn trail(&self, stream: &StreamId) -> Trail {
        let hash = hash_of(stream.as_str());
        let places = self.segments.iter().rev().filter_map(|segment| match &segment.known {
            Known::Open(_) => None,
            Known::Sealed(part) => part.get(stream).map(|_| Place::Memory(Arc::clone(part))),
            Known::File(file) => file.may_have(hash).then(|| Place::File(Arc::clone(file))),
        });
        Trail { hash, places: places.collect() }
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

    /// The segment with a position.
    #[must_use]
    pub fn locate(&self, position: u64) -> Option<Located> {
        self.find(|extent| extent.first <= position, |mark| mark.position <= position)
    }

    /// The segment with a commit.
    #[must_use]
    pub fn locate_commit(&self, commit: u64) -> Option<Located> {
        self.find(|extent| extent.first_commit <= commit, |mark| mark.commit <= commit)
    }

    fn find(&self, begins: impl Fn(&Extent) -> bool, stands: impl Fn(&Mark) -> bool) -> Option<Located> {
        let after = self.segments.partition_point(|segment| begins(&segment.extent()));
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let found = match &segment.known {
            Known::Open(part) => Ok(part.mark(stands)?),
            Known::Sealed(part) => Ok(part.mark(stands)?),
            Known::File(file) => Err(Arc::clone(file)),
        };
        let extent = segment.extent();
        Some(Located { file: Arc::clone(&segment.file), first: extent.first, end: extent.end, found })
    }

    fn last(&self) -> Option<Extent> {
        self.segments.last().map(Segment::extent)
    }

    fn open_part_mut(&mut self) -> Option<&mut Part> {
        match &mut self.segments.last_mut()?.known {
            Known::Open(part) => Some(part),
            Known::Sealed(_) | Known::File(_) => None,
        }
    }
}
