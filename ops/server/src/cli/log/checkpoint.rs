//! A checkpoint on demand: of the running desk, or of its log where nobody is there. Its witness is told either way.

use super::super::desk::ask;
use super::super::{say, say_json};
use super::or_offline;
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::offline;
use crate::wiring::unwitnessed;
use std::sync::Arc;
use stele_api::client::Client;
use stele_api::dto::CheckpointAnswer;
use stele_domain::port::event_log::EventLog as _;
use stele_event_log::{COSIGNED_FILE, EmbeddedLog, Witness, cosigned_in};

pub(super) fn run(cosigned: bool, config: &Config, json: bool) -> Outcome {
    if cosigned {
        let note = newest_cosigned(config)?;
        return if json {
            say_json(&serde_json::json!({ "checkpoint": note }))
        } else {
            say(note.trim_end_matches('\n'))
        };
    }
    let answer = ask(config, |client| of_desk(client, config))?;
    if json { say_json(&answer) } else { say(answer.checkpoint.trim_end_matches('\n')) }
}

async fn of_desk(client: Client, config: &Config) -> Result<CheckpointAnswer, Failure> {
    let directory = config.log_dir();
    or_offline(client.checkpoint().await, config, || {
        offline::with(config, &directory, async |log| {
            witnessed(config, &log).await?;
            let head = log.head().await.map_err(|error| Failure::error(&error))?.0;
            let checkpoint = log.checkpoint().map_err(|error| Failure::error(&error))?;
            Ok(CheckpointAnswer { checkpoint, head })
        })
    })
    .await
}

/// Holds the log against its witness, and hands the checkpoint over, where one is configured.
async fn witnessed(config: &Config, log: &Arc<EmbeddedLog>) -> Outcome {
    let Some(options) = &config.witness else { return Ok(()) };
    let witness = Witness::new(Arc::clone(log), &config.log_dir(), options);
    let witness = witness.map_err(|error| unwitnessed(&error))?;
    witness.begin().await.map_err(|error| unwitnessed(&error))?;
    witness.export().await.map_err(|error| unwitnessed(&error))
}

fn newest_cosigned(config: &Config) -> Result<String, Failure> {
    if config.client.server.is_some() {
        return Err(Failure::usage(
            "what a witness has cosigned is told on the log's machine: leave --server out",
        ));
    }
    let path = config.log_dir().join(COSIGNED_FILE);
    let unread = |error: std::io::Error| Failure::error(&error);
    cosigned_in(&config.log_dir()).map_err(unread)?.ok_or_else(|| {
        Failure::usage(format!("no witness has cosigned a checkpoint yet: there is no {}", path.display()))
            .advise("on the log's machine; log.witness names who is asked for cosignatures")
    })
}
