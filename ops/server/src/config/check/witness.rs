//! Who is told of the log's checkpoints.

use super::Check;
use crate::config::{Problem, raw};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stele_event_log::note::WitnessKey;
use stele_event_log::{WitnessAt, WitnessOptions};

/// Most keys whose cosignatures count.
const KEYS_MAX: usize = 16;

impl Check<'_> {
    pub(super) fn witness(&self, raw: &raw::Log, data_dir: &Path) -> Result<Option<WitnessOptions>, Problem> {
        let key = "log.witness";
        let keys = self.witness_keys(&raw.witness_keys)?;
        let ca_file = (!raw.witness_ca_file.is_empty()).then(|| PathBuf::from(&raw.witness_ca_file));
        if ca_file.is_some() && !raw.witness.starts_with("https://") {
            let rule = "nobody is to be vouched for: certificates are those of a server at `https://…` in `log.witness`";
            return Err(self.refused("log.witness_ca_file", rule));
        }
        if raw.witness.is_empty() {
            if !keys.is_empty() {
                return Err(
                    self.refused("log.witness_keys", "there is nobody whose they are: set `log.witness`")
                );
            }
            return Ok(None);
        }
        if !raw.url.is_empty() {
            let rule = "only the process that owns the event log exports its checkpoints: leave `log.url` (--log) empty, or \
                        this";
            return Err(self.refused(key, rule));
        }
        let at = if raw.witness.contains("://") {
            let url = self.url(key, &raw.witness, ["http", "https"])?;
            if url.contains(['@', '?', '#']) {
                return Err(self
                    .refused(key, "the prefix of an address is expected, without user, query or fragment"));
            }
            if !raw.witness_plain_http && url.strip_prefix("http://").is_some_and(|rest| !is_local(rest)) {
                let rule = "whoever is on the way could say that the log was cut: write https://…, or set \
                            `log.witness_plain_http = true` where the network between is yours";
                return Err(self.refused(key, rule));
            }
            if keys.is_empty() {
                let rule = "a witness vouches for nothing without a key: put its key (name+hash+base64) into this list";
                return Err(self.refused("log.witness_keys", rule));
            }
            WitnessAt::Server { url, keys, ca_file }
        } else {
            if !keys.is_empty() {
                return Err(self.refused("log.witness_keys", "a file cosigns nothing: leave this empty"));
            }
            WitnessAt::File(self.apart(key, &raw.witness, data_dir)?)
        };
        let (every, export_max) =
            (Duration::from_millis(raw.witness_every_ms), Duration::from_millis(raw.witness_ms_max));
        Ok(Some(WitnessOptions { at, every, export_max }))
    }

    fn witness_keys(&self, texts: &[String]) -> Result<Vec<WitnessKey>, Problem> {
        let key = "log.witness_keys";
        if texts.len() > KEYS_MAX {
            return Err(self.refused(key, format!("at most {KEYS_MAX} keys are possible")));
        }
        self.parsed(key, texts.iter().map(|text| WitnessKey::parse(text)).collect())
    }

    /// A file that does not go with the data directory: what is put back with it witnesses nothing.
    fn apart(&self, key: &str, text: &str, data_dir: &Path) -> Result<PathBuf, Problem> {
        let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
        let path = PathBuf::from(text);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let within = match (whole(folder), whole(data_dir)) {
            (Ok(folder), Ok(data_dir)) => folder.starts_with(data_dir),
            (Err(_), _) | (_, Err(_)) => false,
        };
        if within {
            let rule = "a witness in the data directory goes the way of the log: name a file elsewhere, on another disk";
            return Err(self.refused(key, rule));
        }
        Ok(path)
    }
}

/// Whether nothing leaves this machine on the way to an address, which is told without its scheme.
fn is_local(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_what_stays_on_this_machine_is_local() {
        for local in ["localhost/w", "localhost:80", "127.0.0.1:8080/w1", "127.9.9.9", "[::1]:80/w", "[::1]"]
        {
            assert!(is_local(local), "{local}");
        }
        for far in
            ["w.example", "localhost.example/w", "127.0.0.1.example", "[::2]:80", "10.0.0.1/w", "::1", ""]
        {
            assert!(!is_local(far), "{far}");
        }
    }
}
