//! A log in memory that has its moods.

use crate::desk::HandClock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
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
    refused: AtomicU64,
    records_read: AtomicU64,
    /// How many reads of a stream from now the answer to one is lost; zero for none.
    lost_read: AtomicU64,
    /// The category of streams whose facts it does not keep now, and how often some were offered.
    shut: Mutex<Option<&'static str>>,
    shut_out: AtomicU64,
    /// Why it refuses facts of a category now, and how often some were offered.
    forbidden: Mutex<Option<Forbidden>>,
    forbidden_asked: AtomicU64,
    /// What it answers to every append and every reading of a stream, while it is broken.
    broken: Mutex<Option<fn() -> LogError>>,
    /// The category with whose next fact it ends to let anybody in.
    closing: Mutex<Option<&'static str>>,
}

/// A category, and what is said to whoever offers a fact of it.
type Forbidden = (&'static str, fn() -> LogError);

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
            refused: AtomicU64::new(0),
            records_read: AtomicU64::new(0),
            lost_read: AtomicU64::new(0),
            shut: Mutex::new(None),
            shut_out: AtomicU64::new(0),
            forbidden: Mutex::new(None),
            forbidden_asked: AtomicU64::new(0),
            broken: Mutex::new(None),
            closing: Mutex::new(None),
        }
    }

    /// Breaks it in this way, or mends it.
    pub fn breaks(&self, how: Option<fn() -> LogError>) {
        *self.broken.lock().unwrap() = how;
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.broken().is_some()
    }

    /// Takes one more fact of this category, and says no to whoever asks or offers anything afterwards.
    pub fn closes_after(&self, category: &'static str) {
        *self.closing.lock().unwrap() = Some(category);
    }

    fn broken(&self) -> Option<LogError> {
        (*self.broken.lock().unwrap()).map(|how| how())
    }

    /// Whether there is no room.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// How many appends to the relay's stream found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
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

    /// Loses the answer to one read of a stream: the next for 1, the one after it for 2.
    pub fn lose_read(&self, which: u64) {
        self.lost_read.store(which, Ordering::SeqCst);
    }

    /// Whether the read that is told to get lost is still to come.
    pub fn will_lose_a_read(&self) -> bool {
        self.lost_read.load(Ordering::SeqCst) > 0
    }

    fn loses_this_read(&self) -> bool {
        let count_down = |left: u64| left.checked_sub(1);
        self.lost_read.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down) == Ok(1)
    }

    /// How many records of streams were read.
    pub fn records_read(&self) -> u64 {
        self.records_read.load(Ordering::SeqCst)
    }

    /// How often it was asked while it was away.
    pub fn asked_in_vain(&self) -> u64 {
        self.in_vain.load(Ordering::SeqCst)
    }

    /// Which category's facts it does not keep from now on; it says so, and answers every question.
    pub fn shut(&self, category: Option<&'static str>) {
        *self.shut.lock().unwrap() = category;
    }

    /// Waits until so many facts of the shut category were offered in vain.
    pub async fn until_shut_out(&self, times: u64) {
        let waited = async {
            while self.shut_out.load(Ordering::SeqCst) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waited).await.expect("nothing was offered");
    }

    fn is_shut(&self, stream: &StreamId) -> bool {
        let shut = *self.shut.lock().unwrap() == Some(stream.category());
        self.shut_out.fetch_add(u64::from(shut), Ordering::SeqCst);
        shut
    }

    /// Refuses facts of this category from now on, in these words; every question is answered.
    pub fn forbid(&self, category: &'static str, why: fn() -> LogError) {
        *self.forbidden.lock().unwrap() = Some((category, why));
    }

    /// How often facts of the forbidden category were offered.
    pub fn forbidden_asked(&self) -> u64 {
        self.forbidden_asked.load(Ordering::SeqCst)
    }

    fn forbids(&self, stream: &StreamId) -> Option<LogError> {
        let forbidden = *self.forbidden.lock().unwrap();
        let (_, why) = forbidden.filter(|(category, _)| *category == stream.category())?;
        self.forbidden_asked.fetch_add(1, Ordering::SeqCst);
        Some(why())
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
        if let Some(error) = self.broken() {
            return Box::pin(async { Err(error) });
        }
        if *self.closing.lock().unwrap() == Some(stream.category()) {
            self.breaks(Some(|| LogError::Denied("on nobody's list any more".to_owned())));
        }
        if let Some(error) = self.forbids(stream) {
            return Box::pin(async { Err(error) });
        }
        if self.full.load(Ordering::SeqCst) {
            self.refused.fetch_add(u64::from(stream.category() == "relay"), Ordering::SeqCst);
            return Box::pin(async { Err(LogError::Full) });
        }
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.is_shut(stream) || self.is_away() {
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
        if let Some(error) = self.broken() {
            return Box::pin(async { Err(error) });
        }
        if self.is_away() || self.loses_this_read() {
            return Box::pin(async { Err(no_answer()) });
        }
        Box::pin(async move {
            let records = self.log.read_stream(stream, from, direction, limit).await?;
            self.records_read.fetch_add(u64::try_from(records.len()).unwrap_or(u64::MAX), Ordering::SeqCst);
            Ok(records)
        })
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
