//! Looking at the log, through the desk or, on its machine, without it.

pub(super) mod archive;
mod backup;
mod checkpoint;
mod lines;
mod refused;
mod stat;
mod whole;

pub(super) use archive::reach;
pub(super) use refused::{KEPT_OUT, beside};
pub(crate) use refused::{archive as archive_failure, of_disk, of_error, on_opening};

use super::args::LogCommand;
use super::desk::ask;
use super::{say, say_json, say_json_line, tail};
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::{offline, render};
use std::future::Future;
use stele_api::client::{Client, ClientError, offline as of};
use stele_api::dto::Event;

pub(super) fn run(command: LogCommand, config: &Config, json: bool) -> Outcome {
    match command {
        LogCommand::Stat { directory } => stat::run(directory.as_deref(), config, json),
        LogCommand::Tail { lines, follow, categories, types, stream } => {
            tail::run(tail::Wanted { lines, categories, types, stream, follow }, config, json)
        }
        LogCommand::Get { position } => {
            let event = ask(config, |client| event(client, config, position))?;
            // One event is JSON for people too: that is what the log keeps.
            say_json(&event)
        }
        LogCommand::Prove { position: Some(position), key, .. } => {
            super::prove::run(position, key.as_deref(), config, json)
        }
        LogCommand::Prove { position: None, consistency, to, key } => {
            let (old, new) = (consistency.as_deref(), to.as_deref());
            super::prove::consistency(old, new, key.as_deref(), config, json)
        }
        LogCommand::Check { proof, key, witness_key } => {
            super::verify::check(&proof, &key, witness_key.as_deref(), json)
        }
        LogCommand::Verify(args) => super::verify::run(&args, config, json),
        LogCommand::Export(args) => lines::export(&args, config),
        LogCommand::Import(args) => lines::import(&args, config, json),
        LogCommand::Archive(args) => archive::run(&args, config, json),
        LogCommand::Backup(args) => backup::run(&args, config, json),
        LogCommand::Restore(args) => backup::restore(&args, config, json),
        LogCommand::Checkpoint { cosigned } => checkpoint::run(cosigned, config, json),
    }
}

/// What the desk says, or what its log says when nobody is there and the log is at hand.
pub(super) async fn or_offline<T, F>(
    told: Result<T, ClientError>,
    config: &Config,
    otherwise: impl FnOnce() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    match told {
        Err(ClientError::Unreachable { .. }) if offline::possible(config) => {
            eprintln!("no desk answers: told from the log in {}", config.log_dir().display());
            otherwise().await
        }
        told => Ok(told?),
    }
}

async fn event(client: Client, config: &Config, position: u64) -> Result<Event, Failure> {
    let directory = config.log_dir();
    or_offline(client.event(position).await, config, || {
        offline::reading(config, &directory, async |log| Ok(of::event(&*log, position).await?))
    })
    .await
}

pub(super) fn one_line(event: &Event, json: bool) -> Outcome {
    if json { say_json_line(event) } else { say(&render::log::line(event)) }
}
