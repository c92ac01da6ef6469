//! Where sealed segments of the log go, how it is reached, and what stays.

use super::Bucket;
use std::time::Duration;
use stele_blob_store::Address;
use stele_event_log::Keep;

/// The archive of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// `None` where nothing is archived; what was, is found where the log says that it was put.
    pub address: Option<Address>,
    /// Whether the process that owns the log archives by itself.
    pub automatic: bool,
    pub bucket: Bucket,
    pub keep: Keep,
    pub cache_bytes: u64,
    /// How long a reader waits for a segment.
    pub wait_max: Duration,
}
