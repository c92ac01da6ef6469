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
use crate::read;
use crate::shared::Shared;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, LogError, NewRecord, Position, Record, Revision, StreamAppend, StreamId,
};
use stele_domain::time::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

/// Memory for payloads that is kept from one group to the next, and from that to the one after it, in bytes: 8 MiB each.
const SPARE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends that will be durable together.
#[derive(Default)]
pub struct Group {
    recorded_at: Timestamp,
    /// Whoever hashes them has them, too, until they are hashed.
    payloads: Arc<Vec<u8>>,
    /// Those of the group before it, for their memory: they may still be on their way to their hashes.
    before: Arc<Vec<u8>>,
    commits: Vec<StagedCommit>,
    appends: Vec<StagedAppend>,
    /// The ids of its records.
    ids: Vec<EventId>,
    /// The streams that were looked up for it.
    streams: Table<StreamId, StagedStream>,
    waiting: Vec<Waiting>,
}

/// One commit of the group.
struct StagedCommit {
    recorded_at: Timestamp,
    payload: Range<usize>,
    appends: Range<usize>,
    /// How many records the group has before it.
    place: usize,
}

/// What a commit adds to one stream.
struct StagedAppend {
    stream: StreamId,
    /// The revision of its first record.
    revision: u64,
    records: Vec<NewRecord>,
}

/// What the group adds to a stream.
#[derive(Default)]
struct StagedStream {
    /// How many records it had before the group.
    before: u64,
    /// How many the group adds.
    added: u64,
    /// The last of its runs, when it has any, and those before it.
    last: Run,
    earlier: Vec<Run>,
    /// The last revision of each id, as far as anybody has asked for one.
    known: RefCell<Option<Box<KnownIds>>>,
}

/// Records of a stream that follow each other in the group, too.
#[derive(Clone, Copy, Default)]
struct Run {
    /// How many records the group adds to the stream before it.
    nth: u64,
    /// Where it begins among the records of the group.
    place: u64,
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
        Self { before, ..Self::default() }
    }

    /// How many records it has with those of the group.
    fn count(&self) -> u64 {
        self.before + self.added
    }

    /// Adds records that stand at this place of the group and behind it.
    fn add(&mut self, place: u64, count: u64) {
        if self.added == 0 {
            self.last = Run { nth: 0, place };
        } else if self.last.place + (self.added - self.last.nth) != place {
            self.earlier.push(std::mem::replace(&mut self.last, Run { nth: self.added, place }));
        }
        self.added += count;
    }

    /// Where the `nth` record that the group adds to it stands in the group.
    fn place(&self, nth: u64) -> Option<usize> {
        let run = if self.last.nth <= nth {
            self.last
        } else {
            let begun = self.earlier.partition_point(|run| run.nth <= nth);
            *self.earlier.get(begun.checked_sub(1)?)?
        };
        (nth < self.added).then(|| to_usize(run.place + (nth - run.nth)))
    }

    /// The revision of the last of its records with this id. Only appends at any revision ask, so the table is filled
    /// when it is asked for.
    fn revision(&self, id: EventId, ids: &[EventId]) -> Option<u64> {
        let mut known = self.known.borrow_mut();
        let known = known.get_or_insert_default();
        for nth in known.count..self.added {
            if let Some(id) = self.place(nth).and_then(|place| ids.get(place)) {
                known.revisions.insert(*id, self.before + nth);
            }
        }
        known.count = self.added;
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
        let Self { payloads: before, before: mut payloads, .. } = done;
        let before = if before.capacity() <= SPARE_BYTES_MAX { before } else { Arc::default() };
        let Self { mut commits, mut appends, mut ids, mut streams, mut waiting, .. } = done;
        match Arc::get_mut(&mut payloads).filter(|payloads| payloads.capacity() <= SPARE_BYTES_MAX) {
            Some(payloads) => payloads.clear(),
            None => payloads = Arc::default(),
        }
        commits.clear();
        appends.clear();
        ids.clear();
        streams.clear();
        waiting.clear();
        Self { recorded_at, payloads, before, commits, appends, ids, streams, waiting }
    }

    /// Bytes of its payloads.
    pub fn bytes(&self) -> usize {
        self.payloads.len()
    }

    /// Number of its records.
    pub fn records(&self) -> usize {
        self.ids.len()
    }

    /// Whether one writer alone waits for it.
    pub fn has_one_writer(&self) -> bool {
        self.waiting.len() == 1
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
        let (payload_start, appends_start, place) = (self.payloads.len(), self.appends.len(), self.ids.len());
        let count = appends.iter().map(|append| append.records.len()).sum::<usize>();
        let head = durable + to_u64(place + count);
        let mut encoder = Encoder::begin(Arc::make_mut(&mut self.payloads), recorded_at, to_u64(count));
        let mut answers = Vec::with_capacity(appends.len());
        for StreamAppend { stream, records, .. } in appends {
            if records.is_empty() {
                answers.push(checked(Position(head), last_of(&self.streams, &stream)));
                continue;
            }
            let staged = self.streams.get_mut(&stream);
            assert!(staged.is_some(), "stream {stream} is appended to and was not looked up");
            let Some(staged) = staged else { continue };
            let (before, revision) = (to_u64(self.ids.len()), staged.count());
            for (nth, offer) in records.iter().enumerate() {
                encoder.record((nth == 0).then_some((stream.as_str(), revision)), offer);
            }
            self.ids.extend(records.iter().map(|offer| offer.event_id));
            staged.add(before, to_u64(records.len()));
            answers.push(Appended {
                first: Position(durable + before + 1),
                last: Position(durable + to_u64(self.ids.len())),
                revision: Revision(staged.count() - 1),
                repeated: false,
            });
            self.appends.push(StagedAppend { stream, revision, records });
        }
        let (payload, appends) = (payload_start..self.payloads.len(), appends_start..self.appends.len());
        self.commits.push(StagedCommit { recorded_at, payload, appends, place });
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
            for StagedAppend { stream, revision, records } in appends_of(&self.appends, commit) {
                let ids = records.iter().map(|record| record.event_id);
                let entered = index.add_records(stream, *revision, ids);
                assert!(entered, "revision {revision} of {stream} was written and is not the next");
            }
        }
        drop(index);
        let mut cache = shared.cache_mut();
        let (mut position, mut appends) = (Position(shared.head()), self.appends.drain(..));
        for commit in &self.commits {
            for StagedAppend { stream, revision, records } in appends.by_ref().take(commit.appends.len()) {
                for (revision, record) in (revision..).zip(records) {
                    let NewRecord { event_id, event_type, data, metadata } = record;
                    position = position.next();
                    let (stream, revision) = (stream.clone(), Revision(revision));
                    let recorded_at = commit.recorded_at;
                    let kept = Record {
                        position,
                        stream,
                        revision,
                        event_id,
                        event_type,
                        data,
                        metadata,
                        recorded_at,
                    };
                    cache.push(kept);
                }
            }
        }
    }

    /// The leaves of its commits, the first record being at `first`.
    pub fn leaves(&self, first: u64) -> Batch {
        let leaves = self.commits.iter();
        let leaves = leaves.map(|commit| (first + to_u64(commit.place), commit.payload.end)).collect();
        Batch::of(Arc::clone(&self.payloads), leaves)
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

/// What a commit adds, stream by stream.
fn appends_of<'g>(appends: &'g [StagedAppend], commit: &StagedCommit) -> &'g [StagedAppend] {
    appends.get(commit.appends.clone()).unwrap_or_default()
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
        let staged = self.group.streams.get(stream).filter(|staged| staged.added > 0);
        if staged.is_some() {
            self.looked.set(true);
        }
        staged
    }

    /// Where a record of the group stands in it.
    fn place(&self, stream: &StreamId, revision: u64) -> Option<usize> {
        let staged = self.staged(stream)?;
        staged.place(revision.checked_sub(staged.before)?)
    }

    fn id_at(&self, stream: &StreamId, revision: u64) -> Result<Option<EventId>, LogError> {
        if let Some(place) = self.place(stream, revision) {
            return Ok(self.group.ids.get(place).copied());
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
        if !self.group.ids.is_empty() {
            self.looked.set(true);
        }
        Position(self.shared.head() + to_u64(self.group.ids.len()))
    }

    fn last(&self, stream: &StreamId) -> Option<Revision> {
        self.staged(stream);
        last_of(&self.group.streams, stream)
    }

    fn position(&self, stream: &StreamId, revision: Revision) -> Result<Position, LogError> {
        if let Some(place) = self.place(stream, revision.0) {
            return Ok(Position(self.shared.head() + to_u64(place) + 1));
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
        let staged = self.staged(stream).and_then(|staged| staged.revision(id, &self.group.ids));
        staged.map(Revision).or_else(|| self.shared.index().recent(stream, id))
    }
}

#[cfg(test)]
mod tests {
    use super::StagedStream;
    use quickcheck::quickcheck;

    quickcheck! {
        fn each_record_of_a_stream_is_found_where_it_was_put(before: u8, parts: Vec<(u8, u8)>) -> bool {
            let (mut staged, mut places, mut end) = (StagedStream::new(before.into()), vec![], 0_u64);
            for (others, count) in parts {
                let (place, count) = (end + u64::from(others % 3), u64::from(count % 5) + 1);
                staged.add(place, count);
                places.extend(place..place + count);
                end = place + count;
            }
            let found = |nth: usize| staged.place(u64::try_from(nth).unwrap());
            let right = places.iter().enumerate().all(|(nth, place)| found(nth) == usize::try_from(*place).ok());
            right
                && found(places.len()).is_none()
                && staged.count() == u64::from(before) + u64::try_from(places.len()).unwrap()
        }
    }
}
