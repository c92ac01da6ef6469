//! Reading in process: all of a log against a plain scan of its bytes with their checksums, one stream, followers, and
//! opening.

use super::SystemClock;
use super::drive::Writer;
use crate::Place;
use crate::figures::{Micros, ratio};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{
    Direction, EventLog, Filter, MultiStream, Position, Revision, StreamAppend,
};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions};
use tokio::time::{MissedTickBehavior, interval};

/// Streams of the log that is read, a thousand records in each.
const STREAMS: u64 = 1_000;
/// Records of one stream.
const RECORDS: u64 = 1_000;
/// Appends that are on their way at once while the log is written.
const AT_ONCE: usize = 200;
/// Turns of each measurement; the best counts, as nobody else's work makes anything faster.
const TURNS: usize = 5;
/// Followers of the second pace.
const FOLLOWERS: usize = 100;
/// How long appends come at an even pace.
const PACE: Duration = Duration::from_secs(4);
/// Bytes that raw reads at a time.
const RAW_CHUNK: usize = 256 * 1024;

/// Measures it all.
pub(crate) fn run(place: &Place) -> anyhow::Result<Value> {
    std::fs::create_dir_all(&place.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-reads-").tempdir_in(&place.disk)?;
    let directory = ground.path().join("log");
    let runtime = crate::runtime()?;
    runtime.block_on(write(&directory))?;
    let opened = open_cold(&directory)?;
    let (log, _) = EmbeddedLog::open(&directory, Options::new(Arc::new(SystemClock)))?;
    let log = Arc::new(log);
    let raw = best(|| raw_scan(&directory))?;
    let own = best(|| own_scan(&log))?;
    let stream = runtime.block_on(one_stream(&log))?;
    let alone = runtime.block_on(pace(&log, 1_000, 1))?;
    let without = runtime.block_on(pace(&log, 5_000, 0))?;
    let crowd = runtime.block_on(pace(&log, 5_000, FOLLOWERS))?;
    runtime.block_on(log.close())?;
    drop(log);
    let verify = best(|| verified(&directory))?;
    Ok(json!({
        "benchmark": "log-reads",
        "events": STREAMS * RECORDS,
        "open_ms": opened,
        "open_target_ms": 100,
        "scan_events_per_second": { "raw": raw.round(), "log": own.round(), "share": ratio(own, raw), "target": 0.5 },
        "stream_of_1000_us": { "warm": stream, "target": 200 },
        "follower_at_1000": { "lag": alone.lag.said(), "append": alone.append.said(), "target_p50_ms": 0.02, "target_p99_ms": 0.15 },
        "followers_100_at_5000": {
            "append_without": without.append.said(),
            "append_with": crowd.append.said(),
            "lag": crowd.lag.said(),
            "appends_per_second": { "without": without.per_second.round(), "with": crowd.per_second.round() },
        },
        "verify": { "bytes_per_second": verify.round(), "sha256_on_all_cores": sha256()?.round() },
    }))
}

/// Streams by turns, record by record, as many writers would.
pub(super) async fn write(directory: &Path) -> anyhow::Result<()> {
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    let log = Arc::new(log);
    let mut writers = (0..STREAMS).map(Writer::new).collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..RECORDS {
        for some in writers.chunks_mut(AT_ONCE) {
            let offers = some.iter_mut().map(|writer| {
                let (expected, records) = writer.offer(1);
                let part = StreamAppend { stream: writer.stream().clone(), expected, records };
                let log = Arc::clone(&log);
                tokio::spawn(async move { log.append_many(vec![part]).await })
            });
            for offer in offers.collect::<Vec<_>>() {
                offer.await??;
            }
        }
    }
    log.close().await?;
    Ok(())
}

/// Milliseconds until a log is open of which the system remembers nothing.
fn open_cold(directory: &Path) -> anyhow::Result<f64> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        // `dd` asks the system to forget a file; a program can't without unsafe code.
        let of = format!("of={}", crate::text(&path)?);
        let forget = ["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
        std::process::Command::new("dd").arg(of).args(forget).status().context("dd")?;
    }
    let began = Instant::now();
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    drop(log);
    Ok(took)
}

fn best(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    (0..TURNS).map(|_| measure()).try_fold(0.0_f64, |best, next| Ok(best.max(next?)))
}

/// Events a second of the least that can be done: every frame is found, and its body's checksum verified.
fn raw_scan(directory: &Path) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut events = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            events += raw_segment(&path)?;
        }
    }
    anyhow::ensure!(events == STREAMS * RECORDS, "raw found {events} events");
    Ok(per_second(events, began))
}

fn raw_segment(path: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::open(path)?;
    let mut buffer = vec![0; RAW_CHUNK];
    let (mut at, mut events) = (4_096_u64, 0);
    loop {
        let count = file.read_at(&mut buffer, at)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        let mut here = 0;
        loop {
            let left = 512 - usize::try_from((at + u64::try_from(here)?) % 512)?;
            let begin = if left < 20 { here + left } else { here };
            let Some(header) = chunk.get(begin..begin + 20) else { break };
            let number =
                |at: usize| header.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
            let (len, crc) = number(8).zip(number(16)).context("a header")?;
            let Some(body) = chunk.get(begin + 20..begin + 20 + usize::try_from(len)?) else { break };
            if len == 0 {
                return Ok(events);
            }
            anyhow::ensure!(crc32c::crc32c(body) == crc, "a checksum is wrong");
            events += 1;
            here = begin + 20 + body.len();
        }
        if here == 0 {
            return Ok(events);
        }
        at += u64::try_from(here)?;
    }
}

/// Events a second of the log's own scan: headers, checksums and envelopes.
fn own_scan(log: &EmbeddedLog) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut entries = log.entries(Position(1));
    let (mut events, mut bytes) = (0_u64, 0_u64);
    while let Some(chunk) = entries.next_blocking()? {
        for entry in chunk.entries() {
            let entry = entry?;
            events += 1;
            bytes += u64::try_from(entry.data.len() + entry.stream.len() + entry.event_type.len())?;
        }
    }
    anyhow::ensure!(events >= STREAMS * RECORDS && bytes > 0, "the log has {events} events");
    Ok(per_second(events, began))
}

/// Microseconds of a whole stream, the least of a few turns.
async fn one_stream(log: &EmbeddedLog) -> anyhow::Result<f64> {
    let stream = Writer::new(STREAMS / 3)?.stream().clone();
    let mut least = f64::MAX;
    for _ in 0..4 * TURNS {
        let began = Instant::now();
        let records = log.read_stream(&stream, Revision(0), Direction::Forward, 1_000).await?;
        anyhow::ensure!(records.len() == 1_000, "the stream has {} records", records.len());
        least = least.min(began.elapsed().as_secs_f64() * 1_000_000.0);
    }
    Ok(least)
}

/// What was seen at an even pace.
struct Paced {
    append: Micros,
    lag: Micros,
    per_second: f64,
}

/// Appends at an even pace, followed by so many.
async fn pace(log: &Arc<EmbeddedLog>, per_second: u32, followers: usize) -> anyhow::Result<Paced> {
    let head = log.head().await?;
    let began = Instant::now();
    let appends = u64::from(per_second) * PACE.as_secs();
    let following: Vec<_> = (0..followers)
        .map(|_| {
            let mut follow = log.follow(head.next(), Filter::all());
            tokio::spawn(async move {
                let mut seen = vec![];
                while u64::try_from(seen.len())? < appends {
                    let page = follow.next(1_000).await?;
                    let at = began.elapsed();
                    seen.extend(page.records.iter().map(|_| at));
                }
                anyhow::Ok(seen)
            })
        })
        .collect();
    // A stream of its own: positions are never the same.
    let mut writer = Writer::new(head.0 + STREAMS)?;
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut took, mut known) = (vec![], vec![]);
    for _ in 0..appends {
        ticks.tick().await;
        let from = began.elapsed();
        writer.append(log, 1).await?;
        known.push(began.elapsed());
        took.push(began.elapsed().saturating_sub(from));
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut lags = vec![];
    for follower in following {
        let seen = follower.await??;
        lags.extend(seen.iter().zip(&known).map(|(seen, known)| seen.saturating_sub(*known)));
    }
    let micros = |times: Vec<Duration>| {
        times.iter().map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_second = appends as f64 / seconds;
    Ok(Paced { append: micros(took), lag: micros(lags), per_second })
}

/// Bytes a second of a verification.
pub(super) fn verified(directory: &Path) -> anyhow::Result<f64> {
    let began = Instant::now();
    let report = stele_event_log::verify(directory, &VerifyOptions::default())?;
    Ok(per_second(report.stat.bytes, began))
}

/// Bytes a second that SHA-256 alone takes on all cores, of pieces as long as a leaf of this log and one inner node each.
pub(super) fn sha256() -> anyhow::Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let leaf = vec![0x5a_u8; 316];
    let rounds = 2_000_000_u64;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut last = [0; 32];
                for _ in 0..rounds {
                    last = stele_event_log::tree::leaf_hash(&[&last, leaf.get(32..).unwrap_or_default()]);
                    last = stele_event_log::tree::node_hash(&last, &last);
                }
                std::hint::black_box(last);
            });
        }
    });
    Ok(per_second(rounds * 328 * u64::try_from(cores)?, began))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
