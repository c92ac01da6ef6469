//! A log in memory that has its moods.

use crate::desk::HandClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId,
};
use stele_event_log::MemoryLog;

/// A log that refuses appends, never answers them, loses its answers, or is away, while it is told to.
pub struct Moody {
    log: MemoryLog,
    full: AtomicBool,
    deaf: AtomicBool,
    mute: AtomicBool,
    away: AtomicBool,
    in_vain: AtomicU64,
}

fn no_answer() -> LogError {
    LogError::Unreachable("the answer was lost".into())
}

impl Moody {
    pub fn new(clock: &Arc<HandClock>) -> Self {
        let not = || AtomicBool::new(false);
        Self {
            log: MemoryLog::new(clock.clone()),
            full: not(),
            deaf: not(),
            mute: not(),
            away: not(),
            in_vain: AtomicU64::new(0),
        }
    }

    /// Whether there is no room.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Whether it never answers.
    pub fn deafen(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }
}

impl Moody {
    /// Whether it keeps what it is offered for an account and its answer is lost.
    pub fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// Whether nothing gets there at all.
    pub fn leave(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How often it was asked while it was away.
    pub fn asked_in_vain(&self) -> u64 {
        self.in_vain.load(Ordering::SeqCst)
    }

    fn is_away(&self) -> bool {
        let away = self.away.load(Ordering::SeqCst);
        self.in_vain.fetch_add(u64::from(away), Ordering::SeqCst);
        away
    }
}

impl EventLog for Moody {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(LogError::Full) });
        }
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.is_away() {
            return Box::pin(async { Err(no_answer()) });
        }
        let kept = self.log.append(stream, expected, records);
        if !self.mute.load(Ordering::SeqCst) || stream.category() != "account" {
            return kept;
        }
        Box::pin(async move {
            match kept.await {
                // Only an answer that says yes gets lost here: a no changes nothing.
                Ok(_) => Err(no_answer()),
                Err(error) => Err(error),
            }
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        if self.is_away() {
            return Box::pin(async { Err(no_answer()) });
        }
        self.log.read_stream(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        self.log.read_all(from, filter, limit)
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        self.log.head()
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.log.follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}
