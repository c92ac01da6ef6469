//! What the tests of the log share: records, clocks, and logs on simulated disks.

pub use crate::suite::records::{record, sized, stream};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Appended, EventLog, Expected, LogError, StreamAppend};
use stele_domain::time::Timestamp;
use stele_event_log::simulated_disk::{Held, SimulatedDisk};
use stele_event_log::{EmbeddedLog, OpenReport, Options};
use tokio::task::JoinHandle;

/// A clock that goes on by a millisecond whenever it is looked at.
#[derive(Default)]
pub struct Ticking {
    micros: AtomicI64,
}

impl Ticking {
    /// Sets the clock, backwards too.
    pub fn set(&self, micros: i64) {
        self.micros.store(micros, Ordering::SeqCst);
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.fetch_add(1_000, Ordering::SeqCst))
    }
}

/// A clock that can break: whoever looks at it then panics.
#[derive(Default)]
pub struct Breaking(AtomicBool);

impl Breaking {
    /// Breaks it for good.
    pub fn break_it(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Clock for Breaking {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        Timestamp::from_micros(1)
    }
}

pub fn clock() -> Arc<Ticking> {
    Arc::new(Ticking::default())
}

/// Small segments, so that a few appends fill several, the last one sealed when the log is closed; all changes of the
/// disk in one order.
pub fn options() -> Options {
    Options::new(clock()).with_segment_bytes(8 * 1024).sealed_at_close_from(2 * 1024).in_line()
}

/// Waits until the writer has prepared the room that it wants: it does so before it answers the next question.
pub async fn settled(log: &EmbeddedLog) {
    let check = StreamAppend { stream: stream("order-1"), expected: Expected::Any, records: vec![] };
    log.multi_stream().unwrap().append_many(vec![check]).await.unwrap();
}

/// An append that is on its way.
pub type Offer = JoinHandle<Result<Appended, LogError>>;

/// Appends one record of so many bytes, meanwhile.
pub fn offer(log: &Arc<EmbeddedLog>, name: &str, number: u64, bytes: usize) -> Offer {
    let (log, stream) = (Arc::clone(log), stream(name));
    tokio::spawn(async move { log.append(&stream, Expected::Any, vec![sized(number, bytes)]).await })
}

/// Waits until somebody waits for what is held.
pub async fn until_one_waits(held: Held) -> Held {
    let waited = move || {
        held.until_one_waits();
        held
    };
    tokio::task::spawn_blocking(waited).await.unwrap()
}

/// Opens the log on a simulated disk.
pub fn try_open(disk: &SimulatedDisk) -> Result<(EmbeddedLog, OpenReport), LogError> {
    EmbeddedLog::open_on(Arc::new(disk.clone()), options())
}

/// Opens the log on a simulated disk where nothing is wrong.
pub fn open(disk: &SimulatedDisk) -> EmbeddedLog {
    try_open(disk).unwrap().0
}
