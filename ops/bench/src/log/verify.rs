//! Verifying a whole log beside what SHA-256 alone takes: the tree has to be hashed anew whatever else is checked, so
//! this is the machine's limit. Both are measured in turns, so that whatever else runs slows down both.

use super::reads::{sha256, verified, write};
use crate::Place;
use crate::figures::{median, ratio};
use serde_json::{Value, json};

/// The share of SHA-256 alone that is wanted.
const TARGET: f64 = 0.7;

/// Measures both, and the most memory that a verification held.
pub(crate) fn run(place: &Place, rounds: u32) -> anyhow::Result<Value> {
    std::fs::create_dir_all(&place.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-verify-").tempdir_in(&place.disk)?;
    let directory = ground.path().join("log");
    crate::runtime()?.block_on(write(&directory))?;
    let (mut verify, mut sha) = (vec![], vec![]);
    let before = resident_kib("VmRSS:")?;
    // The most that was resident is counted from here on.
    std::fs::write("/proc/self/clear_refs", "5")?;
    for _ in 0..rounds {
        verify.push(verified(&directory)?);
        sha.push(sha256()?);
    }
    let most = resident_kib("VmHWM:")?;
    let shares = verify.iter().zip(&sha).map(|(verify, sha)| ratio(*verify, *sha)).collect();
    Ok(json!({
        "benchmark": "log-verify",
        "bytes": stele_bench_drive::directory_bytes(&directory)?,
        "verify_bytes_per_second": verify.iter().map(|figure| figure.round()).collect::<Vec<_>>(),
        "sha256_bytes_per_second": sha.iter().map(|figure| figure.round()).collect::<Vec<_>>(),
        "share": median(shares),
        "target": TARGET,
        "resident_kib": { "before": before, "most": most },
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// A figure of this process's memory, as the kernel counts it.
pub(crate) fn resident_kib(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.unwrap_or_default().parse()?)
}
