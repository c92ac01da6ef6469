//! How fast facts are published to a lake in a directory, what they take there and in memory, and how long a table of thousands
//! of commits takes to open.

use crate::Place;
use crate::desk::Ground;
use crate::disk::Disk;
use crate::tables::traded;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_bench_drive::SystemClock;
use stele_blob_store::{Address, Options as BlobOptions, open_changing};
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, Record};
use stele_event_log::MemoryLog;
use stele_lake::facts;
use stele_lake::figures::Figures;
use stele_lake::publish::{BYTES_MAX, Options, Publisher, ROWS_MAX};
use stele_lake::table::{Batch, LakeTable};

/// Commits of the table that is opened.
const COMMITS: u64 = 5_000;

/// How often it is opened each way; the middle one counts.
const OPENED: usize = 5;

/// Publishes what a desk has traded, from an empty lake on.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let disk = Disk::measure(ground.path())?;
    let records = traded(place, &ground).await?;
    let log = filled(&records).await?;
    drop(records);
    let published = publish(&log, &ground.path().join("lake")).await?;
    let opened = opened(&ground.path().join("commits")).await?;
    Ok(json!({
        "benchmark": "lake",
        "events": log.head().await?.0,
        "tables": facts::ALL.len(),
        "publish": published,
        "publish_rows_per_second_target": 100_000,
        "waiting_rows_max": ROWS_MAX,
        "waiting_bytes_max": BYTES_MAX,
        "open": opened,
        "fdatasync_ms": disk.said(),
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

async fn filled(records: &[Record]) -> anyhow::Result<MemoryLog> {
    let log = MemoryLog::new(Arc::new(SystemClock));
    for record in records {
        let copy = NewRecord {
            event_id: record.event_id,
            event_type: Arc::clone(&record.event_type),
            data: Arc::clone(&record.data),
            metadata: Arc::clone(&record.metadata),
        };
        log.append(&record.stream, Expected::Any, vec![copy]).await?;
    }
    Ok(log)
}

fn store(directory: &Path) -> anyhow::Result<Arc<dyn ChangingBlobs>> {
    std::fs::create_dir_all(directory)?;
    let address = Address::Directory(directory.canonicalize()?);
    Ok(open_changing(&address, &BlobOptions::default())?)
}

async fn publish(log: &MemoryLog, directory: &Path) -> anyhow::Result<Value> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (before, figures) = (resident()?, Arc::new(Figures::default()));
    let options = Options { compact_files: 0, ..Options::default() };
    let mut publisher = Publisher::open(store(directory)?, clock, facts::ALL, options, figures).await?;
    let mut most = before;
    let began = Instant::now();
    let done = publisher.catch_up(log, |_, _| most = most.max(resident().unwrap_or_default())).await?;
    let span = began.elapsed();
    most = most.max(resident()?);
    let (files, bytes) = publisher
        .tables()
        .fold((0, 0), |(files, bytes), table| (files + table.files(), bytes + table.bytes()));
    Ok(json!({
        "rows": done.rows,
        "seconds": span.as_secs_f64(),
        "rows_per_second": u128::from(done.rows) * 1_000 / span.as_millis().max(1),
        "events_per_second": u128::from(done.position.0) * 1_000 / span.as_millis().max(1),
        "files": files,
        "bytes": bytes,
        "bytes_per_row": bytes / done.rows.max(1),
        "resident_bytes_before": before,
        "resident_bytes_most": most,
    }))
}

/// A table of thousands of commits, with and without its checkpoint.
async fn opened(directory: &Path) -> anyhow::Result<Value> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store(directory)?;
    let Some(fact) = facts::ALL.first() else { anyhow::bail!("there are no tables") };
    let mut table =
        LakeTable::open_or_create(Arc::clone(&store), Arc::clone(&clock), fact.table, fact.version).await?;
    for at in 0..COMMITS {
        let batch = Batch { after: Position(at), last: Position(at + 1), event_id: None, files: vec![] };
        let _ = table.append(&batch).await?;
    }
    let without = middle(&store, &clock, fact).await?;
    table.checkpoint().await?;
    let with = middle(&store, &clock, fact).await?;
    Ok(json!({
        "commits": COMMITS,
        "seconds_without_checkpoint": without.as_secs_f64(),
        "seconds_with_checkpoint": with.as_secs_f64(),
    }))
}

async fn middle(
    store: &Arc<dyn ChangingBlobs>,
    clock: &Arc<dyn Clock>,
    fact: &'static facts::Fact,
) -> anyhow::Result<Duration> {
    let mut times = vec![];
    for _ in 0..OPENED {
        let began = Instant::now();
        let table = LakeTable::open(Arc::clone(store), Arc::clone(clock), fact.table).await?;
        times.push(began.elapsed());
        anyhow::ensure!(table.is_some_and(|table| table.version() == COMMITS), "another version was opened");
    }
    times.sort_unstable();
    times.get(OPENED / 2).copied().ok_or_else(|| anyhow::anyhow!("nothing was opened"))
}

/// Memory that is this process's now, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1_024)
        .ok_or_else(|| anyhow::anyhow!("no VmRSS in /proc/self/status"))
}
