//! The desk that the command line talks to, and as whom.

use super::Check;
use crate::config::layers::Origin;
use crate::config::{Client, Problem, raw};
use std::path::PathBuf;
use stele_api::client::{Server, Trust};

/// No key is shorter.
const KEY_CHARS_MIN: usize = 60;

impl Check<'_> {
    pub(super) fn client(&self, raw: &raw::Client) -> Result<Client, Problem> {
        let server = match raw.server.as_str() {
            "" => None,
            text => Some(self.parsed("client.server", Server::parse(text))?),
        };
        if raw.key_file.starts_with("stele_") && raw.key_file.len() > KEY_CHARS_MIN {
            // Somebody put the key itself here; it must not be printed back.
            let key = "client.key_file";
            return Err(Problem::Refused {
                key: key.to_owned(),
                origin: self.layers.origin(key),
                value: "not a file".to_owned(),
                rule: "the name of a file is expected, never the key itself".to_owned(),
            });
        }
        let identity = match (file(&raw.certificate_file), file(&raw.certificate_key_file)) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some((chain, key)),
            (Some(_), None) => {
                return Err(
                    self.refused("client.certificate_key_file", "the certificate's private key is missing")
                );
            }
            (None, Some(_)) => {
                return Err(
                    self.refused("client.certificate_file", "the private key's certificate is missing")
                );
            }
        };
        Ok(Client {
            server,
            key_file: file(&raw.key_file),
            key_by_flag: matches!(self.layers.origin("client.key_file"), Origin::Flag(_)),
            trust: Trust { ca_file: file(&raw.ca_file), identity },
            plain_key: raw.plain_http,
        })
    }
}

/// A file, when one is named.
fn file(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}
