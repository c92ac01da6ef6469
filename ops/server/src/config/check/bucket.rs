//! How a store that speaks S3 is reached, for whoever keeps something there.

use super::Check;
use super::serving::file;
use crate::config::{Bucket, Problem, holds_a_secret};
use std::time::Duration;
use stele_intents::key::KeySource;

/// The settings of a section, as they are written.
pub(super) struct BucketRaw<'r> {
    /// What the keys begin with.
    pub section: &'static str,
    /// What goes there.
    pub what: &'static str,
    pub region: &'r str,
    pub endpoint: &'r str,
    pub plain_http: bool,
    pub ca_file: &'r str,
    pub access_key_id: &'r str,
    pub secret_file: &'r str,
    pub secret_env: &'r str,
    pub request_ms_max: u64,
}

impl Check<'_> {
    /// That a secret which is to come from a variable is there. Only who looks for mistakes asks: other commands may do
    /// without.
    pub(super) fn secret_is_set(
        &self,
        section: &str,
        bucket: &Bucket,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Problem> {
        let Some(KeySource::Env(name)) = &bucket.secret else { return Ok(()) };
        if variable(name).is_some_and(|text| holds_a_secret(&text)) {
            return Ok(());
        }
        let key = format!("{section}.secret_access_key");
        let rule = format!(
            "the environment variable {name} is not set to text: set it where the desk is started, or name a file with \
             `{key}_file`"
        );
        Err(self.refused(&format!("{key}_env"), rule))
    }

    pub(super) fn bucket(&self, raw: &BucketRaw<'_>) -> Result<Bucket, Problem> {
        let key = |name: &str| format!("{}.{name}", raw.section);
        let secret_key = key("secret_access_key");
        let secret = self.secret(&secret_key, raw.secret_file, raw.secret_env)?;
        if secret.is_some() == raw.access_key_id.is_empty() {
            let rule = format!(
                "a key has a name and a secret: set this together with `{secret_key}_file` or `{secret_key}_env`"
            );
            return Err(self.refused(&key("access_key_id"), rule));
        }
        if !raw.endpoint.is_empty() {
            let endpoint = key("endpoint");
            self.url(&endpoint, raw.endpoint, ["http", "https"])?;
            if raw.endpoint.starts_with("http:") && !raw.plain_http {
                let rule = format!(
                    "{} would go there in the clear: write https://…, or set `{} = true` where the network between is yours",
                    raw.what,
                    key("plain_http")
                );
                return Err(self.refused(&endpoint, rule));
            }
        }
        Ok(Bucket {
            region: raw.region.to_owned(),
            endpoint: raw.endpoint.to_owned(),
            plain_http: raw.plain_http,
            access_key_id: raw.access_key_id.to_owned(),
            secret,
            ca_file: file(raw.ca_file),
            request_max: Duration::from_millis(raw.request_ms_max),
        })
    }
}
