//! Sealed segments into the archive, and back. The log is opened for it, so no desk may run on it: one that does archives
//! by itself.

use super::super::args::ArchiveArgs;
use super::super::progress::Progress;
use super::super::{say, say_json};
use super::refused::{self, on_opening};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::wiring::{self, SystemClock, Within, log_failure};
use std::path::Path;
use std::sync::Arc;
use stele_blob_store::Address;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{LogError, Position};
use stele_event_log::{ArchiveError, Archived, Brought, EmbeddedLog, Keep, Options, archive_stat};

/// The archive for a command that reads a directory.
pub(in crate::cli) fn reach(config: &Config, directory: &Path) -> Result<Within, Failure> {
    wiring::reading_archive(config, directory)
}

pub(super) fn run(args: &ArchiveArgs, config: &Config, json: bool) -> Outcome {
    if config.remote_log.is_some() {
        return Err(Failure::usage("the log of this process is another's: there is nothing here to archive")
            .advise("run it on the machine of the log's owner, with its configuration"));
    }
    let directory = config.log_dir();
    let within = match &args.to {
        Some(to) => wiring::archive_beside(config, &parsed(to)?)?,
        None => match &config.archive.address {
            Some(address) => wiring::archive_beside(config, address)?,
            None => reach(config, &directory)?,
        },
    };
    let nowhere = within.reach().archive().is_none();
    if nowhere && args.fetch {
        return say("Nothing of this log is in an archive.");
    }
    if nowhere {
        return Err(Failure::usage("nobody said where segments are to be archived")
            .advise("name a place: --to file:///a/directory, --to s3://bucket/prefix, or log.archive.url"));
    }
    let words = if args.fetch { "fetching segments from the archive" } else { "archiving sealed segments" };
    let progress = Progress::of_what(words, json);
    let done = opened(&directory, config, &within, |log| {
        if args.fetch {
            let from = args.from.map_or(Position(1), Position);
            let to = args.before.map_or(Position(u64::MAX), |before| Position(before.saturating_sub(1)));
            return log.bring_back(from..=to).map(Done::Brought);
        }
        log.archive(&kept(args, config), SystemClock.now()).map(Done::Archived)
    });
    drop(progress);
    told(&done?, &directory, config, json)
}

/// What came of it.
enum Done {
    Archived(Archived),
    Brought(Brought),
}

/// What stays: what the arguments say, else what the configuration says.
fn kept(args: &ArchiveArgs, config: &Config) -> Keep {
    let events = config.archive.keep.events;
    match (args.before, args.keep_segments) {
        (Some(before), _) => {
            Keep { segments: 0, bytes: 0, age_ms: 0, events, before: Some(Position(before)) }
        }
        (None, Some(segments)) => Keep { segments, bytes: 0, age_ms: 0, events, before: None },
        (None, None) => config.archive.keep,
    }
}

fn parsed(to: &str) -> Result<Address, Failure> {
    Address::parse(to).map_err(|error| Failure::usage(format!("--to: {error}")))
}

/// Opens the log, works with it, and gives it up again.
fn opened<T>(
    directory: &Path,
    config: &Config,
    within: &Within,
    work: impl FnOnce(&EmbeddedLog) -> Result<T, ArchiveError>,
) -> Result<T, Failure> {
    if !directory.join("key").exists() {
        return Err(Failure::usage(format!("there is no log in {}", directory.display())));
    }
    let options = Options::new(Arc::new(SystemClock))
        .with_segment_bytes(config.segment_bytes)
        .with_archive(within.reach());
    let (log, _) = EmbeddedLog::open(directory, options).map_err(|error| not_opened(&error, directory))?;
    let worked = work(&log);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let closed = runtime.map_err(|error| Failure::error(&error))?.block_on(log.close());
    let worked = worked.map_err(|error| refused::archive(&error))?;
    closed.map_err(|error| log_failure(&error))?;
    Ok(worked)
}

fn not_opened(error: &LogError, directory: &Path) -> Failure {
    let failure = on_opening(error, directory);
    if failure.code == Code::Conflict {
        return failure
            .advise("a desk that runs archives by itself: set log.archive.url; or stop it for this");
    }
    failure
}

fn told(done: &Done, directory: &Path, config: &Config, json: bool) -> Outcome {
    let stat = archive_stat(directory).map_err(|error| Failure::error(&error))?;
    let places = stat.urls.join(", ");
    if json {
        let (word, segments, bytes, held) = match done {
            Done::Archived(done) => ("archived", done.segments, done.bytes, done.held_by_events),
            Done::Brought(done) => ("fetched", done.segments, done.bytes, 0),
        };
        return say_json(&serde_json::json!({
            "done": word,
            "segments": segments,
            "bytes": bytes,
            "held_by_events": held,
            "in_archive": { "segments": stat.segments, "bytes": stat.bytes, "urls": stat.urls },
        }));
    }
    let now = match stat.segments {
        0 => "Nothing of the log is in an archive.".to_owned(),
        segments => format!(
            "In the archive are {segments} segments, {} bytes, with {} events: {places}. Without them the log is not whole.",
            stat.bytes, stat.events
        ),
    };
    match done {
        Done::Archived(done) => {
            let held = match done.held_by_events {
                0 => String::new(),
                held => format!(
                    " {held} more stay because they hold the newest events, which appends are compared with \
                     (log.archive.keep_events)."
                ),
            };
            say(&format!("Archived {} segments, {} bytes.{held}\n{now}", done.segments, done.bytes))
        }
        Done::Brought(done) => {
            let again = if config.archive.automatic && config.archive.address.is_some() {
                " A desk with log.archive.automatic = true archives them again when it starts: set it to false, or keep them \
                 (log.archive.keep_…)."
            } else {
                ""
            };
            say(&format!(
                "Fetched {} segments, {} bytes, into the directory.{again}\n{now}",
                done.segments, done.bytes
            ))
        }
    }
}
