//! Over sockets: the KurrentDB protocol of Stele's door with the official Rust client, and the desk's own `LogService`,
//! against UmaDB's gRPC with its own client. Every server is a process of its own.

use crate::servers::child::{Serving, free};
use crate::servers::kurrent::{self, Batches, Calls};
use crate::servers::remote::Remote;
use crate::servers::umadb::UmaServer;
use crate::{Plan, Refusals, peer::Peer};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::figures::{median, per_second, ratio};
use stele_bench_drive::load::{self, Load, Run};
use tokio::runtime::Runtime;

/// Appends on their way at the same time.
const IN_FLIGHT: Load = Load { writers: 256, batch: 1 };
/// One after the other.
const ALONE: Load = Load { writers: 1, batch: 1 };
/// Streams and events of the log that is read: half a million.
const READ: (u64, u64) = (100, 5_000);
/// Events of an append that fills, and appends at once.
const FILL: (usize, usize) = (500, 8);
/// Turns of reading everything; the best counts.
const TURNS: usize = 3;

/// Stele's doors: another process.
struct Doors {
    kurrent: kurrentdb::Client,
    own: Remote,
    _serving: Serving,
}

impl Doors {
    async fn open(directory: &Path) -> anyhow::Result<Self> {
        let (kurrent, own) = (free().await?, free().await?);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-stele").arg(directory).arg(kurrent.to_string()).arg(own.to_string());
        let serving = Serving::start(command, &[kurrent, own]).await?;
        Ok(Self { kurrent: kurrent::client(kurrent)?, own: Remote::to(own, 6_000)?, _serving: serving })
    }
}

/// Appends in turns, and reads.
pub fn run(plan: &Plan, ground: &Path, refusals: &mut Refusals) -> anyhow::Result<Value> {
    let runtime = stele_bench_drive::runtime()?;
    let (mut batches, mut unary, mut own, mut own_calls) = (vec![], vec![], vec![], vec![]);
    let (mut umadb, mut umadb_calls) = (vec![], vec![]);
    for round in 0..plan.rounds {
        let directory = made(ground, &format!("doors-{round}"))?;
        let doors = runtime.block_on(Doors::open(&directory))?;
        let door = Arc::new(runtime.block_on(Batches::open(&doors.kurrent))?);
        batches.push(load::run(&runtime, &door, IN_FLIGHT, plan.span)?);
        let directory = made(ground, &format!("umadb-{round}"))?;
        match theirs(plan, &runtime, &directory) {
            Ok((many, one)) => {
                umadb.push(many);
                umadb_calls.push(one);
            }
            Err(error) => {
                refusals.insert(Peer::UmaServer, format!("{error:#}"));
            }
        }
        unary.push(load::run(&runtime, &Arc::new(Calls(doors.kurrent)), ALONE, plan.span)?);
        let remote = Arc::new(doors.own);
        own_calls.push(load::run(&runtime, &remote, ALONE, plan.span)?);
        own.push(load::run(&runtime, &Arc::new(remote.from(7_000)), IN_FLIGHT, plan.span)?);
        eprintln!("round {round} over sockets: done");
    }
    let said = |runs: &[Run]| -> Value { runs.iter().map(Run::said).collect() };
    let shares: Vec<f64> = batches
        .iter()
        .zip(&umadb)
        .map(|(ours, theirs)| ratio(ours.events_per_second, theirs.events_per_second))
        .collect();
    let reading = reading(&runtime, ground)?;
    Ok(json!({
        "batch_append_256_in_flight": said(&batches),
        "umadb_grpc_256_in_flight": said(&umadb),
        "of_umadb": median(shares),
        "of_umadb_target": 2.0,
        "unary_append": said(&unary),
        "unary_append_p50_us_target": 1_500,
        "umadb_grpc_unary_append": said(&umadb_calls),
        "log_service_append": said(&own_calls),
        "log_service_256_in_flight": said(&own),
        "read_all": reading,
    }))
}

fn theirs(plan: &Plan, runtime: &Runtime, directory: &Path) -> anyhow::Result<(Run, Run)> {
    let server = Arc::new(runtime.block_on(UmaServer::start(directory))?);
    let many = load::run(runtime, &server, IN_FLIGHT, plan.span)?;
    drop(server);
    std::fs::remove_dir_all(directory)?;
    std::fs::create_dir(directory)?;
    let server = Arc::new(runtime.block_on(UmaServer::start(directory))?);
    Ok((many, load::run(runtime, &server, ALONE, plan.span)?))
}

/// Everything, read by each client in turns.
fn reading(runtime: &Runtime, ground: &Path) -> anyhow::Result<Value> {
    let directory = made(ground, "doors-read")?;
    let doors = runtime.block_on(Doors::open(&directory))?;
    let remote = Arc::new(doors.own);
    runtime.block_on(load::fill(&remote, READ, FILL.0, FILL.1))?;
    let directory = made(ground, "umadb-read")?;
    let umadb = Arc::new(runtime.block_on(UmaServer::start(&directory))?);
    runtime.block_on(load::fill(&umadb, READ, FILL.0, FILL.1))?;
    let (mut kurrent, mut own, mut theirs) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..TURNS {
        let began = Instant::now();
        let events = runtime.block_on(kurrent::scan(&doors.kurrent))?;
        kurrent = kurrent.max(counted(events, began)?);
        let began = Instant::now();
        own = own.max(counted(runtime.block_on(remote.scan())?, began)?);
        let began = Instant::now();
        theirs = theirs.max(counted(runtime.block_on(umadb.scan())?, began)?);
    }
    Ok(json!({
        "events": READ.0 * READ.1,
        "kurrentdb_events_per_second": kurrent.round(),
        "kurrentdb_target": 300_000,
        "log_service_events_per_second": own.round(),
        "log_service_target": 1_000_000,
        "umadb_grpc_events_per_second": theirs.round(),
    }))
}

fn counted(events: u64, began: Instant) -> anyhow::Result<f64> {
    anyhow::ensure!(events == READ.0 * READ.1, "{events} events were read");
    Ok(per_second(events, began))
}

fn made(ground: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let directory = ground.join(name);
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
