//! Where sealed segments of the log go, how it is reached, and what stays.

use std::path::PathBuf;
use std::time::Duration;
use stele_blob_store::Address;
use stele_event_log::Keep;
use stele_intents::key::KeySource;

/// The archive of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// `None` where nothing is archived; what was, is found where the log says that it was put.
    pub address: Option<Address>,
    /// Whether the process that owns the log archives by itself.
    pub automatic: bool,
    pub region: String,
    pub endpoint: String,
    /// Whether it may be reached without TLS.
    pub plain_http: bool,
    pub access_key_id: String,
    pub secret: Option<KeySource>,
    pub ca_file: Option<PathBuf>,
    pub keep: Keep,
    pub cache_bytes: u64,
    /// How long a reader waits for a segment.
    pub wait_max: Duration,
    /// How long one request may take.
    pub request_max: Duration,
}
