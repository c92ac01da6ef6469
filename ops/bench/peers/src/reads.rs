//! A million events of a thousand streams: how soon a store is open after its process was killed and when nothing of it is
//! in memory, how fast all of it and one stream are read, what it takes on disk, and how soon followers see an event.

use crate::peer::Peer;
use crate::store::Store;
use crate::stores::fjall::Fjall;
use crate::stores::sqlite::Sqlite;
use crate::stores::stele::Stele;
use crate::stores::tephra::Tephra;
use crate::stores::umadb::UmaCore;
use crate::{Plan, Refusals};
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_bench_drive::directory_bytes;
use stele_bench_drive::figures::{per_second, ratio};
use stele_bench_drive::load;
use stele_bench_drive::pace::pace;
use stele_bench_drive::raw;
use tokio::runtime::Runtime;

/// Streams, and events of each.
const STREAMS: u64 = 1_000;
const EVENTS: u64 = 1_000;
/// Appends that are on their way at once while a store is filled.
const AT_ONCE: usize = 200;
/// Turns of scans; the best counts, as nobody else's work makes anything faster.
const TURNS: usize = 3;
/// Readings of one stream; the best counts.
const READINGS: usize = 20;
/// How long appends come at an even pace.
const PACE: Duration = Duration::from_secs(4);
/// Followers of the second pace.
const FOLLOWERS: usize = 100;
/// What a child says when the store is full.
const FULL: &str = "full";

/// What is left to measure of a store once all were scanned.
type Rest = dyn FnOnce(&Runtime) -> anyhow::Result<Map<String, Value>>;

/// What is measured of one store, one step after the other.
pub struct Reading {
    peer: Peer,
    said: Map<String, Value>,
    scan: Box<dyn Fn() -> anyhow::Result<u64>>,
    best_scan: f64,
    /// What else is measured once all scans are done: one stream, and followers.
    rest: Box<Rest>,
}

/// Measures all stores of this process, and raw.
pub fn run(plan: &Plan, ground: &Path, refusals: &mut Refusals) -> anyhow::Result<Value> {
    let runtime = stele_bench_drive::runtime()?;
    let mut readings = vec![];
    for peer in plan.peers().filter(|peer| *peer == Peer::Stele || Peer::EMBEDDED.contains(peer)) {
        let directory = ground.join(peer.name());
        std::fs::create_dir_all(&directory)?;
        match opened(peer, &directory) {
            Ok(reading) => readings.push(reading),
            Err(error) => {
                refusals.insert(peer, format!("{error:#}"));
            }
        }
        eprintln!("{}: filled and opened", peer.name());
    }
    let stele = ground.join(Peer::Stele.name());
    let mut raw: f64 = 0.0;
    for _ in 0..TURNS {
        if stele.exists() {
            raw = raw.max(raw::scan(&stele)?.1);
        }
        for reading in &mut readings {
            let began = Instant::now();
            let events = (reading.scan)()?;
            let name = reading.peer.name();
            anyhow::ensure!(events >= STREAMS * EVENTS, "{name} has {events} events");
            reading.best_scan = reading.best_scan.max(per_second(events, began));
        }
    }
    let mut said = Map::new();
    for reading in readings {
        let Reading { peer, said: mut one, best_scan, rest, .. } = reading;
        one.insert("scan_events_per_second".to_owned(), json!(best_scan.round()));
        one.insert("scan_share_of_raw".to_owned(), json!(ratio(best_scan, raw)));
        match rest(&runtime) {
            Ok(rest) => one.extend(rest),
            Err(error) => {
                refusals.insert(peer, format!("{error:#}"));
            }
        }
        said.insert(peer.name().to_owned(), Value::Object(one));
        eprintln!("{}: read and followed", peer.name());
    }
    Ok(json!({
        "events": STREAMS * EVENTS,
        "raw_scan_events_per_second": raw.round(),
        "stores": said,
        "targets": {
            "scan_share_of_raw": 0.5, "scan_of_tephra": 1.3, "stream_of_1000_us": 200, "open_cold_ms": 100,
            "open_killed_ms": 300, "disk_bytes_per_event": 340, "lag_p50_ms": 0.02, "lag_p99_ms": 0.15,
            "appends_with_100_followers": 0.9,
        },
    }))
}

fn opened(peer: Peer, directory: &Path) -> anyhow::Result<Reading> {
    match peer {
        Peer::Stele => filled::<Stele>(peer, directory),
        Peer::Tephra => filled::<Tephra>(peer, directory),
        Peer::Fjall => filled::<Fjall>(peer, directory),
        Peer::Sqlite => filled::<Sqlite>(peer, directory),
        Peer::UmaCore => filled::<UmaCore>(peer, directory),
        Peer::Raw | Peer::SteleRoom | Peer::UmaServer | Peer::Redis | Peer::Postgres => {
            anyhow::bail!("it is no store of this process, or none of its own")
        }
    }
}

/// Lets another process fill the store and kills it, opens it, closes it, and opens it again.
fn filled<S: Store>(peer: Peer, directory: &Path) -> anyhow::Result<Reading> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("fill").arg(peer.name()).arg(directory).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let words = BufReader::new(child.stdout.take().context("its words")?);
    // A peer may have words of its own before.
    let full = words.lines().map_while(Result::ok).any(|line| line.trim() == FULL);
    // SIGKILL, in the middle of appends.
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(full, "the process that fills it ended before it was full");
    let (store, killed_ms, forgot) = cold::<S>(directory)?;
    let events = store.events()?;
    anyhow::ensure!(events >= STREAMS * EVENTS, "after SIGKILL there are {events} events");
    drop(store);
    let bytes = directory_bytes(directory)?;
    let (store, closed_ms, _) = cold::<S>(directory)?;
    let store = Arc::new(store);
    let scanned = Arc::clone(&store);
    let figures = json!({
        "open_killed_ms": killed_ms,
        "open_cold_ms": closed_ms,
        "cache": if forgot { "dropped" } else { "warm: not root" },
        "disk_bytes_per_event": bytes / events,
    });
    Ok(Reading {
        peer,
        said: figures.as_object().cloned().unwrap_or_default(),
        scan: Box::new(move || scanned.scan()),
        best_scan: 0.0,
        rest: Box::new(move |runtime| rest(runtime, &store)),
    })
}

/// Opens a store of which the system remembers nothing: the store, milliseconds, and whether it forgot, which only root can
/// ask for.
fn cold<S: Store>(directory: &Path) -> anyhow::Result<(S, f64, bool)> {
    Command::new("sync").status().context("sync")?;
    let cold = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let began = Instant::now();
    let store = S::open(directory)?;
    store.events()?;
    Ok((store, began.elapsed().as_secs_f64() * 1_000.0, cold))
}

/// What another process does until it is killed: fills the store, says so, and goes on appending.
pub fn fill(peer: Peer, directory: &Path) -> anyhow::Result<()> {
    match peer {
        Peer::Stele => fill_one::<Stele>(directory),
        Peer::Tephra => fill_one::<Tephra>(directory),
        Peer::Fjall => fill_one::<Fjall>(directory),
        Peer::Sqlite => fill_one::<Sqlite>(directory),
        Peer::UmaCore => fill_one::<UmaCore>(directory),
        Peer::Raw | Peer::SteleRoom | Peer::UmaServer | Peer::Redis | Peer::Postgres => {
            anyhow::bail!("it is no store of this process, or none of its own")
        }
    }
}

fn fill_one<S: Store>(directory: &Path) -> anyhow::Result<()> {
    let runtime = stele_bench_drive::runtime()?;
    let store = Arc::new(S::open(directory)?);
    runtime.block_on(load::fill(&store, (STREAMS, EVENTS), 1, AT_ONCE))?;
    println!("{FULL}");
    let mut writer = store.writer(STREAMS)?;
    loop {
        runtime.block_on(store.keep(&mut writer, 1))?;
    }
}

fn rest<S: Store>(runtime: &Runtime, store: &Arc<S>) -> anyhow::Result<Map<String, Value>> {
    let name = format!("bench-{:04}", STREAMS / 3);
    let mut least = f64::MAX;
    for _ in 0..READINGS {
        let began = Instant::now();
        let events = store.stream(&name)?;
        anyhow::ensure!(u64::try_from(events)? == EVENTS, "the stream has {events} events");
        least = least.min(began.elapsed().as_secs_f64() * 1_000_000.0);
    }
    let mut said = Map::from_iter([("stream_of_1000_us".to_owned(), json!(least))]);
    let paced = |number: u64, per_second: u32, followers: usize| {
        runtime.block_on(async {
            if followers > 0 && store.follow(0, Instant::now()).is_none() {
                return Ok(None);
            }
            let follow = |events, began| {
                store.follow(events, began).unwrap_or_else(|| tokio::spawn(async { Ok(vec![]) }))
            };
            pace(store, number, (per_second, PACE), followers, follow).await.map(Some)
        })
    };
    if let Some(alone) = paced(STREAMS + 1, 1_000, 1)? {
        said.insert("follower_at_1000".to_owned(), json!({ "lag_ms": alone.lag.said() }));
        let without = paced(STREAMS + 2, 5_000, 0)?;
        let crowd = paced(STREAMS + 3, 5_000, FOLLOWERS)?;
        if let (Some(without), Some(crowd)) = (without, crowd) {
            let figures = json!({
                "appends_per_second": { "without": without.per_second.round(), "with": crowd.per_second.round() },
                "append_ms": { "without": without.append.said(), "with": crowd.append.said() },
                "lag_ms": crowd.lag.said(),
            });
            said.insert("followers_100_at_5000".to_owned(), figures);
        }
    }
    Ok(said)
}
