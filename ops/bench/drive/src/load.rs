//! Writers that append one after the other without a pause, each to a stream of its own, and what they saw.

use crate::figures::millis;
use anyhow::Context;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Revision, StreamId};
use stele_event_log::EmbeddedLog;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Bytes of one record's data.
pub const PAYLOAD_BYTES: usize = 256;
/// The type of every record.
pub const EVENT_TYPE: &str = "bench.Kept";
/// What a run begins with and does not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// How much is asked at once.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Writers at the same time, each of which waits for its answer.
    pub writers: usize,
    /// Records of one append.
    pub batch: usize,
}

/// The rows of the table of appends.
pub const ROWS: [Load; 6] = [
    Load { writers: 1, batch: 1 },
    Load { writers: 16, batch: 1 },
    Load { writers: 64, batch: 1 },
    Load { writers: 256, batch: 1 },
    Load { writers: 1, batch: 100 },
    Load { writers: 1, batch: 1_000 },
];

/// Who is asked to keep records.
pub trait Subject: Send + Sync + 'static {
    /// One writer's stream, and where it is.
    type Writer: Send + 'static;

    /// The writer of a stream that holds nothing yet.
    fn writer(&self, number: u64) -> anyhow::Result<Self::Writer>;

    /// Keeps the writer's next `batch` records, all or none, and answers when they are durable.
    fn keep(
        &self,
        writer: &mut Self::Writer,
        batch: usize,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

impl Subject for EmbeddedLog {
    type Writer = Writer;

    fn writer(&self, number: u64) -> anyhow::Result<Writer> {
        Writer::new(number)
    }

    async fn keep(&self, writer: &mut Writer, batch: usize) -> anyhow::Result<()> {
        let (expected, records) = writer.offer(batch);
        EventLog::append(self, &writer.stream, expected, records).await?;
        Ok(())
    }
}

/// What the writers of a run saw.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Records a second, of all writers.
    pub events_per_second: f64,
    /// Median of an append, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of an append, in microseconds.
    pub p99_us: f64,
}

impl Run {
    /// As a run is printed.
    pub fn said(&self) -> Value {
        json!({
            "events_per_second": self.events_per_second.round(),
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
        })
    }
}

/// One writer's stream, and where it is.
#[derive(Debug)]
pub struct Writer {
    stream: StreamId,
    number: u64,
    next: u64,
    event_type: Arc<str>,
    data: Arc<[u8]>,
    metadata: Arc<[u8]>,
}

impl Writer {
    /// At the beginning of stream `bench-NUMBER`.
    pub fn new(number: u64) -> anyhow::Result<Self> {
        Ok(Self {
            stream: StreamId::new(&format!("bench-{number:04}"))?,
            number,
            next: 0,
            event_type: EVENT_TYPE.into(),
            data: vec![b'x'; PAYLOAD_BYTES].into(),
            metadata: [].into(),
        })
    }

    /// The stream that it writes to.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The revision that its next record gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The next records and where they belong.
    pub fn offer(&mut self, batch: usize) -> (Expected, Vec<NewRecord>) {
        let expected =
            self.next.checked_sub(1).map_or(Expected::NoStream, |r| Expected::Exactly(Revision(r)));
        let records = (0..batch)
            .map(|_| {
                let event_id = EventId(Uuid::from_u64_pair(self.number, self.next));
                self.next += 1;
                NewRecord {
                    event_id,
                    event_type: Arc::clone(&self.event_type),
                    data: Arc::clone(&self.data),
                    metadata: Arc::clone(&self.metadata),
                }
            })
            .collect();
        (expected, records)
    }
}

/// Lets all writers append for `span`, after a time that is not counted.
pub fn run<S: Subject>(
    runtime: &Runtime,
    subject: &Arc<S>,
    load: Load,
    span: Duration,
) -> anyhow::Result<Run> {
    let counted_from = Instant::now() + WARM_UP;
    let end = counted_from + span;
    let nanos = runtime.block_on(async {
        let mut tasks = vec![];
        for number in 0..load.writers {
            let writer = subject.writer(u64::try_from(number)?)?;
            tasks.push(tokio::spawn(write(Arc::clone(subject), writer, load.batch, counted_from..end)));
        }
        let mut all = vec![];
        for task in tasks {
            all.extend(task.await.context("a writer")??);
        }
        anyhow::Ok(all)
    })?;
    Ok(summary(nanos, load.batch, span))
}

/// Nanoseconds of every append that began within the time that counts.
async fn write<S: Subject>(
    subject: Arc<S>,
    mut writer: S::Writer,
    batch: usize,
    counted: Range<Instant>,
) -> anyhow::Result<Vec<u64>> {
    let mut nanos = vec![];
    loop {
        let began = Instant::now();
        if began >= counted.end {
            return Ok(nanos);
        }
        subject.keep(&mut writer, batch).await?;
        if began >= counted.start {
            nanos.push(u64::try_from(began.elapsed().as_nanos())?);
        }
    }
}

/// Writes `streams` streams of `records` records, `batch` at a time, in turns as many writers would; `at_once` appends
/// are on their way at the same time.
pub async fn fill<S: Subject>(
    subject: &Arc<S>,
    (streams, records): (u64, u64),
    batch: usize,
    at_once: usize,
) -> anyhow::Result<()> {
    let mut writers =
        (0..streams).map(|number| subject.writer(number)).collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..records / u64::try_from(batch)? {
        let mut rested = Vec::with_capacity(writers.len());
        let mut waiting = writers.into_iter();
        loop {
            let appends: Vec<_> = waiting
                .by_ref()
                .take(at_once)
                .map(|mut writer| {
                    let subject = Arc::clone(subject);
                    tokio::spawn(async move {
                        subject.keep(&mut writer, batch).await?;
                        anyhow::Ok(writer)
                    })
                })
                .collect();
            if appends.is_empty() {
                break;
            }
            for append in appends {
                rested.push(append.await??);
            }
        }
        writers = rested;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn summary(mut nanos: Vec<u64>, batch: usize, span: Duration) -> Run {
    nanos.sort_unstable();
    let rank = |permille: usize| {
        let place = (nanos.len() * permille).div_ceil(1_000).saturating_sub(1);
        millis(i64::try_from(nanos.get(place).copied().unwrap_or(0)).unwrap_or(i64::MAX))
    };
    let events = nanos.len() * batch;
    Run { events_per_second: events as f64 / span.as_secs_f64(), p50_us: rank(500), p99_us: rank(990) }
}
