//! A log full of every kind of event, and stores that fail when they are told to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use stele_blob_store::MemoryBlobs;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{CorrelationId, EventId, derived};
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_lake::LakeError;
use stele_lake::facts;
use stele_lake::figures::Figures;
use stele_lake::publish::{Options, Published, Publisher};
use stele_lake::verify::{Findings, Verified, verify};

/// 2026-11-20T23:00:00Z.
pub const START_MS: i64 = 1_795_215_600_000;

/// A clock that is moved by hand.
pub struct HandClock(pub AtomicI64);

impl HandClock {
    pub fn at(millis: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(millis)))
    }

    pub fn now_shared() -> Arc<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self::at(since.as_millis() as i64)
    }

    pub fn pass(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        // Every look is later than the last one.
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// A record of the nth event of a log that goes round and round all events, one a minute.
pub fn record(nth: usize, event: &Event) -> NewRecord {
    let meta = Meta {
        correlation_id: CorrelationId(derived("story", &[&(nth / 10).to_string()])),
        causation_id: (nth > 0).then(|| EventId(derived("event", &[&(nth - 1).to_string()]))),
        command: None,
        actor: "reactor:test".to_owned().try_into().unwrap(),
        origin: None,
        occurred_at: Timestamp::from_millis(START_MS).plus_millis(nth as u64 * 60_000),
        schema: codec::SCHEMA_VERSION,
    };
    NewRecord {
        event_id: EventId(derived("event", &[&nth.to_string()])),
        event_type: codec::type_of(event).into(),
        data: codec::encode(event).unwrap().into(),
        metadata: codec::encode_meta(&meta).unwrap().into(),
    }
}

/// Appends events to a log, from the nth on.
pub async fn grow(log: &MemoryLog, from: usize, count: usize) {
    let samples = codec::samples();
    for nth in from..from + count {
        let event = &samples[nth % samples.len()];
        let category = ["quote", "price", "account"][nth % 3];
        let stream = StreamId::new(&format!("{category}-btc-eure")).unwrap();
        log.append(&stream, Expected::Any, vec![record(nth, event)]).await.unwrap();
    }
}

pub async fn log_of(count: usize) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new(HandClock::at(START_MS)));
    grow(&log, 0, count).await;
    log
}

pub fn memory() -> Arc<dyn ChangingBlobs> {
    Arc::new(MemoryBlobs::default())
}

/// No compaction by itself, so that a test says when.
pub fn options() -> Options {
    Options { compact_files: 0, ..Options::default() }
}

pub async fn open(store: &Arc<dyn ChangingBlobs>) -> Result<Publisher, LakeError> {
    let clock = HandClock::now_shared();
    Publisher::open(Arc::clone(store), clock, facts::ALL, options(), Arc::new(Figures::default())).await
}

/// Publishes what the log has.
pub async fn publish(store: &Arc<dyn ChangingBlobs>, log: &dyn EventLog) -> Result<Published, LakeError> {
    open(store).await?.catch_up(log, |_, _| ()).await
}

pub async fn findings(store: &Arc<dyn ChangingBlobs>, log: &dyn EventLog) -> Findings {
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    verify(store, &clock, facts::ALL, log, |_, _| ()).await.unwrap()
}

pub async fn verified(store: &Arc<dyn ChangingBlobs>, log: &dyn EventLog) -> Vec<Verified> {
    findings(store, log).await.tables
}

/// Names, positions, rows and digests of all tables, which must be what the log says.
pub async fn told(
    store: &Arc<dyn ChangingBlobs>,
    log: &dyn EventLog,
) -> Vec<(&'static str, u64, u64, String)> {
    let all = verified(store, log).await;
    for table in &all {
        assert_eq!(table.differences, [], "{}", table.table);
    }
    all.into_iter().map(|table| (table.table, table.position.0, table.rows, table.digest)).collect()
}

/// What goes wrong with a call that changes the store, and everything after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies in front of it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// It is done, and the answer is lost; later ones are answered.
    AnswerLost,
    /// It is not done, and the store says that it is full; later ones are answered.
    Full,
}

/// A store whose nth change goes wrong.
pub struct Faulty {
    inner: Arc<dyn ChangingBlobs>,
    /// Changes that were asked for.
    pub changes: AtomicU64,
    /// Blobs that were read whole.
    pub gets: AtomicU64,
    at: u64,
    fault: Fault,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ChangingBlobs>, at: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner, changes: AtomicU64::new(0), gets: AtomicU64::new(0), at, fault })
    }

    /// A store that only counts.
    pub fn counting(inner: Arc<dyn ChangingBlobs>) -> Arc<Self> {
        Self::new(inner, u64::MAX, Fault::DiesBefore)
    }

    fn lost() -> BlobError {
        BlobError::Unreachable { store: "faulty:".to_owned(), source: "no answer".into() }
    }

    fn is_dead(&self) -> bool {
        let dies = matches!(self.fault, Fault::DiesBefore | Fault::DiesAfter);
        dies && self.changes.load(Ordering::SeqCst) > self.at
    }

    async fn change<T>(&self, work: impl Future<Output = Result<T, BlobError>>) -> Result<T, BlobError> {
        if self.is_dead() {
            return Err(Self::lost());
        }
        if self.changes.fetch_add(1, Ordering::SeqCst) != self.at {
            return work.await;
        }
        match self.fault {
            Fault::DiesBefore => Err(Self::lost()),
            Fault::Full => Err(BlobError::Full { store: "faulty:".to_owned(), source: "no room".into() }),
            Fault::DiesAfter | Fault::AnswerLost => {
                work.await?;
                Err(Self::lost())
            }
        }
    }

    fn alive(&self) -> Result<(), BlobError> {
        if self.is_dead() { Err(Self::lost()) } else { Ok(()) }
    }
}

impl BlobStore for Faulty {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(self.change(self.inner.put(name, bytes)))
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        Box::pin(async move {
            self.alive()?;
            self.gets.fetch_add(1, Ordering::SeqCst);
            self.inner.get(name).await
        })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        self.inner.get_range(name, range)
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        self.inner.head(name)
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        self.inner.list(under, after, limit)
    }
}

impl ChangingBlobs for Faulty {
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(self.change(self.inner.replace(name, bytes)))
    }

    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>> {
        Box::pin(self.change(self.inner.remove(name)))
    }

    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>> {
        self.inner.kept_at(name)
    }
}
