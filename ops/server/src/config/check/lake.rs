//! Where facts are published.

use super::Check;
use super::bucket::BucketRaw;
use crate::config::{Lake, Problem, raw};
use std::time::Duration;
use stele_blob_store::Address;

impl Check<'_> {
    pub(super) fn lake(&self, raw: &raw::Lake) -> Result<Lake, Problem> {
        let address = match raw.url.as_str() {
            "" => None,
            url => Some(self.parsed("lake.url", Address::parse(url))?),
        };
        if raw.compact_files == 1 {
            return Err(self.refused(
                "lake.compact_files",
                "one file is no smaller alone: write 0 for never, or 2 and more",
            ));
        }
        let bucket = self.bucket(&BucketRaw {
            section: "lake",
            what: "the facts",
            region: &raw.region,
            endpoint: &raw.endpoint,
            plain_http: raw.plain_http,
            ca_file: &raw.ca_file,
            access_key_id: &raw.access_key_id,
            secret_file: &raw.secret_access_key_file,
            secret_env: &raw.secret_access_key_env,
            request_ms_max: raw.request_ms_max,
        })?;
        Ok(Lake {
            address,
            every: Duration::from_millis(raw.every_ms),
            compact_files: raw.compact_files,
            tier_every: (raw.tier_every_ms > 0).then(|| Duration::from_millis(raw.tier_every_ms)),
            bucket,
        })
    }
}
