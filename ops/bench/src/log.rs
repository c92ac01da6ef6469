//! The event log in process against the limit of the machine: the same framed bytes, written by the simplest group
//! commit into a zeroed, preallocated file, in turns with the log, so that both see the same machine.

pub(crate) mod doors;
pub(crate) mod reads;
pub(crate) mod scale;
pub(crate) mod verify;

use crate::Place;
use crate::figures::{median, ratio};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_bench_drive::directory_bytes;
use stele_bench_drive::load::{self, Load, PAYLOAD_BYTES, ROWS, Run};
use stele_bench_drive::raw::{self, Raw};
use stele_bench_drive::room::{self, ROOM_BYTES};
use tokio::runtime::Runtime;

/// The share of raw that the log should reach in each row of the table.
const SHARES: [f64; ROWS.len()] = [0.9, 0.8, 0.7, 0.6, 0.8, 0.8];
/// How many times raw's 99th percentile the log's may be.
const P99_TARGET: f64 = 2.0;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Seconds of one run.
    pub(crate) seconds: u64,
    /// Runs of raw and of the log for each row, in turns.
    pub(crate) rounds: u32,
    /// Only this row of the table, from 0.
    pub(crate) row: Option<usize>,
}

/// Appends, row by row.
pub(crate) fn appends(place: &Place, plan: Plan) -> anyhow::Result<Value> {
    std::fs::create_dir_all(&place.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-log-").tempdir_in(&place.disk)?;
    let mut rows = vec![];
    for (nth, (load, target)) in ROWS.into_iter().zip(SHARES).enumerate() {
        if plan.row.is_none_or(|row| row == nth) {
            rows.push(row(ground.path(), plan, load, target)?);
        }
    }
    Ok(json!({
        "benchmark": "log",
        "payload_bytes": PAYLOAD_BYTES,
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "rows": rows,
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

fn row(ground: &Path, plan: Plan, load: Load, target: f64) -> anyhow::Result<Value> {
    let span = Duration::from_secs(plan.seconds);
    let runtime = crate::runtime()?;
    let frame = runtime.block_on(raw::frame_of(&ground.join("sample"), load.batch))?;
    let frame_bytes = frame.len();
    let (mut raws, mut logs, mut roomy, mut bytes) = (vec![], vec![], vec![], vec![]);
    for round in 0..plan.rounds {
        let raw = Arc::new(Raw::start(&ground.join("raw"), frame.clone())?);
        raws.push(load::run(&runtime, &raw, load, span)?);
        std::fs::remove_file(ground.join("raw"))?;
        let directory = ground.join(format!("log-{round}"));
        let (run, log_bytes) = of_log(&runtime, &directory, 0, load, span)?;
        logs.push(run);
        bytes.push(log_bytes);
        roomy.push(of_log(&runtime, &directory, ROOM_BYTES, load, span)?.0);
    }
    let ratios = |logs: &[Run], of: fn(&Run) -> f64| -> f64 {
        median(logs.iter().zip(&raws).map(|(log, raw)| ratio(of(log), of(raw))).collect())
    };
    Ok(json!({
        "writers": load.writers,
        "batch": load.batch,
        "frame_bytes": frame_bytes,
        "raw": raws.iter().map(Run::said).collect::<Vec<_>>(),
        "log": logs.iter().map(Run::said).collect::<Vec<_>>(),
        "log_with_room": roomy.iter().map(Run::said).collect::<Vec<_>>(),
        "share_of_raw": ratios(&logs, |run| run.events_per_second),
        "share_of_raw_with_room": ratios(&roomy, |run| run.events_per_second),
        "share_target": target,
        "p99_of_raw": ratios(&logs, |run| run.p99_us),
        "p99_of_raw_with_room": ratios(&roomy, |run| run.p99_us),
        "p99_target": P99_TARGET,
        "disk_bytes_per_event": median(bytes),
    }))
}

/// One run of a log that begins with so many bytes of zeros, and what an event of it takes on the disk. The log is removed.
fn of_log(
    runtime: &Runtime,
    directory: &Path,
    room: u64,
    load: Load,
    span: Duration,
) -> anyhow::Result<(Run, f64)> {
    let log = Arc::new(runtime.block_on(room::open(directory, room))?);
    let run = load::run(runtime, &log, load, span)?;
    runtime.block_on(log.close())?;
    let events = log.stat().events;
    drop(log);
    let bytes = per_event(directory_bytes(directory)?, events);
    std::fs::remove_dir_all(directory)?;
    Ok((run, bytes))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_event(bytes: u64, events: u64) -> f64 {
    bytes as f64 / events.max(1) as f64
}
