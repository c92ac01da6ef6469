//! Looking at the log through the desk, and verifying it without one.

use super::args::LogCommand;
use super::desk::ask;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::render;
use std::path::{Path, PathBuf};
use stele_api::client::EventsQuery;
use stele_api::dto::{Event, FollowLine};
use stele_event_log::{VerifyError, VerifyOptions, verify};

pub(super) fn run(command: LogCommand, config: &Config, json: bool) -> Outcome {
    match command {
        LogCommand::Stat => {
            let stat = ask(config, |client| async move { Ok(client.log_stat().await?) })?;
            if json { say_json(&stat) } else { say(&render::log::stat(&stat)) }
        }
        LogCommand::Tail { lines, follow, category, event_type } => {
            let query = EventsQuery {
                limit: usize::try_from(lines).ok(),
                categories: category.into_iter().collect(),
                types: event_type.into_iter().collect(),
                backward: true,
                ..EventsQuery::default()
            };
            tail(query, follow, config, json)
        }
        LogCommand::Get { position } => {
            let event = ask(config, |client| async move { Ok(client.event(position).await?) })?;
            // One event is JSON for people too: that is what the log keeps.
            say_json(&event)
        }
        LogCommand::Verify { directory, against } => {
            verified(&directory.unwrap_or_else(|| config.log_dir()), against, json)
        }
        LogCommand::Checkpoint => {
            let answer = ask(config, |client| async move { Ok(client.checkpoint().await?) })?;
            if json { say_json(&answer) } else { say(answer.checkpoint.trim_end_matches('\n')) }
        }
    }
}

fn tail(query: EventsQuery, follow: bool, config: &Config, json: bool) -> Outcome {
    ask(config, |client| async move {
        let page = client.events(&query).await?;
        for event in page.events.iter().rev() {
            one_line(event, json)?;
        }
        if !follow {
            return Ok(());
        }
        let mut lines =
            client.follow(Some(page.as_of.saturating_add(1)), &query.categories, &query.types).await?;
        while let Some(line) = lines.next().await? {
            match line {
                FollowLine::Event(event) => one_line(&event, json)?,
                FollowLine::CaughtUp { .. } | FollowLine::Heartbeat { .. } => {}
                FollowLine::Closing { next } => {
                    return Err(Failure::new(
                        Code::Unavailable,
                        format!("the desk has stopped; go on from position {next}"),
                    ));
                }
                FollowLine::Failed { detail, .. } => return Err(Failure::new(Code::Unavailable, detail)),
            }
        }
        Ok(())
    })
}

fn one_line(event: &Event, json: bool) -> Outcome {
    if !json {
        return say(&render::log::line(event));
    }
    let line = serde_json::to_string(event).map_err(|error| Failure::error(&error))?;
    say(&line)
}

fn verified(directory: &Path, against: Option<PathBuf>, json: bool) -> Outcome {
    let against = against.map(|path| {
        let named =
            |error| Failure::usage(format!("the checkpoint {} can't be read: {error}", path.display()));
        std::fs::read_to_string(&path).map_err(named)
    });
    let options = VerifyOptions { against: against.transpose()?, key: None };
    let report = verify(directory, &options).map_err(|error| unverified(&error, directory))?;
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
