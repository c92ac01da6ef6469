//! How a store that speaks S3 is reached.

use std::path::PathBuf;
use std::time::Duration;
use stele_intents::key::KeySource;

/// How a store that speaks S3 is reached. Of a directory only the time is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub region: String,
    pub endpoint: String,
    /// Whether it may be reached without TLS.
    pub plain_http: bool,
    pub access_key_id: String,
    pub secret: Option<KeySource>,
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub request_max: Duration,
}
