//! Durable appends, row by row: `raw` and everybody else one after the other, in turns, on the same disk.

use crate::peer::Peer;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use crate::servers::umadb::UmaServer;
use crate::store::Store;
use crate::stores::fjall::Fjall;
use crate::stores::sqlite::Sqlite;
use crate::stores::stele::Stele;
use crate::stores::tephra::Tephra;
use crate::stores::umadb::UmaCore;
use crate::{Plan, Refusals};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_bench_drive::figures::{median, ratio};
use stele_bench_drive::load::{self, Load, ROWS, Run};
use stele_bench_drive::raw::{self, Raw};
use stele_bench_drive::room::{self, ROOM_BYTES};
use tokio::runtime::Runtime;

/// What raw reached when the targets were set, on 2 cores: events a second of each row.
const RAW_KNOWN: [f64; ROWS.len()] = [6_709.0, 56_015.0, 188_430.0, 608_831.0, 532_211.0, 1_289_476.0];
/// The share of it below which a row is void.
const RAW_LEAST: f64 = 0.85;
/// The share of raw that Stele should reach in each row; there is no target for batches of a hundred.
const SHARES: [Option<f64>; ROWS.len()] = [Some(0.9), Some(0.8), Some(0.7), Some(0.6), None, Some(0.8)];
/// The share of the best peer in this process that Stele must reach, with one writer and with more.
const OF_BEST: (f64, f64) = (0.97, 1.0);
/// How many times raw's 99th percentile Stele's may be.
const P99_OF_RAW: f64 = 2.0;
/// What is said of a run on a machine that had other things to do.
pub const VOID: &str = "machine busy";

/// What everybody did in one row.
pub struct Row {
    /// Writers and records of an append.
    pub load: Load,
    /// The runs of each, in the order of the rounds.
    pub runs: BTreeMap<Peer, Vec<Run>>,
    /// Which row it is.
    nth: usize,
}

impl Row {
    /// Median events a second of one of them; `None` when it did not run.
    pub fn events_per_second(&self, peer: Peer) -> Option<f64> {
        let runs = self.runs.get(&peer)?;
        Some(median(runs.iter().map(|run| run.events_per_second).collect()))
    }

    /// Whether raw shows that the machine was busy.
    pub fn void(&self) -> bool {
        let known = RAW_KNOWN.get(self.nth).copied().unwrap_or_default();
        self.events_per_second(Peer::Raw).is_some_and(|raw| raw < known * RAW_LEAST)
    }

    /// The figure of one of ours over another's, of the same round, in the middle.
    fn share(&self, ours: Peer, peer: Peer, of: fn(&Run) -> f64) -> Option<f64> {
        let (ours, theirs) = (self.runs.get(&ours)?, self.runs.get(&peer)?);
        Some(median(ours.iter().zip(theirs).map(|(ours, theirs)| ratio(of(ours), of(theirs))).collect()))
    }

    /// The best of the stores in this process that are not ours.
    fn best(&self) -> Option<(Peer, f64)> {
        let figures =
            Peer::EMBEDDED.into_iter().filter_map(|peer| Some((peer, self.events_per_second(peer)?)));
        figures.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// As it is printed, with the targets.
    pub fn said(&self) -> Value {
        let runs: Map<String, Value> = self
            .runs
            .iter()
            .map(|(peer, runs)| (peer.name().to_owned(), runs.iter().map(Run::said).collect()))
            .collect();
        let best = self.best();
        let of_best = |ours| best.and_then(|(peer, _)| self.share(ours, peer, |run| run.events_per_second));
        let target = if self.load.writers >= 16 { OF_BEST.1 } else { OF_BEST.0 };
        json!({
            "writers": self.load.writers,
            "batch": self.load.batch,
            "runs": runs,
            "raw_known": RAW_KNOWN.get(self.nth),
            "void": self.void().then_some(VOID),
            "share_of_raw": self.share(Peer::Stele, Peer::Raw, |run| run.events_per_second),
            "share_of_raw_with_room": self.share(Peer::SteleRoom, Peer::Raw, |run| run.events_per_second),
            "share_of_raw_target": SHARES.get(self.nth).copied().flatten(),
            "p99_of_raw": self.share(Peer::Stele, Peer::Raw, |run| run.p99_us),
            "p99_of_raw_with_room": self.share(Peer::SteleRoom, Peer::Raw, |run| run.p99_us),
            "p99_of_raw_target": P99_OF_RAW,
            "best_peer": best.map(|(peer, _)| peer.name()),
            "share_of_best_peer": of_best(Peer::Stele),
            "share_of_best_peer_with_room": of_best(Peer::SteleRoom),
            "share_of_best_peer_target": target,
        })
    }
}

/// Measures all rows. Who fails once is left out from then on, with the reason.
pub fn run(plan: &Plan, ground: &Path, refusals: &mut Refusals) -> anyhow::Result<Vec<Row>> {
    let runtime = stele_bench_drive::runtime()?;
    let mut rows = vec![];
    for (nth, load) in ROWS.into_iter().enumerate() {
        let mut row = Row { load, runs: BTreeMap::new(), nth };
        let frame = runtime.block_on(raw::frame_of(&ground.join("sample"), load.batch))?;
        for _ in 0..plan.rounds {
            for peer in plan.peers() {
                if refusals.contains_key(&peer) {
                    continue;
                }
                let directory = ground.join(peer.name());
                std::fs::create_dir_all(&directory)?;
                let measured = one(&runtime, peer, &directory, load, plan.span, &frame);
                std::fs::remove_dir_all(&directory)?;
                match measured {
                    Ok(run) => row.runs.entry(peer).or_default().push(run),
                    Err(error) if peer == Peer::Raw => return Err(error),
                    Err(error) => {
                        row.runs.remove(&peer);
                        refusals.insert(peer, format!("{error:#}"));
                    }
                }
            }
        }
        eprintln!("{} writers, batches of {}: done", load.writers, load.batch);
        rows.push(row);
    }
    Ok(rows)
}

fn one(
    runtime: &Runtime,
    peer: Peer,
    directory: &Path,
    load: Load,
    span: Duration,
    frame: &Arc<[u8]>,
) -> anyhow::Result<Run> {
    match peer {
        Peer::Raw => {
            let raw = Arc::new(Raw::start(&directory.join("raw"), Arc::clone(frame))?);
            load::run(runtime, &raw, load, span)
        }
        Peer::Stele => embedded::<Stele>(runtime, directory, load, span),
        Peer::SteleRoom => {
            let log = runtime.block_on(room::open(directory, ROOM_BYTES))?;
            load::run(runtime, &Arc::new(Stele::of(log)?), load, span)
        }
        Peer::Tephra => embedded::<Tephra>(runtime, directory, load, span),
        Peer::Fjall => embedded::<Fjall>(runtime, directory, load, span),
        Peer::Sqlite => embedded::<Sqlite>(runtime, directory, load, span),
        Peer::UmaCore => embedded::<UmaCore>(runtime, directory, load, span),
        Peer::UmaServer => {
            let server = Arc::new(runtime.block_on(UmaServer::start(directory))?);
            load::run(runtime, &server, load, span)
        }
        Peer::Redis => {
            let redis = Arc::new(runtime.block_on(Redis::start(directory))?);
            load::run(runtime, &redis, load, span)
        }
        Peer::Postgres => {
            let postgres = Arc::new(runtime.block_on(Postgres::start(&directory.join("postgres")))?);
            let measured = load::run(runtime, &postgres, load, span);
            if let Some(postgres) = Arc::into_inner(postgres) {
                runtime.block_on(postgres.stop());
            }
            measured
        }
    }
}

fn embedded<S: Store>(
    runtime: &Runtime,
    directory: &Path,
    load: Load,
    span: Duration,
) -> anyhow::Result<Run> {
    let store = Arc::new(S::open(directory)?);
    load::run(runtime, &store, load, span)
}
