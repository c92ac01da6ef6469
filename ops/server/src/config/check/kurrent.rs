//! Where the KurrentDB protocol is spoken, and what clients of others may write there.

use super::Check;
use crate::config::{Kurrent, KurrentTls, Problem, raw};
use std::path::PathBuf;
use stele_commands::streams;
use stele_kurrent::Outside;

/// Every category that is not the desk's.
const EVERYTHING: &str = "*";

impl Check<'_> {
    pub(super) fn kurrent(&self, raw: &raw::Kurrent, owns_log: bool) -> Result<Kurrent, Problem> {
        let tls = match (raw.tls_certificate_file.as_str(), raw.tls_key_file.as_str()) {
            ("", "") => None,
            (certificate, key) if !certificate.is_empty() && !key.is_empty() => Some(KurrentTls {
                certificate_file: PathBuf::from(certificate),
                key_file: PathBuf::from(key),
            }),
            ("", _) => {
                let rule = "the private key's certificate is missing";
                return Err(self.refused("kurrent.tls_certificate_file", rule));
            }
            (_, _) => {
                return Err(self.refused("kurrent.tls_key_file", "the certificate's private key is missing"));
            }
        };
        let listen = self.address("kurrent.listen", &raw.listen)?;
        if listen.is_some() && !owns_log {
            let rule =
                "only the process that owns the event log speaks it: leave `log.url` (--log) empty, or this";
            return Err(self.refused("kurrent.listen", rule));
        }
        if listen.is_some_and(|at| !at.ip().is_loopback()) && tls.is_none() && !raw.plain_tcp {
            let rule = "other machines could send keys in the clear: set `kurrent.tls_certificate_file` and \
                        `kurrent.tls_key_file`, or `kurrent.plain_tcp = true` where the network between is yours";
            return Err(self.refused("kurrent.listen", rule));
        }
        let advertise = self.advertised(&raw.advertise)?;
        Ok(Kurrent { listen, advertise, tls, outside: self.outside(&raw.categories)? })
    }

    fn advertised(&self, text: &str) -> Result<Option<(String, u16)>, Problem> {
        if text.is_empty() {
            return Ok(None);
        }
        let named = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let named = named.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let rule = "a host and a port are expected: desk.example.org:2113";
        named.map(Some).ok_or_else(|| self.refused("kurrent.advertise", rule))
    }

    fn outside(&self, categories: &[String]) -> Result<Outside, Problem> {
        let key = "kurrent.categories";
        if categories.is_empty() {
            return Ok(Outside::Nothing);
        }
        if categories == [EVERYTHING] {
            return Ok(Outside::Everything);
        }
        for category in categories {
            if streams::CATEGORIES.contains(&category.as_str()) {
                let rule = format!("{category:?} is a category of the desk: nobody outside writes to it");
                return Err(self.refused(key, rule));
            }
            let plain =
                !category.is_empty() && !category.starts_with(['$', '~', '*']) && !category.contains('-');
            if !plain {
                let rule = format!(
                    "{category:?} is no category: what stands before the first `-` of a stream's name, or \
                     \"*\" alone for all that are not the desk's"
                );
                return Err(self.refused(key, rule));
            }
        }
        Ok(Outside::Categories(categories.iter().cloned().collect()))
    }
}
