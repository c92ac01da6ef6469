//! What an audit takes: the binary as it is shipped, on the log of a desk that has traded and a PostgreSQL that holds all of
//! its tables. Verifying, folding from zero, and reading every live row are in the figure.

use crate::desk::{Ground, bare, stele};
use crate::{Place, tables};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use stele_bench_drive::SystemClock;
use stele_domain::port::event_log::EventLog;
use stele_event_log::EmbeddedLog;
use stele_projections::models;
use stele_projections::runner::{Options, Runner};
use stele_read_store::{PostgresStore, PrivateServer};
use tokio::time::Instant;

/// How long the tables may take to be filled.
const FILL_MAX: Duration = Duration::from_mins(30);
/// How often the memory of the audit is looked at. The kernel keeps the most of it.
const LOOK: Duration = Duration::from_millis(20);

/// Makes a log by trading for so many seconds, fills PostgreSQL, and audits both, so many times.
pub(crate) async fn run(place: &Place, seconds: u64, rounds: u32) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    tables::trade(place, &ground, Duration::from_secs(seconds)).await?;
    let server = PrivateServer::start(&ground.path().join("postgres")).await?;
    let events = filled(&ground, &server.app_url()).await?;
    let mut runs = vec![];
    for round in 0..rounds {
        runs.push(audited(place, &ground, &server.app_url(), round).await?);
    }
    server.stop().await;
    let of = |name: &str| -> Vec<f64> { runs.iter().filter_map(|run| run[name].as_f64()).collect() };
    let mut spans = of("seconds");
    spans.sort_by(f64::total_cmp);
    let median = spans.get(spans.len() / 2).copied().unwrap_or(0.0);
    Ok(json!({
        "benchmark": "audit",
        "events": events,
        "seconds_median": median,
        "seconds_for_a_million": median * 1_000_000.0 / f64::from(u32::try_from(events)?),
        "seconds_for_a_million_target": 15,
        "most_resident_mib": of("most_resident_kib").into_iter().fold(0.0, f64::max) / 1_024.0,
        "most_resident_mib_target": 1_024,
        "runs": runs,
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// Folds the log into PostgreSQL by the live path; how many events it has.
async fn filled(ground: &Ground, app: &str) -> anyhow::Result<u64> {
    let (log, _) = EmbeddedLog::open(&ground.log(), stele_event_log::Options::new(Arc::new(SystemClock)))?;
    let log = Arc::new(log);
    let schemas = stele_projections::schemas(models::ALL);
    let store = Arc::new(PostgresStore::open(app, &schemas, stele_read_store::Options::default()).await?);
    let shared: Arc<dyn EventLog> = Arc::<EmbeddedLog>::clone(&log);
    // Large batches: how fast this is, `tables` says.
    let options = Options { batch_records_max: 4_096, ..Options::default() };
    let (runner, handle) = Runner::new(shared, store, Arc::new(SystemClock), models::ALL, options);
    let running = tokio::spawn(runner.run());
    let head = log.head().await?;
    handle.reached(head, FILL_MAX).await.map_err(|waited| anyhow::anyhow!("not folded: {waited:?}"))?;
    handle.stop();
    running.await??;
    log.close().await?;
    Ok(head.0)
}

/// One audit by the binary: how long, and the most memory that it took.
async fn audited(place: &Place, ground: &Ground, app: &str, round: u32) -> anyhow::Result<Value> {
    let (config, report) =
        (ground.path().join("stele.toml"), ground.path().join(format!("audit-{round}.json")));
    let mut command = bare(&stele(place)?);
    command.arg("audit").arg("--config").arg(&config).arg("--report").arg(&report);
    command.env("DATABASE_URL", app).stdout(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id().context("the audit has ended before")?;
    let mut most = 0;
    let status = loop {
        tokio::select! {
            biased;
            status = child.wait() => break status?,
            () = tokio::time::sleep(LOOK) => most = resident_kib(pid).unwrap_or(0).max(most),
        }
    };
    let span = began.elapsed();
    anyhow::ensure!(status.success(), "the audit ended with {status}");
    let text = std::fs::read_to_string(&report)?;
    let signed: Value = serde_json::from_str(&text)?;
    let rows = |name: &str| -> u64 {
        let projections = signed["report"]["projections"].as_array().into_iter().flatten();
        let tables = projections.flat_map(|projection| projection["tables"].as_array().into_iter().flatten());
        tables.filter_map(|table| table[name].as_u64()).sum()
    };
    Ok(json!({
        "seconds": span.as_secs_f64(),
        "most_resident_kib": most,
        "rows_folded": rows("rows_folded"),
        "rows_live": rows("rows_live"),
        "verdict": signed["report"]["verdict"],
    }))
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
