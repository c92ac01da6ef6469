//! A group: appends that are decided one after the other, as if those before had been written, and then are
//! written together. Nobody is answered before what the answer rests on is durable.

use super::Reply;
use super::active::{Failure, Written};
use crate::format::{to_u64, to_usize};
use crate::frame::payload::Encoder;
use crate::hash::Table;
use crate::index::{CommitEntry, Held, Trail};
use crate::leaves::Batch;
use crate::plan::{History, checked};
use crate::positions::Positions;
use crate::read;
use crate::shared::Shared;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, LogError, NewRecord, Position, Record, Revision, StreamAppend, StreamId,
};
use stele_domain::time::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

/// Memory for payloads that is kept from one group to the next, in bytes: 8 MiB.
const SPARE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends that will be durable together.
#[derive(Default)]
pub struct Group {
    recorded_at: Timestamp,
    payloads: Vec<u8>,
    commits: Vec<StagedCommit>,
    records: Vec<Record>,
    /// How many records it had when they were entered.
    entered: usize,
    /// The streams that were looked up for it.
    streams: Table<StreamId, StagedStream>,
    waiting: Vec<Waiting>,
}

/// One commit of the group.
struct StagedCommit {
    recorded_at: Timestamp,
    payload: Range<usize>,
    records: Range<usize>,
}

/// What the group adds to a stream.
struct StagedStream {
    /// How many records it had before the group.
    before: u64,
    /// Places in the group's records, by revision.
    records: Positions,
    /// The last revision of each id, as far as anybody has asked for one.
    known: RefCell<Option<Box<KnownIds>>>,
}

/// The ids among the first records that the group adds to a stream.
#[derive(Default)]
struct KnownIds {
    revisions: Table<EventId, u64>,
    /// How many of the records are in that table.
    count: u64,
}

impl StagedStream {
    fn new(before: u64) -> Self {
        Self { before, records: Positions::default(), known: RefCell::new(None) }
    }

    /// How many records it has with those of the group.
    fn count(&self) -> u64 {
        self.before + self.records.len()
    }

    /// The revision of the last of its records with this id. Only appends at any revision ask, so the table is filled
    /// when it is asked for.
    fn revision(&self, id: EventId, records: &[Record]) -> Option<u64> {
        let mut known = self.known.borrow_mut();
        let known = known.get_or_insert_default();
        for place in self.records.range(known.count..self.records.len()) {
            if let Some(record) = records.get(to_usize(place)) {
                known.revisions.insert(record.event_id, record.revision.0);
            }
        }
        known.count = self.records.len();
        known.revisions.get(&id).copied()
    }
}

/// Someone who gets an answer when the group is durable.
struct Waiting {
    reply: Reply,
    _room: OwnedSemaphorePermit,
    answer: Answer,
}

/// What someone will be told.
pub enum Answer {
    /// The records were written as part of the group.
    Written(Vec<Appended>),
    /// Nothing was written for this one.
    Known {
        /// The answer.
        result: Result<Vec<Appended>, LogError>,
        /// Whether it would be another one without the group.
        uses_group: bool,
    },
}

impl Group {
    /// A group whose commits are recorded at `recorded_at`, in the memory of one that is done.
    pub fn begin(recorded_at: Timestamp, done: Self) -> Self {
        let Self { mut payloads, mut commits, mut records, mut streams, mut waiting, .. } = done;
        if payloads.capacity() > SPARE_BYTES_MAX {
            payloads = vec![];
        }
        payloads.clear();
        commits.clear();
        records.clear();
        streams.clear();
        waiting.clear();
        Self { recorded_at, payloads, commits, records, entered: 0, streams, waiting }
    }

    /// Bytes of its payloads.
    pub fn bytes(&self) -> usize {
        self.payloads.len()
    }

    /// Number of its records.
    pub fn records(&self) -> usize {
        self.records.len().max(self.entered)
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The payloads in order.
    pub fn commits(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.commits.iter().map(|commit| self.payloads.get(commit.payload.clone()).unwrap_or_default())
    }

    /// Looks up how many records each of these streams has. Whoever plans or stages appends to them does so first.
    pub fn look_up(&mut self, shared: &Shared, appends: &[StreamAppend]) -> Result<(), LogError> {
        for StreamAppend { stream, .. } in appends {
            if !self.streams.contains_key(stream) {
                let held = shared.index().held(stream).map(Held::next_revision);
                let count = match held {
                    Some(count) => count,
                    None => trail(shared, stream).count(stream)?,
                };
                self.streams.insert(stream.clone(), StagedStream::new(count));
            }
        }
        Ok(())
    }

    /// Adds a commit of `appends`, which may be written; returns the answers for when it is durable. It is recorded now,
    /// unless another time is given.
    pub fn stage(
        &mut self,
        shared: &Shared,
        appends: Vec<StreamAppend>,
        recorded_at: Option<Timestamp>,
    ) -> Vec<Appended> {
        let recorded_at = recorded_at.unwrap_or(self.recorded_at);
        let durable = shared.head();
        let (payload_start, records_start) = (self.payloads.len(), self.records.len());
        let count = appends.iter().map(|append| append.records.len()).sum::<usize>();
        let head = durable + to_u64(records_start + count);
        let mut encoder = Encoder::begin(&mut self.payloads, recorded_at, to_u64(count));
        let mut answers = Vec::with_capacity(appends.len());
        for append in appends {
            if append.records.is_empty() {
                answers.push(checked(Position(head), last_of(&self.streams, &append.stream)));
                continue;
            }
            let staged = self.streams.get_mut(&append.stream);
            assert!(staged.is_some(), "stream {} is appended to and was not looked up", append.stream);
            let Some(staged) = staged else { continue };
            let first = durable + to_u64(self.records.len()) + 1;
            for (nth, offer) in append.records.into_iter().enumerate() {
                let revision = staged.count();
                encoder.record((nth == 0).then_some((append.stream.as_str(), revision)), &offer);
                staged.records.push(to_u64(self.records.len()));
                self.records.push(Record {
                    position: Position(durable + to_u64(self.records.len()) + 1),
                    stream: append.stream.clone(),
                    revision: Revision(revision),
                    event_id: offer.event_id,
                    event_type: offer.event_type,
                    data: offer.data,
                    metadata: offer.metadata,
                    recorded_at,
                });
            }
            answers.push(Appended {
                first: Position(first),
                last: Position(durable + to_u64(self.records.len())),
                revision: Revision(staged.count() - 1),
                repeated: false,
            });
        }
        let (payload, records) = (payload_start..self.payloads.len(), records_start..self.records.len());
        self.commits.push(StagedCommit { recorded_at, payload, records });
        answers
    }

    /// Has `reply` answered with the group.
    pub fn remember(&mut self, reply: Reply, room: OwnedSemaphorePermit, answer: Answer) {
        self.waiting.push(Waiting { reply, _room: room, answer });
    }

    /// Enters what has been written into the index and the cache, behind what readers see.
    pub fn enter(&mut self, shared: &Shared, written: &Written) {
        let mut index = shared.index_mut();
        for (commit, (offset, end)) in self.commits.iter().zip(&written.frames) {
            let recorded_at = commit.recorded_at;
            index.add_commit(CommitEntry { offset: *offset, end: *end, recorded_at });
            for record in self.records.get(commit.records.clone()).unwrap_or_default() {
                let (stream, event_id) = (&record.stream, record.event_id);
                let entered = index.add_record(stream, record.revision.0, event_id);
                assert!(entered, "revision {} of {stream} was written and is not the next", record.revision);
            }
        }
        drop(index);
        let mut cache = shared.cache_mut();
        self.entered = self.records.len();
        self.records.drain(..).for_each(|record| cache.push(record));
    }

    /// The leaves of its commits, the first record being at `first`. The payloads go with them: they have been written.
    pub fn take_leaves(&mut self, first: u64) -> Batch {
        let leaves = self.commits.iter();
        let leaves =
            leaves.map(|commit| (first + to_u64(commit.records.start), commit.payload.end)).collect();
        Batch::of(std::mem::take(&mut self.payloads), leaves)
    }

    /// Gives it back the memory of its payloads, for the next one.
    pub fn give_back(&mut self, leaves: Batch) {
        self.payloads = leaves.into_payloads();
    }

    /// Answers everyone: with what was decided, or with the failure where the answer rested on the group.
    pub fn answer(&mut self, failure: Option<&Failure>) {
        for waiting in self.waiting.drain(..) {
            let (decided, uses_group) = match waiting.answer {
                Answer::Written(answers) => (Ok(answers), true),
                Answer::Known { result, uses_group } => (result, uses_group),
            };
            let result = match failure {
                Some(failure) if uses_group => Err(failure.clone().into_error()),
                Some(_) | None => decided,
            };
            // Whoever asked may have gone away; what was written stays.
            drop(waiting.reply.send(result));
        }
    }
}

fn last_of(streams: &Table<StreamId, StagedStream>, stream: &StreamId) -> Option<Revision> {
    streams.get(stream)?.count().checked_sub(1).map(Revision)
}

/// Where a stream may be among the sealed segments: to be looked at when nobody holds the index.
fn trail(shared: &Shared, stream: &StreamId) -> Trail {
    shared.index().trail(stream)
}

/// The position of a stream's record. The writer may wait for the disk, and holds the index for no longer than a look.
fn position_of(shared: &Shared, stream: &StreamId, revision: u64) -> Result<Option<u64>, LogError> {
    if let Some(held) = shared.index().held(stream).filter(|held| held.first_revision <= revision) {
        return Ok(held.positions.get(revision - held.first_revision));
    }
    Ok(trail(shared, stream).positions(stream, &(revision..revision + 1))?.first().copied())
}

/// The log as it will be when the group is durable.
pub struct View<'a> {
    shared: &'a Shared,
    group: &'a Group,
    looked: Cell<bool>,
}

impl<'a> View<'a> {
    /// The durable log with the group on top.
    pub fn new(shared: &'a Shared, group: &'a Group) -> Self {
        Self { shared, group, looked: Cell::new(false) }
    }

    /// Whether anything that was asked for lay in the group.
    pub fn looked_into_group(&self) -> bool {
        self.looked.get()
    }

    fn staged(&self, stream: &StreamId) -> Option<&StagedStream> {
        let staged = self.group.streams.get(stream).filter(|staged| staged.records.len() > 0);
        if staged.is_some() {
            self.looked.set(true);
        }
        staged
    }

    fn staged_record(&self, stream: &StreamId, revision: u64) -> Option<&Record> {
        let staged = self.staged(stream)?;
        let place = staged.records.get(revision.checked_sub(staged.before)?)?;
        self.group.records.get(to_usize(place))
    }

    fn id_at(&self, stream: &StreamId, revision: u64) -> Result<Option<EventId>, LogError> {
        if let Some(record) = self.staged_record(stream, revision) {
            return Ok(Some(record.event_id));
        }
        let Some(position) = position_of(self.shared, stream, revision)? else {
            return Ok(None);
        };
        let recent = self.shared.index().recent_id(Position(position));
        recent.map_or_else(|| read::id_at(self.shared, position), Ok).map(Some)
    }
}

impl History for View<'_> {
    fn head(&self) -> Position {
        if !self.group.records.is_empty() {
            self.looked.set(true);
        }
        Position(self.shared.head() + to_u64(self.group.records.len()))
    }

    fn last(&self, stream: &StreamId) -> Option<Revision> {
        self.staged(stream);
        last_of(&self.group.streams, stream)
    }

    fn position(&self, stream: &StreamId, revision: Revision) -> Result<Position, LogError> {
        if let Some(record) = self.staged_record(stream, revision.0) {
            return Ok(record.position);
        }
        let position = position_of(self.shared, stream, revision.0)?;
        assert!(position.is_some(), "revision {revision} of {stream} has no position");
        Ok(Position(position.unwrap_or_default()))
    }

    fn carries(&self, stream: &StreamId, first: Revision, records: &[NewRecord]) -> Result<bool, LogError> {
        for (revision, record) in (first.0..).zip(records) {
            if self.id_at(stream, revision)? != Some(record.event_id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn recent(&self, stream: &StreamId, id: EventId) -> Option<Revision> {
        let staged = self.staged(stream).and_then(|staged| staged.revision(id, &self.group.records));
        staged.map(Revision).or_else(|| self.shared.index().recent(stream, id))
    }
}
