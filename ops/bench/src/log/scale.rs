//! A large log: many events in many streams. What it takes to write, open, read and verify it, in time and in memory,
//! each in a process of its own, so that the most that was resident is that of one phase.

mod phases;

use crate::Place;
use crate::text;
use anyhow::{Context, ensure};
pub(crate) use phases::{Phase, run as phase};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Resident memory that no phase may pass: 256 MiB.
const RESIDENT_KIB_MAX: u64 = 256 * 1024;
/// Until a log is open whose index files are there, in milliseconds.
const OPEN_MS_MAX: f64 = 2_000.0;
/// The same of a log of up to [`SMALL_EVENTS`] that the system remembers nothing of.
const OPEN_SMALL_MS_MAX: f64 = 100.0;
/// The same after its writer was killed.
const OPEN_KILLED_MS_MAX: f64 = 300.0;
/// Until a log is open whose index files were all removed, in milliseconds.
const REBUILD_MS_MAX: f64 = 30_000.0;
/// A log of so many events is no large one.
const SMALL_EVENTS: u64 = 1_000_000;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Events, of 256 bytes each, one to a commit.
    pub(crate) events: u64,
    /// Streams that they are spread over, in an order that repeats after all of them.
    pub(crate) streams: u64,
}

/// Writes a log and goes through all phases.
pub(crate) fn run(place: &Place, size: Size) -> anyhow::Result<Value> {
    ensure!(
        size.streams > 0 && size.events >= size.streams,
        "--events has to be at least --streams, above zero"
    );
    std::fs::create_dir_all(&place.disk)?;
    let mut ground = tempfile::Builder::new().prefix("bench-scale-").tempdir_in(&place.disk)?;
    if place.keep {
        ground.disable_cleanup(true);
    }
    let directory = ground.path().join("log");
    let done = |phase| finished(&directory, size, phase);
    let write = done(Phase::Write)?;
    let bytes = stele_bench_drive::directory_bytes(&directory)?;
    forget(&directory)?;
    let cold = done(Phase::Open)?;
    let warm = done(Phase::Open)?;
    let read = done(Phase::Read)?;
    let verify = done(Phase::Verify)?;
    kill_while_writing(&directory, size)?;
    forget(&directory)?;
    let killed = done(Phase::Open)?;
    remove_indexes(&directory)?;
    let rebuild = done(Phase::Open)?;
    let phases = [&write, &cold, &warm, &read, &verify, &killed, &rebuild];
    let most = phases.iter().filter_map(|phase| phase.get("most_kib")?.as_u64()).max().unwrap_or(0);
    Ok(json!({
        "benchmark": "log-scale",
        "events": size.events,
        "streams": size.streams,
        "disk_bytes": bytes,
        "write": write,
        "open_cold": cold,
        "open_warm": warm,
        "read": read,
        "verify": verify,
        "open_after_kill": killed,
        "open_without_indexes": rebuild,
        "targets": {
            "most_kib": RESIDENT_KIB_MAX,
            "open_ms": if size.events <= SMALL_EVENTS { OPEN_SMALL_MS_MAX } else { OPEN_MS_MAX },
            "open_after_kill_ms": if size.events <= SMALL_EVENTS { OPEN_KILLED_MS_MAX } else { OPEN_MS_MAX },
            "open_without_indexes_ms": REBUILD_MS_MAX,
        },
        "most_kib": most,
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// One phase in a process of its own.
fn start(directory: &Path, size: Size, phase: Phase) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("this program")?;
    let child = Command::new(program)
        .arg("log-scale-phase")
        .args(["--directory", text(directory)?, "--phase", phase.name()])
        .args(["--events", &size.events.to_string(), "--streams", &size.streams.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    child.with_context(|| format!("starting the phase {}", phase.name()))
}

fn finished(directory: &Path, size: Size, phase: Phase) -> anyhow::Result<Value> {
    let output = start(directory, size, phase)?.wait_with_output()?;
    ensure!(output.status.success(), "the phase {} failed: {}", phase.name(), output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("the phase {}", phase.name()))
}

/// Lets a process write until it says that it has, and kills it.
fn kill_while_writing(directory: &Path, size: Size) -> anyhow::Result<()> {
    let mut child = start(directory, size, Phase::Killed)?;
    let stdout = child.stdout.take().context("the phase has no output")?;
    let said = BufReader::new(stdout).lines().next();
    child.kill()?;
    child.wait()?;
    ensure!(matches!(said, Some(Ok(_))), "the process that was to be killed ended before");
    Ok(())
}

/// Has the system forget all files.
pub(super) fn forget(directory: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        // `dd` asks the system to forget a file; a program can't without unsafe code.
        let of = format!("of={}", text(&path)?);
        let forget = ["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
        let status = Command::new("dd").arg(of).args(forget).status().context("dd")?;
        ensure!(status.success(), "dd failed on {}: {status}", path.display());
    }
    Ok(())
}

fn remove_indexes(directory: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "idx") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
