//! Looking at the log, through the desk or, on its machine, without it; and verifying it.

use super::args::LogCommand;
use super::desk::ask;
use super::progress::Progress;
use super::{say, say_json, say_json_line, tail};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::{offline, render};
use std::future::Future;
use std::path::{Path, PathBuf};
use stele_api::client::{Client, ClientError, offline as of};
use stele_api::dto::{Event, LogStat};
use stele_event_log::{EmbeddedLog, VerifyError, VerifyOptions, verify};

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
        LogCommand::Prove { position, key } => super::prove::run(position, key.as_deref(), config, json),
        LogCommand::Verify { directory, against } => {
            verified(&directory.unwrap_or_else(|| config.log_dir()), against, json)
        }
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

fn verified(directory: &Path, against: Option<PathBuf>, json: bool) -> Outcome {
    let against = against.map(|path| {
        let named =
            |error| Failure::usage(format!("the checkpoint {} can't be read: {error}", path.display()));
        std::fs::read_to_string(&path).map_err(named)
    });
    let options = VerifyOptions { against: against.transpose()?, ..VerifyOptions::default() };
    let progress = Progress::of_what("verifying every checksum, chain and signature", json);
    let report = verify(directory, &options).map_err(|error| unverified(&error, directory));
    drop(progress);
    let report = report?;
    if !json {
        return say(&render::log::verified(&report));
    }
    say_json(&serde_json::json!({
        "verified": true,
        "log": report.stat.log,
        "events": report.stat.events,
        "commits": report.stat.commits,
        "segments": report.stat.segments,
        "bytes": report.stat.bytes,
        "root": render::log::hex(&report.root),
        "checkpoints": report.checkpoints,
        "checkpointed": report.checkpointed,
        "unfinished_bytes": report.unfinished_bytes,
        "owned": report.owned,
    }))
}

fn unverified(error: &VerifyError, directory: &Path) -> Failure {
    let words = format!("{}: {}", directory.display(), chain(error));
    match error {
        VerifyError::Damaged { .. } | VerifyError::Truncated { .. } | VerifyError::Rewritten { .. } => {
            Failure::new(Code::Mismatch, words)
                .advise("keep the directory as it is: it is evidence. Restore the newest copy that verifies")
        }
        VerifyError::Checkpoint(_) => Failure::new(Code::Mismatch, words),
        VerifyError::NotALog { .. } => {
            Failure::usage(words).advise("name the directory: stele log verify DIRECTORY")
        }
        VerifyError::Unreadable(_) => Failure::new(Code::Error, words),
    }
}
