//! The event log of another process: connected to, and waited for at the start.

use super::core::log_failure;
use super::secret;
use crate::config::RemoteLogAt;
use crate::exit::{Failure, chain};
use crate::observe;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::EventLog;
use stele_remote_log::{CannotConnect, Options, RemoteLog, Trust};

/// How often an owner that does not answer is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// How often it is said again that it does not answer, and why not.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// Connects and waits until the owner answers; an owner that lets this process not in ends it.
pub(super) async fn connect(at: &RemoteLogAt) -> Result<RemoteLog, Failure> {
    let key = at.key_file.as_deref().map(|path| secret::line("log.key_file", path)).transpose()?;
    let trust =
        Trust { ca_file: at.ca_file.clone(), identity: at.identity.clone(), look_every: Trust::LOOK_EVERY };
    let options = Options { url: at.url.clone(), key, plain_key: at.plain_key, trust };
    let log = RemoteLog::new(&options).map_err(|error| unusable(&error))?;
    answers(&log, &at.url).await?;
    Ok(log)
}

/// Waits until a log answers that is not this process's.
pub(super) async fn answers(log: &dyn EventLog, shown: &str) -> Result<(), Failure> {
    let mut said: Option<(String, Instant)> = None;
    loop {
        match log.head().await {
            Ok(head) => {
                observe::log_connected(shown, head.0);
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                let words = chain(&error);
                // Each reason at once: an owner that is not there yet may turn out to be one that is not believed.
                let known = said.as_ref().is_some_and(|(why, at)| *why == words && at.elapsed() < SAID_EVERY);
                if !known {
                    observe::log_awaited(shown, &words);
                    said = Some((words, Instant::now()));
                }
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(log_failure(&error)),
        }
    }
}

/// Which setting it is that nobody can be connected to with.
fn unusable(error: &CannotConnect) -> Failure {
    let setting = match error {
        CannotConnect::Address { .. } | CannotConnect::KeyInTheClear { .. } => "log.url",
        CannotConnect::Key => "log.key_file",
        CannotConnect::File { .. } | CannotConnect::Tls(_) => "the certificates of [log]",
    };
    Failure::usage(format!("configuration: `{setting}`: {}", chain(error)))
}
