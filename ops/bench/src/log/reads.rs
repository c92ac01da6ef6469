//! Reading in process: all of a log against a plain scan of its bytes with their checksums, one stream, followers, and
//! opening.

use crate::Place;
use crate::figures::{per_second, ratio};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_bench_drive::SystemClock;
use stele_bench_drive::load::{self, Writer};
use stele_bench_drive::pace::{self, Paced};
use stele_bench_drive::raw;
use stele_domain::port::event_log::{Direction, EventLog, Filter, Position, Revision};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions};

/// Streams of the log that is read, a thousand records in each.
pub(super) const STREAMS: u64 = 1_000;
/// Records of one stream.
pub(super) const RECORDS: u64 = 1_000;
/// Appends that are on their way at once while the log is written.
const AT_ONCE: usize = 200;
/// Turns of each measurement; the best counts, as nobody else's work makes anything faster.
const TURNS: usize = 5;
/// Followers of the second pace.
const FOLLOWERS: usize = 100;
/// How long appends come at an even pace.
const PACE: Duration = Duration::from_secs(4);

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
    load::fill(&log, (STREAMS, RECORDS), 1, AT_ONCE).await?;
    log.close().await?;
    Ok(())
}

/// Milliseconds until a log is open of which the system remembers nothing.
fn open_cold(directory: &Path) -> anyhow::Result<f64> {
    super::scale::forget(directory)?;
    let began = Instant::now();
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    drop(log);
    Ok(took)
}

fn best(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    (0..TURNS).map(|_| measure()).try_fold(0.0_f64, |best, next| Ok(best.max(next?)))
}

fn raw_scan(directory: &Path) -> anyhow::Result<f64> {
    let (events, speed) = raw::scan(directory)?;
    anyhow::ensure!(events == STREAMS * RECORDS, "raw found {events} events");
    Ok(speed)
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

/// Appends at an even pace, followed by so many.
async fn pace(log: &Arc<EmbeddedLog>, per_second: u32, followers: usize) -> anyhow::Result<Paced> {
    let head = log.head().await?;
    // A stream of its own: positions are never the same.
    pace::pace(log, head.0 + STREAMS, (per_second, PACE), followers, |appends, began| {
        let mut follow = log.follow(head.next(), Filter::all());
        tokio::spawn(async move {
            let mut seen = vec![];
            while u64::try_from(seen.len())? < appends {
                let page = follow.next(1_000).await?;
                let at = began.elapsed();
                seen.extend(page.records.iter().map(|_| at));
            }
            Ok(seen)
        })
    })
    .await
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
