//! Writers that append one after the other without a pause, each to a stream of its own, and what they saw.

use super::raw::Raw;
use crate::figures::millis;
use anyhow::Context;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Revision, StreamId};
use stele_event_log::EmbeddedLog;
use uuid::Uuid;

/// Bytes of one record's data.
pub(crate) const PAYLOAD_BYTES: usize = 256;
/// What a run begins with and does not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// How much is asked at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Writers at the same time, each of which waits for its answer.
    pub(crate) writers: usize,
    /// Records of one append.
    pub(crate) batch: usize,
}

/// Who is asked.
#[derive(Clone)]
pub(crate) enum Subject {
    /// The machine's limit.
    Raw(Arc<Raw>),
    /// The log.
    Log(Arc<EmbeddedLog>),
}

/// What the writers of a run saw.
pub(crate) struct Run {
    pub(crate) events_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Run {
    pub(crate) fn said(&self) -> Value {
        json!({
            "events_per_second": self.events_per_second.round(),
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
        })
    }
}

/// One writer's stream, and where it is.
pub(crate) struct Writer {
    stream: StreamId,
    number: u64,
    next: u64,
    event_type: Arc<str>,
    data: Arc<[u8]>,
    metadata: Arc<[u8]>,
}

impl Writer {
    pub(crate) fn new(number: u64) -> anyhow::Result<Self> {
        Ok(Self {
            stream: StreamId::new(&format!("bench-{number:04}"))?,
            number,
            next: 0,
            event_type: "bench.Kept".into(),
            data: vec![b'x'; PAYLOAD_BYTES].into(),
            metadata: [].into(),
        })
    }

    /// The stream that it writes to.
    pub(crate) fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The next records and where they belong.
    pub(crate) fn offer(&mut self, batch: usize) -> (Expected, Vec<NewRecord>) {
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

    pub(crate) async fn append(&mut self, log: &EmbeddedLog, batch: usize) -> anyhow::Result<()> {
        let (expected, records) = self.offer(batch);
        log.append(&self.stream, expected, records).await?;
        Ok(())
    }
}

/// One append to a new log.
pub(crate) async fn append_once(log: &EmbeddedLog, batch: usize) -> anyhow::Result<()> {
    Writer::new(0)?.append(log, batch).await
}

/// Lets all writers append for `span`, after a time that is not counted.
pub(crate) fn run(subject: &Subject, load: Load, span: Duration) -> anyhow::Result<Run> {
    let runtime = crate::runtime()?;
    let counted_from = Instant::now() + WARM_UP;
    let end = counted_from + span;
    let nanos = runtime.block_on(async {
        let mut tasks = vec![];
        for number in 0..load.writers {
            let writer = Writer::new(u64::try_from(number)?)?;
            tasks.push(tokio::spawn(write(subject.clone(), writer, load.batch, counted_from..end)));
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
async fn write(
    subject: Subject,
    mut writer: Writer,
    batch: usize,
    counted: Range<Instant>,
) -> anyhow::Result<Vec<u64>> {
    let mut nanos = vec![];
    loop {
        let began = Instant::now();
        if began >= counted.end {
            return Ok(nanos);
        }
        match &subject {
            Subject::Raw(raw) => raw.append(batch).await?,
            Subject::Log(log) => writer.append(log, batch).await?,
        }
        if began >= counted.start {
            nanos.push(u64::try_from(began.elapsed().as_nanos())?);
        }
    }
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
