//! The log in memory, for tests and for desks that keep nothing. Same contract, nothing on disk.

use crate::cache::page_bytes;
use crate::follow::{Follower, Looked, Pages, Reading};
use crate::format::{to_u64, to_usize};
use crate::plan::{History, Plan, checked, plan};
use crate::validate;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::ids::EventId;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream,
    NewRecord, Page, Position, Record, Revision, StreamAppend, StreamId,
};
use stele_domain::time::Timestamp;
use tokio::sync::watch;

/// Most records that room is made for before it is known how many of them are wanted.
const RESERVED_MAX: usize = 1_024;

/// The log in memory.
pub struct MemoryLog {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    head: watch::Sender<u64>,
}

/// All records, by position and by stream.
#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    streams: HashMap<StreamId, Vec<Position>>,
    recent: HashMap<(StreamId, EventId), Revision>,
    recorded_at: Timestamp,
}

impl MemoryLog {
    /// An empty log that records by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let kept = Mutex::new(Kept::default());
        Self { inner: Arc::new(Inner { clock, kept, head: watch::Sender::new(0) }) }
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, LogError> {
        let mut kept = self.kept();
        match plan(&*kept, &appends)? {
            Plan::Answer(answers) => Ok(answers),
            Plan::Write => {
                let answers = kept.write(appends, self.clock.now());
                self.head.send_replace(kept.head().0);
                Ok(answers)
            }
        }
    }

    fn read_page(&self, from: Position, filter: &Filter, limit: usize) -> Page {
        let kept = self.kept();
        let head = kept.head();
        let mut page = Page { records: vec![], next: from.max(Position(1)), head };
        let mut bytes = 0;
        let records = kept.records.get(to_usize(page.next.0 - 1)..).unwrap_or_default();
        page.records.reserve(records.len().min(limit).min(RESERVED_MAX));
        for record in records {
            if limit == 0 {
                break;
            }
            if filter.wants(&record.stream, &record.event_type) {
                if !takes(page.records.len(), bytes, record, limit) {
                    break;
                }
                bytes += page_bytes(record);
                page.records.push(record.clone());
            }
            page.next = record.position.next();
        }
        page
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Vec<Record> {
        let kept = self.kept();
        let positions = kept.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let count = to_u64(positions.len());
        let at = |revision: u64| {
            let position = positions.get(to_usize(revision))?;
            kept.records.get(to_usize(position.0 - 1))
        };
        let wanted: Box<dyn Iterator<Item = u64>> = match direction {
            Direction::Forward => Box::new(from.0.min(count)..count),
            Direction::Backward => Box::new((0..from.0.saturating_add(1).min(count)).rev()),
        };
        let (mut records, mut bytes) = (vec![], 0);
        for record in wanted.map_while(at) {
            if !takes(records.len(), bytes, record, limit) {
                break;
            }
            bytes += page_bytes(record);
            records.push(record.clone());
        }
        records
    }
}

/// Whether a page with `count` records of `bytes` bytes has room for another. The first always fits.
fn takes(count: usize, bytes: usize, record: &Record, limit: usize) -> bool {
    count < limit && (count == 0 || bytes.saturating_add(page_bytes(record)) <= APPEND_BYTES_MAX)
}

impl Kept {
    fn write(&mut self, appends: Vec<StreamAppend>, now: Timestamp) -> Vec<Appended> {
        self.recorded_at = self.recorded_at.max(now);
        let added: usize = appends.iter().map(|append| append.records.len()).sum();
        let head = Position(self.head().0 + to_u64(added));
        appends.into_iter().map(|append| self.write_one(append, head)).collect()
    }

    fn write_one(&mut self, append: StreamAppend, head: Position) -> Appended {
        if append.records.is_empty() {
            return checked(head, self.last(&append.stream));
        }
        let first = self.head().next();
        for offer in append.records {
            let position = self.head().next();
            let positions = self.streams.entry(append.stream.clone()).or_default();
            let revision = Revision(to_u64(positions.len()));
            positions.push(position);
            self.recent.insert((append.stream.clone(), offer.event_id), revision);
            self.records.push(Record {
                position,
                stream: append.stream.clone(),
                revision,
                event_id: offer.event_id,
                event_type: offer.event_type,
                data: offer.data,
                metadata: offer.metadata,
                recorded_at: self.recorded_at,
            });
        }
        let revision = self.last(&append.stream).unwrap_or_default();
        Appended { first, last: self.head(), revision, repeated: false }
    }
}

impl History for Kept {
    fn head(&self) -> Position {
        Position(to_u64(self.records.len()))
    }

    fn last(&self, stream: &StreamId) -> Option<Revision> {
        let count = self.streams.get(stream)?.len();
        count.checked_sub(1).map(|last| Revision(to_u64(last)))
    }

    fn position(&self, stream: &StreamId, revision: Revision) -> Result<Position, LogError> {
        let position = self.streams.get(stream).and_then(|positions| positions.get(to_usize(revision.0)));
        assert!(position.is_some(), "revision {revision} of {stream} has no position");
        Ok(position.copied().unwrap_or_default())
    }

    fn carries(&self, stream: &StreamId, first: Revision, records: &[NewRecord]) -> Result<bool, LogError> {
        let there = self.streams.get(stream).and_then(|positions| positions.get(to_usize(first.0)..));
        let ids = there
            .unwrap_or_default()
            .iter()
            .map(|at| self.records.get(to_usize(at.0 - 1)).map(|r| r.event_id));
        Ok(ids.take(records.len()).eq(records.iter().map(|record| Some(record.event_id))))
    }

    fn recent(&self, stream: &StreamId, id: EventId) -> Option<Revision> {
        self.recent.get(&(stream.clone(), id)).copied()
    }
}

impl EventLog for MemoryLog {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(async move {
            let appends = vec![StreamAppend { stream: stream.clone(), expected, records }];
            validate::single(&appends)?;
            let answers = self.inner.append(appends)?;
            answers.into_iter().next().ok_or_else(|| LogError::Stopped("there was no answer".to_owned()))
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(std::future::ready(Ok(self.inner.read_stream(stream, from, direction, limit))))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        Box::pin(std::future::ready(Ok(self.inner.read_page(from, filter, limit))))
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        Box::pin(std::future::ready(Ok(self.inner.kept().head())))
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Follower::new(Arc::clone(&self.inner), from, filter))
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        Some(self)
    }
}

impl MultiStream for MemoryLog {
    fn append_many(&self, appends: Vec<StreamAppend>) -> PortFuture<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move {
            validate::append(&appends)?;
            self.inner.append(appends)
        })
    }
}

impl Pages for Inner {
    type Place = ();

    fn page(self: &Arc<Self>, from: Position, filter: &Arc<Filter>, limit: usize) -> Looked<()> {
        Looked::Here(self.read_page(from, filter, limit))
    }

    fn ahead(self: &Arc<Self>, _: Position, _: &Arc<Filter>, _: usize, (): ()) -> Option<Reading<()>> {
        None
    }

    fn watch_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}
