//! The witness of a log: a file, and a server on a socket that looks at what it is sent. What they take, what they refuse,
//! and what they say of a log that is no longer what it signed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[path = "../../../../tests/support/witness.rs"]
mod outside;

#[path = "../../../../tests/support/certificates.rs"]
mod certificates;

mod file;
mod server;
mod tls;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::{
    Contradiction, EmbeddedLog, Options, Witness, WitnessAt, WitnessError, WitnessOptions,
};
use uuid::Uuid;

/// Longest wait for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// So long that it never comes.
const NEVER: Duration = Duration::from_hours(1);

/// A clock that goes on by a millisecond whenever it is looked at.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

fn open(directory: &Path) -> Arc<EmbeddedLog> {
    let options = Options::new(Arc::new(Ticking::default())).with_segment_bytes(8 * 1024);
    Arc::new(EmbeddedLog::open(directory, options).unwrap().0)
}

/// As many commits of one record, whose data says `what`.
async fn fill(log: &EmbeddedLog, commits: usize, what: &str) {
    for _ in 0..commits {
        let record = NewRecord {
            event_id: EventId(Uuid::now_v7()),
            event_type: "trading.Decided".into(),
            data: format!("{{\"what\":\"{what}\"}}").into_bytes().into(),
            metadata: b"{}".as_slice().into(),
        };
        log.append(&StreamId::new("order-1").unwrap(), Expected::Any, vec![record]).await.unwrap();
    }
}

/// The files of a log, as somebody who makes backups with `cp` has them.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn options(at: WitnessAt) -> WitnessOptions {
    WitnessOptions { at, every: NEVER, export_max: Duration::from_secs(5) }
}

fn commits(log: &EmbeddedLog) -> u64 {
    log.stat().commits
}

fn contradiction(outcome: Result<(), WitnessError>) -> Contradiction {
    let error = outcome.expect_err("a contradiction");
    assert!(error.contradicts(), "{error}");
    let WitnessError::Contradicted { kind, .. } = error else { panic!("{error}") };
    kind
}

/// Waits for something that another task does.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A witness at work, until it is stopped.
struct Working {
    witness: Arc<Witness>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Working {
    fn start(witness: Witness) -> Self {
        let witness = Arc::new(witness);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let worker = Arc::clone(&witness);
        let task = tokio::spawn(async move {
            worker
                .run(async {
                    stopped.await.ok();
                })
                .await;
        });
        Self { witness, stop, task }
    }

    async fn stop(self) -> Arc<Witness> {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
        self.witness
    }
}
