//! The phases of a large log's life, each run alone in its process, and what it took.

use super::Size;
use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::SystemClock;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Direction, EventLog, Expected, NewRecord, Position, Revision, StreamId};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions};
use uuid::Uuid;

/// Bytes of one event's data.
const PAYLOAD_BYTES: usize = 256;
/// Appends that are on their way at once.
const WRITERS: u64 = 512;
/// Streams that are read by themselves.
const STREAMS_READ: u64 = 20_000;
/// A prime: what is a multiple of it modulo another number of streams comes in no order.
const STRIDE: u64 = 7_368_787;
/// Appends until a writer may be killed.
const APPENDS_BEFORE_KILL: u64 = 20_000;

/// What is done.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Phase {
    /// All events are appended.
    Write,
    /// It is opened.
    Open,
    /// Streams are read, and all of it.
    Read,
    /// It is verified.
    Verify,
    /// More is appended, for ever.
    Killed,
}

impl Phase {
    /// As the command line has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Open => "open",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Killed => "killed",
        }
    }
}

/// Does one of them.
pub(crate) fn run(phase: Phase, directory: &Path, size: Size) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut said = match phase {
        Phase::Write => crate::runtime()?.block_on(write(directory, size))?,
        Phase::Open => open(directory).map(|(log, ms)| {
            // What is resident while it is open.
            let resident = resident_kib("VmRSS:");
            drop(log);
            json!({ "ms": ms, "resident_kib": resident.unwrap_or(0) })
        })?,
        Phase::Read => crate::runtime()?.block_on(read(directory, size))?,
        Phase::Verify => verify(directory, size)?,
        Phase::Killed => crate::runtime()?.block_on(write_until_killed(directory, size))?,
    };
    if let Some(said) = said.as_object_mut() {
        said.insert("seconds".to_owned(), json!(began.elapsed().as_secs_f64()));
        said.insert("most_kib".to_owned(), json!(resident_kib("VmHWM:")?));
    }
    Ok(said)
}

/// Opens it; how long that takes, in milliseconds.
fn open(directory: &Path) -> anyhow::Result<(Arc<EmbeddedLog>, f64)> {
    let began = Instant::now();
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    Ok((Arc::new(log), began.elapsed().as_secs_f64() * 1_000.0))
}

/// Each writer has streams of its own, so that it knows their revisions without remembering them.
async fn write(directory: &Path, size: Size) -> anyhow::Result<Value> {
    let (log, _) = open(directory)?;
    let began = Instant::now();
    let writers = WRITERS.min(size.streams);
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let data: Arc<[u8]> = vec![b'x'; PAYLOAD_BYTES].into();
                for round in 0..size.events.div_ceil(size.streams) {
                    let here = size.streams.min(size.events.saturating_sub(round * size.streams));
                    for nth in (writer..here).step_by(usize::try_from(writers)?) {
                        let expected = round
                            .checked_sub(1)
                            .map_or(Expected::NoStream, |r| Expected::Exactly(Revision(r)));
                        append(&log, &stream(nth, size)?, expected, (nth, round), &data).await?;
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let seconds = began.elapsed().as_secs_f64();
    log.close().await?;
    let resident = resident_kib("VmRSS:")?;
    let stat = log.stat();
    ensure!((stat.events, stat.streams) == (size.events, size.streams), "the log has {stat:?}");
    Ok(json!({ "events_per_second": per_second(size.events, seconds), "resident_kib": resident }))
}

async fn write_until_killed(directory: &Path, size: Size) -> anyhow::Result<Value> {
    let (log, _) = open(directory)?;
    let data: Arc<[u8]> = vec![b'y'; PAYLOAD_BYTES].into();
    for batch in 0_u64.. {
        let mut tasks = vec![];
        for nth in 0..WRITERS.min(size.streams) {
            let (log, data, stream) = (Arc::clone(&log), Arc::clone(&data), stream(nth, size)?);
            let id = (u64::MAX - nth, batch);
            tasks.push(tokio::spawn(async move { append(&log, &stream, Expected::Exists, id, &data).await }));
        }
        for task in tasks {
            task.await??;
        }
        if batch == APPENDS_BEFORE_KILL / WRITERS.min(size.streams) {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{{}}")?;
            out.flush()?;
        }
    }
    Ok(json!({}))
}

async fn append(
    log: &EmbeddedLog,
    stream: &StreamId,
    expected: Expected,
    id: (u64, u64),
    data: &Arc<[u8]>,
) -> anyhow::Result<()> {
    let record = NewRecord {
        event_id: EventId(Uuid::from_u64_pair(id.0, id.1)),
        event_type: "bench.Kept".into(),
        data: Arc::clone(data),
        metadata: [].into(),
    };
    log.append(stream, expected, vec![record]).await?;
    Ok(())
}

/// Reads some streams, forwards and backwards, and then the whole log.
async fn read(directory: &Path, size: Size) -> anyhow::Result<Value> {
    let (log, _) = open(directory)?;
    let began = Instant::now();
    let (count, mut read) = (STREAMS_READ.min(size.streams), 0_u64);
    for nth in 0..count {
        let nth = nth * STRIDE % size.streams;
        let direction = if nth.is_multiple_of(2) { Direction::Forward } else { Direction::Backward };
        let from = if nth.is_multiple_of(2) { Revision(0) } else { Revision(u64::MAX) };
        let records = log.read_stream(&stream(nth, size)?, from, direction, 1_000).await?;
        let expected = (size.events - nth).div_ceil(size.streams);
        ensure!(
            u64::try_from(records.len())? == expected.min(1_000),
            "{} records of {expected}",
            records.len()
        );
        read += expected;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (began, mut events) = (Instant::now(), 0);
    let mut entries = log.entries(Position(1));
    while let Some(chunk) = tokio::task::block_in_place(|| entries.next_blocking())? {
        for entry in chunk.entries() {
            entry?;
            events += 1;
        }
    }
    ensure!(events >= size.events, "{events} events were read");
    Ok(json!({
        "streams_per_second": per_second(count, seconds),
        "records_of_streams": read,
        "scan_events_per_second": per_second(events, began.elapsed().as_secs_f64()),
    }))
}

fn verify(directory: &Path, size: Size) -> anyhow::Result<Value> {
    let began = Instant::now();
    let report = stele_event_log::verify(directory, &VerifyOptions::default())?;
    ensure!(report.stat.events >= size.events, "{} events were verified", report.stat.events);
    let seconds = began.elapsed().as_secs_f64();
    Ok(
        json!({ "bytes_per_second": per_second(report.stat.bytes, seconds), "segments": report.stat.segments }),
    )
}

/// The stream of the `nth` event of a round.
fn stream(nth: u64, size: Size) -> anyhow::Result<StreamId> {
    // No order of names and no neighbours that stay together, as with real ids.
    let number = nth * STRIDE % size.streams.next_power_of_two().max(2);
    Ok(StreamId::new(&format!("order-{number:08}-{nth:08x}"))?)
}

/// A figure of this process's memory, as the kernel counts it.
fn resident_kib(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.context("the kernel counts no such memory")?.parse().context("the kernel's figure")
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds).round()
}
