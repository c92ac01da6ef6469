//! How fast the tables in PostgreSQL follow the log: all of it as fast as they can, and how far behind they are at an
//! even pace.

use crate::desk::{Desk, Ground};
use crate::disk::Disk;
use crate::figures::Micros;
use crate::{Place, settings, traffic};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_bench_drive::SystemClock;
use stele_domain::port::event_log::{EventLog, Expected, Filter, NewRecord, Position, Record};
use stele_event_log::{EmbeddedLog, MemoryLog};
use stele_projections::models;
use stele_projections::runner::{Options, Runner};
use stele_read_store::{PostgresStore, PrivateServer};
use stele_simulator::Requests;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long a desk trades so that there is a log to fold.
const FILL: Duration = Duration::from_secs(12);
/// Its quotes a second, and the share that is signed is as in `load`.
const QUOTES_PER_SECOND: u32 = 1_500;
/// Records that are read in one go.
const PAGE: usize = 4_096;
/// Events a second at which the lag is measured.
const PACE: u64 = 3_000;
/// For how long, as far as the records last.
const PACED: Duration = Duration::from_secs(20);
/// How long all of it may take.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// Makes a log, and folds it twice.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let disk = Disk::measure(ground.path())?;
    let records = traded(place, &ground).await?;
    // A server each, so that the second run does not find the first one's rows.
    let server = PrivateServer::start(&ground.path().join("postgres-1")).await?;
    let fast = at_most(&records, &server.app_url()).await?;
    server.stop().await;
    let server = PrivateServer::start(&ground.path().join("postgres-2")).await?;
    let paced = at_pace(&records, &server.app_url()).await?;
    server.stop().await;
    Ok(json!({
        "benchmark": "tables",
        "events": records.len(),
        "projections": models::ALL.len(),
        "live_path": fast,
        "live_path_events_per_second_target": 10_000,
        "at_pace": paced,
        "at_pace_lag_p99_target_ms": 500,
        "fdatasync_ms": disk.said(),
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// The log of a desk that has traded.
pub(crate) async fn traded(place: &Place, ground: &Ground) -> anyhow::Result<Vec<Record>> {
    trade(place, ground, FILL).await?;
    read(&ground.log()).await
}

/// Lets a desk trade for so long, and ends it.
pub(crate) async fn trade(place: &Place, ground: &Ground, span: Duration) -> anyhow::Result<()> {
    let desk = Desk::start(place, ground).await?;
    let handle = desk.simulator.handle();
    let mut requests = Requests::new(place.seed, settings::requests(true));
    traffic::publish(&handle, &mut requests, QUOTES_PER_SECOND, span).await?;
    desk.end().await?.shutdown().await;
    Ok(())
}

async fn read(directory: &Path) -> anyhow::Result<Vec<Record>> {
    let (log, _) = EmbeddedLog::open(directory, stele_event_log::Options::new(Arc::new(SystemClock)))?;
    let (mut records, mut from) = (Vec::new(), Position(1));
    loop {
        let page = log.read_all(from, &Filter::all(), PAGE).await?;
        let done = page.caught_up();
        records.extend(page.records);
        from = page.next;
        if done {
            log.close().await?;
            return Ok(records);
        }
    }
}

/// A log in memory that the records are put into, one by one or many at once.
struct Feed {
    log: Arc<MemoryLog>,
}

impl Feed {
    fn new() -> Self {
        Self { log: Arc::new(MemoryLog::new(Arc::new(SystemClock))) }
    }

    async fn put(&self, records: &[Record]) -> anyhow::Result<()> {
        for record in records {
            let copy = NewRecord {
                event_id: record.event_id,
                event_type: Arc::clone(&record.event_type),
                data: Arc::clone(&record.data),
                metadata: Arc::clone(&record.metadata),
            };
            self.log.append(&record.stream, Expected::Any, vec![copy]).await?;
        }
        Ok(())
    }

    fn runner(&self, store: Arc<PostgresStore>) -> (Runner, stele_projections::runner::Handle) {
        let log: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&self.log);
        Runner::new(log, store, Arc::new(SystemClock), models::ALL, Options::default())
    }
}

pub(crate) async fn store(app: &str) -> anyhow::Result<Arc<PostgresStore>> {
    let schemas = stele_projections::schemas(models::ALL);
    Ok(Arc::new(PostgresStore::open(app, &schemas, stele_read_store::Options::default()).await?))
}

/// Everything is there; how long until it is in the tables?
async fn at_most(records: &[Record], app: &str) -> anyhow::Result<Value> {
    let feed = Feed::new();
    feed.put(records).await?;
    let (runner, handle) = feed.runner(store(app).await?);
    let began = Instant::now();
    let running = tokio::spawn(runner.run());
    let head = feed.log.head().await?;
    handle.reached(head, WAIT_MAX).await.map_err(|waited| anyhow::anyhow!("not folded: {waited:?}"))?;
    let span = began.elapsed();
    handle.stop();
    running.await??;
    Ok(json!({
        "seconds": span.as_secs_f64(),
        "events_per_second": u128::from(head.0) * 1_000 / span.as_millis().max(1),
    }))
}

/// One event after the other at an even pace; each waits for the table that shows it.
async fn at_pace(records: &[Record], app: &str) -> anyhow::Result<Value> {
    let (feed, store) = (Feed::new(), store(app).await?);
    let (runner, handle) = feed.runner(store);
    let running = tokio::spawn(runner.run());
    let began = Instant::now();
    let (mut put, mut due_at, mut lags) = (0_usize, Vec::new(), Vec::new());
    let mut beat = interval(Duration::from_millis(2));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < PACED && put < records.len() {
        beat.tick().await;
        let due = u64::try_from(began.elapsed().as_micros())?.saturating_mul(PACE) / 1_000_000;
        let due = usize::try_from(due)?.min(records.len());
        feed.put(&records[put..due]).await?;
        due_at.resize(due, Instant::now());
        put = due;
        shown(&handle, &due_at, &mut lags)?;
    }
    handle
        .reached(Position(u64::try_from(put)?), WAIT_MAX)
        .await
        .map_err(|waited| anyhow::anyhow!("not folded: {waited:?}"))?;
    shown(&handle, &due_at, &mut lags)?;
    handle.stop();
    running.await??;
    let lag: Micros = lags.into_iter().collect();
    Ok(json!({ "events_per_second": PACE, "events": put, "lag_ms": lag.said() }))
}

/// Notes how long each event took that is in every table by now.
fn shown(
    handle: &stele_projections::runner::Handle,
    due_at: &[Instant],
    lags: &mut Vec<i64>,
) -> anyhow::Result<()> {
    let least = handle.status().projections.iter().map(|one| one.position.0).min().unwrap_or(0);
    let to = usize::try_from(least)?.min(due_at.len());
    for at in due_at.get(lags.len()..to).unwrap_or_default() {
        lags.push(i64::try_from(at.elapsed().as_micros())?);
    }
    Ok(())
}
