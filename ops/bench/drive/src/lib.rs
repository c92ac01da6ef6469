//! What the benchmarks of the log share: writers that keep asking ([`load`]), the machine's own limit ([`raw`]), a log
//! with zeros ready ([`room`]), and figures ([`figures`]). Not a benchmark itself; `stele-bench` and the peers' program are.

#![forbid(unsafe_code)]

pub mod figures;
pub mod load;
pub mod pace;
pub mod raw;
pub mod room;

use std::path::Path;
use std::time::SystemTime;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A runtime with a thread for each core.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Bytes of all files below a directory, as the file system counts them.
pub fn directory_bytes(directory: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { directory_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
