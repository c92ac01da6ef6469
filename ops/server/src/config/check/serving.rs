//! What a serving process listens on, whose log it works on, and where its tables are.

use super::Check;
use crate::config::{
    Database, DatabaseAt, Doors, EventStoreAt, LogElsewhere, Problem, RemoteLogAt, Tls, raw,
};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stele_api::{Pace, RateOptions};
use stele_eventstore::Address;

/// The secret of the keys, in the data directory, when no other file is named.
const PEPPER_FILE: &str = "keys.pepper";
/// How old what stands in the tables may be allowed to be, in milliseconds: below, two looks are longer; beyond, nothing
/// is strict any more.
const STRICT_AGE_MS: RangeInclusive<u64> = 1_000..=600_000;

impl Check<'_> {
    pub(super) fn remote_log(&self, raw: &raw::Log) -> Result<Option<LogElsewhere>, Problem> {
        if raw.url.is_empty() {
            if !raw.key_file.is_empty() {
                return Err(self.refused(
                    "log.key_file",
                    "there is nobody to show it to: `log.url` (--log) names the process that owns the log",
                ));
            }
            return Ok(None);
        }
        if Address::is_meant(&raw.url) {
            return self.event_store(raw).map(|at| Some(LogElsewhere::EventStore(at)));
        }
        let elsewhere = raw.url.split_once("://").filter(|(scheme, _)| !matches!(*scheme, "http" | "https"));
        if let Some((scheme, _)) = elsewhere {
            let rule = format!(
                "no log is reached by {scheme:?}: https://HOST:PORT or http://… is another desk's, kurrentdb://… (also \
                 kurrent, kdb and esdb, each also with +discover) is one behind that protocol"
            );
            return Err(self.refused("log.url", rule));
        }
        let url = self.url("log.url", &raw.url, ["http", "https"])?;
        let identity = match (file(&raw.certificate_file), file(&raw.certificate_key_file)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => {
                return Err(
                    self.refused("log.certificate_key_file", "the certificate's private key is missing")
                );
            }
            (None, Some(_)) => {
                return Err(self.refused("log.certificate_file", "the private key's certificate is missing"));
            }
        };
        let (key_file, ca_file) = (file(&raw.key_file), file(&raw.ca_file));
        let at = RemoteLogAt { url, key_file, ca_file, identity, plain_key: raw.plain_http };
        Ok(Some(LogElsewhere::Owner(at)))
    }

    fn event_store(&self, raw: &raw::Log) -> Result<EventStoreAt, Problem> {
        for (key, text) in [
            ("log.ca_file", &raw.ca_file),
            ("log.certificate_file", &raw.certificate_file),
            ("log.certificate_key_file", &raw.certificate_key_file),
        ] {
            if !text.is_empty() {
                let rule = "of a KurrentDB server the address says it: tlsCaFile=…, userCertFile=… and userKeyFile=…";
                return Err(self.refused(key, rule));
            }
        }
        // The key is read when the desk starts; whatever is wrong with the address is so without it too.
        Address::read(&raw.url, None).map_err(|error| self.refused("log.url", error.to_string()))?;
        let (address, key_file) = (raw.url.clone(), file(&raw.key_file));
        Ok(EventStoreAt { address, key_file, plain_key: raw.plain_http })
    }

    pub(super) fn doors(&self, raw: &raw::Api) -> Result<Doors, Problem> {
        let tls = match (file(&raw.tls_certificate_file), file(&raw.tls_key_file)) {
            (None, None) => None,
            (Some(certificate_file), Some(key_file)) => Some(Tls {
                certificate_file,
                key_file,
                client_ca_file: file(&raw.tls_client_ca_file),
                client_crl_file: file(&raw.tls_client_crl_file),
                client_required: raw.tls_client_required,
            }),
            (Some(_), None) => {
                return Err(self.refused("api.tls_key_file", "the certificate's private key is missing"));
            }
            (None, Some(_)) => {
                return Err(
                    self.refused("api.tls_certificate_file", "the private key's certificate is missing")
                );
            }
        };
        if tls.is_none() && !raw.tls_client_ca_file.is_empty() {
            let rule = "callers show certificates only where there is TLS: set `api.tls_certificate_file`";
            return Err(self.refused("api.tls_client_ca_file", rule));
        }
        if !raw.tls_client_crl_file.is_empty() && raw.tls_client_ca_file.is_empty() {
            let rule =
                "certificates are taken back by those who vouch for them: set `api.tls_client_ca_file`";
            return Err(self.refused("api.tls_client_crl_file", rule));
        }
        if raw.tls_client_required && raw.tls_client_ca_file.is_empty() {
            let rule = "somebody must vouch for the certificates: set `api.tls_client_ca_file`";
            return Err(self.refused("api.tls_client_required", rule));
        }
        let listen = self.address("api.listen", &raw.listen)?;
        let in_the_clear = listen.is_some_and(|at| !at.ip().is_loopback()) && tls.is_none();
        if in_the_clear && !raw.plain_tcp {
            let rule = "other machines could send keys in the clear: set `api.tls_certificate_file` and \
                        `api.tls_key_file`, or `api.plain_tcp = true` where the network between is yours";
            return Err(self.refused("api.listen", rule));
        }
        Ok(Doors {
            listen,
            probe_listen: self.address("api.probe_listen", &raw.probe_listen)?,
            tls,
            rates: RateOptions {
                reads: Pace::new(raw.reads_per_second, raw.reads_per_second.saturating_mul(2)),
                writes: Pace::new(raw.wishes_per_second, raw.wishes_per_second.saturating_mul(4)),
                strangers: Pace::new(raw.strangers_per_second, raw.strangers_per_second.saturating_mul(10)),
            },
        })
    }

    pub(super) fn database(&self, raw: &raw::Database) -> Result<Database, Problem> {
        let at = match (raw.url.as_str(), raw.private) {
            ("", false) => DatabaseAt::Memory,
            ("", true) => DatabaseAt::Private,
            (url, false) => {
                let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
                if !known {
                    // It may hold a password: it is not printed back.
                    return Err(Problem::Refused {
                        key: "database.url".to_owned(),
                        origin: self.layers.origin("database.url"),
                        value: "not shown".to_owned(),
                        rule: "an address is expected: postgres://user@host/database".to_owned(),
                    });
                }
                DatabaseAt::Url { url: url.to_owned(), password_file: file(&raw.password_file) }
            }
            (_, true) => {
                let rule = "`database.url` (DATABASE_URL) names another one: one of the two";
                return Err(self.refused("database.private", rule));
            }
        };
        if raw.strict && at == DatabaseAt::Memory {
            let rule = "tables in memory are never away: set `database.url`, or start with --postgres";
            return Err(self.refused("database.strict", rule));
        }
        if !STRICT_AGE_MS.contains(&raw.strict_age_ms_max) {
            let rule =
                format!("{} to {} milliseconds are expected", STRICT_AGE_MS.start(), STRICT_AGE_MS.end());
            return Err(self.refused("database.strict_age_ms_max", &rule));
        }
        let strict_age_max = Duration::from_millis(raw.strict_age_ms_max);
        Ok(Database { at, connections: raw.connections, strict: raw.strict, strict_age_max })
    }

    /// The public half of a key that is elsewhere.
    pub(super) fn public_key(&self, raw: &raw::Account) -> Result<Option<String>, Problem> {
        match raw.public_key.as_str() {
            "" => Ok(None),
            key if key.strip_prefix("ed25519:").is_some_and(|rest| rest.len() > 30) => {
                Ok(Some(key.to_owned()))
            }
            _ => Err(self.refused("account.public_key", "`ed25519:` and base58 of 32 bytes are expected")),
        }
    }

    pub(super) fn address(&self, key: &str, text: &str) -> Result<Option<SocketAddr>, Problem> {
        match text {
            "" => Ok(None),
            text => {
                let at = text
                    .parse()
                    .map_err(|_| self.refused(key, "an address and a port are expected: 127.0.0.1:8420"));
                at.map(Some)
            }
        }
    }
}

pub(super) fn pepper_file(raw: &raw::Access, data_dir: &Path) -> PathBuf {
    file(&raw.pepper_file).unwrap_or_else(|| data_dir.join(PEPPER_FILE))
}

/// A file, when one is named.
pub(super) fn file(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}
