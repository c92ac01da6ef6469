//! What is asked of a store that lives in this process, and how it is opened. The contract of the comparison: what was
//! acknowledged is durable, a writer that is wrong about its stream is refused, and a scan looks at every byte of every
//! record.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::load::Subject;
use stele_bench_drive::pace::Following;

/// A store in this process.
pub trait Store: Subject + Sized {
    /// Opens the store of a directory that exists, empty or not. When it returns, the store answers reads.
    fn open(directory: &Path) -> anyhow::Result<Self>;

    /// How many events there are.
    fn events(&self) -> anyhow::Result<u64>;

    /// Reads every event in the order of the log: stream, type and data. How many they are.
    fn scan(&self) -> anyhow::Result<u64>;

    /// Reads a stream from its beginning. How many events it has.
    fn stream(&self, name: &str) -> anyhow::Result<usize>;

    /// Follows the log from its end for so many events, on the runtime; `None` when it can't be followed.
    fn follow(self: &Arc<Self>, events: u64, began: Instant) -> Option<Following>;
}
