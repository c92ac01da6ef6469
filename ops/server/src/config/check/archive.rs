//! Where sealed segments of the log go, and what stays.

use super::Check;
use super::bucket::BucketRaw;
use crate::config::{Archive, Problem, raw};
use std::time::Duration;
use stele_blob_store::Address;
use stele_domain::port::blob_store::BLOB_BYTES_MAX;
use stele_event_log::Keep;

impl Check<'_> {
    pub(super) fn archive(&self, raw: &raw::Log) -> Result<Archive, Problem> {
        let archive = &raw.archive;
        let address = match archive.url.as_str() {
            "" => None,
            url => Some(self.parsed("log.archive.url", Address::parse(url))?),
        };
        if address.is_some() && !raw.url.is_empty() {
            let rule = "only the process that owns the event log archives it: leave `log.url` (--log) empty, or this";
            return Err(self.refused("log.archive.url", rule));
        }
        if address.is_some() && raw.segment_bytes > BLOB_BYTES_MAX {
            let rule = format!(
                "a segment is archived as one object of at most {BLOB_BYTES_MAX} bytes: set this to that or less, or leave \
                 `log.archive.url` empty"
            );
            return Err(self.refused("log.segment_bytes", &rule));
        }
        let bucket = self.bucket(&BucketRaw {
            section: "log.archive",
            what: "the log",
            region: &archive.region,
            endpoint: &archive.endpoint,
            plain_http: archive.plain_http,
            ca_file: &archive.ca_file,
            access_key_id: &archive.access_key_id,
            secret_file: &archive.secret_access_key_file,
            secret_env: &archive.secret_access_key_env,
            request_ms_max: archive.request_ms_max,
        })?;
        Ok(Archive {
            address,
            automatic: archive.automatic,
            bucket,
            keep: Keep {
                segments: archive.keep_segments,
                bytes: archive.keep_bytes,
                age_ms: i64::try_from(archive.keep_age_ms).unwrap_or(i64::MAX),
                events: archive.keep_events,
                before: None,
            },
            cache_bytes: archive.cache_bytes,
            wait_max: Duration::from_millis(archive.wait_ms_max),
        })
    }
}
