//! The event log of another process: connected to, and waited for at the start.

use super::core::log_failure;
use super::secret;
use crate::config::RemoteLogAt;
use crate::exit::{Failure, chain};
use crate::observe;
use std::path::Path;
use std::time::Duration;
use stele_domain::port::event_log::EventLog;
use stele_remote_log::{Identity, Options, RemoteLog};

/// How often an owner that does not answer is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Connects and waits until the owner answers; an owner that lets this process not in ends it.
pub(super) async fn connect(at: &RemoteLogAt) -> Result<RemoteLog, Failure> {
    let key = at.key_file.as_deref().map(|path| secret::line("log.key_file", path)).transpose()?;
    let authority_pem = at.ca_file.as_deref().map(|path| pem("log.ca_file", path)).transpose()?;
    let identity = at.identity.as_ref().map(|(certificate, key)| {
        let certificate_pem = pem("log.certificate_file", certificate)?;
        Ok::<_, Failure>(Identity { certificate_pem, key_pem: pem("log.certificate_key_file", key)? })
    });
    if key.is_some() && in_the_clear(&at.url) {
        observe::log_in_the_clear(&at.url);
    }
    let options = Options { url: at.url.clone(), key, authority_pem, identity: identity.transpose()? };
    let log = RemoteLog::new(&options)
        .map_err(|error| Failure::usage(format!("configuration: `log.url`: {}", chain(&error))))?;
    let mut said = false;
    loop {
        match log.head().await {
            Ok(head) => {
                observe::log_connected(&at.url, head.0);
                return Ok(log);
            }
            Err(error) if error.is_transient() => {
                if !std::mem::replace(&mut said, true) {
                    observe::log_awaited(&at.url, &chain(&error));
                }
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(log_failure(&error)),
        }
    }
}

fn pem(setting: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::usage(format!("configuration: `{setting}`: {} can't be read: {error}", path.display()))
    })
}

/// Whether the key goes to another machine without TLS.
fn in_the_clear(url: &str) -> bool {
    let Some(host) = url.strip_prefix("http://") else { return false };
    !["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here))
}
