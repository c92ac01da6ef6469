//! Looking at the log, through the desk or, on its machine, without it.

use super::args::LogCommand;
use super::desk::ask;
use super::{say, say_json, say_json_line, tail};
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::{offline, render};
use std::future::Future;
use stele_api::client::{Client, ClientError, offline as of};
use stele_api::dto::{Event, LogStat};
use stele_event_log::EmbeddedLog;

pub(super) fn run(command: LogCommand, config: &Config, json: bool) -> Outcome {
    match command {
        LogCommand::Stat => {
            let stat = ask(config, |client| stat(client, config))?;
            if json { say_json(&stat) } else { say(&render::log::stat(&stat)) }
        }
        LogCommand::Tail { lines, follow, category, event_type } => {
            tail::run(tail::Wanted { lines, category, event_type, follow }, config, json)
        }
        LogCommand::Get { position } => {
            let event = ask(config, |client| event(client, config, position))?;
            // One event is JSON for people too: that is what the log keeps.
            say_json(&event)
        }
        LogCommand::Prove { position: Some(position), key, .. } => {
            super::prove::run(position, key.as_deref(), config, json)
        }
        LogCommand::Prove { position: None, consistency, to, .. } => {
            super::prove::consistency(consistency.as_deref(), to.as_deref(), config, json)
        }
        LogCommand::Check { proof, key } => super::verify::check(&proof, &key, json),
        LogCommand::Verify(args) => super::verify::run(&args, config, json),
        LogCommand::Checkpoint => {
            let answer = ask(config, |client| async move { Ok(client.checkpoint().await?) })?;
            if json { say_json(&answer) } else { say(answer.checkpoint.trim_end_matches('\n')) }
        }
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
            eprintln!("no desk is running: told from the log in {}", config.log_dir().display());
            otherwise().await
        }
        told => Ok(told?),
    }
}

async fn stat(client: Client, config: &Config) -> Result<LogStat, Failure> {
    let directory = config.log_dir();
    or_offline(client.log_stat().await, config, || offline::with(&directory, async |log| Ok(numbers(&log))))
        .await
}

fn numbers(log: &EmbeddedLog) -> LogStat {
    let stat = log.stat();
    LogStat {
        log: stat.log,
        events: stat.events,
        commits: stat.commits,
        bytes: stat.bytes,
        streams: stat.streams,
        segments: stat.segments,
        categories: stat.categories,
        as_of: stat.head.0,
        head: stat.head.0,
    }
}

async fn event(client: Client, config: &Config, position: u64) -> Result<Event, Failure> {
    let directory = config.log_dir();
    or_offline(client.event(position).await, config, || {
        offline::with(&directory, async |log| Ok(of::event(&*log, position).await?))
    })
    .await
}

pub(super) fn one_line(event: &Event, json: bool) -> Outcome {
    if json { say_json_line(event) } else { say(&render::log::line(event)) }
}
