//! Where the facts of the log are published as Delta tables, and how often.

use super::Bucket;
use std::time::Duration;
use stele_blob_store::Address;

/// The lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lake {
    /// `None` where nothing is published.
    pub address: Option<Address>,
    /// How long rows wait at most for others to share a file with.
    pub every: Duration,
    /// How many small files of a day are compacted; zero: none.
    pub compact_files: usize,
    /// How often partitions of histories are looked at; `None`: never by itself.
    pub tier_every: Option<Duration>,
    pub bucket: Bucket,
}
