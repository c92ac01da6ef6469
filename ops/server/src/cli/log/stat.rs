//! The log in numbers, and how fast it grows: those of the desk, or of a directory.

use super::super::desk::ask;
use super::super::progress::Progress;
use super::super::{say, say_json};
use super::{archive, or_offline, refused};
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::wiring::SystemClock;
use crate::{offline, render};
use serde::Serialize;
use std::path::Path;
use stele_api::client::Client;
use stele_api::dto::{LogArchived, LogStat};
use stele_domain::port::clock::Clock as _;
use stele_event_log::{ArchiveStat, Growth, Rates, Stat, VerifyOptions, archive_stat, rates, verify};

/// What is told.
#[derive(Debug, Serialize)]
struct Numbers {
    #[serde(flatten)]
    stat: LogStat,
    /// By the files: missing where they are not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Told>,
    /// What of it is in an archive only. Missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<InArchive>,
}

#[derive(Debug, Serialize)]
struct InArchive {
    segments: u64,
    bytes: u64,
    events: u64,
    /// Where: only the files say, where they are at hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
}

impl InArchive {
    /// By the files of a directory.
    fn of_directory(directory: &Path) -> Option<Self> {
        let ArchiveStat { segments, bytes, events, urls, .. } = archive_stat(directory).ok()?;
        (segments > 0).then_some(Self { segments, bytes, events, urls })
    }

    fn told(LogArchived { segments, bytes, events }: LogArchived) -> Self {
        Self { segments, bytes, events, urls: vec![] }
    }

    /// A sentence.
    fn said(&self) -> String {
        let Self { segments, bytes, events, urls } = self;
        let away = format!("{segments} of the files, {bytes} bytes, {events} events, are in the archive");
        if urls.is_empty() { format!("{away}.") } else { format!("{away}, {}.", urls.join(", ")) }
    }
}

#[derive(Debug, Serialize)]
struct Told {
    last_minute: Pace,
    last_hour: Pace,
}

#[derive(Debug, Serialize)]
struct Pace {
    events: u64,
    bytes: u64,
    /// In thousandths of an event.
    events_per_second_milli: u64,
    bytes_per_second: u64,
}

impl Pace {
    fn of(growth: &Growth) -> Self {
        Self {
            events: growth.events,
            bytes: growth.bytes,
            events_per_second_milli: growth.events_per_second_milli(),
            bytes_per_second: growth.bytes_per_second(),
        }
    }
}

pub(super) fn run(directory: Option<&Path>, config: &Config, json: bool) -> Outcome {
    let (mut stat, growth) = if let Some(directory) = directory {
        (of_directory(directory, config, json)?, Some(grown(directory, config)?))
    } else {
        let stat = ask(config, |client| of_desk(client, config))?;
        // The desk's numbers stand for themselves.
        let at_hand = offline::possible(config);
        (stat, at_hand.then(|| grown(&config.log_dir(), config)).and_then(Result::ok))
    };
    let at = directory.map_or_else(|| config.log_dir(), Path::to_owned);
    let at_hand = directory.is_some() || offline::possible(config);
    let by_owner = stat.archive.take().map(InArchive::told);
    let archive = at_hand.then(|| InArchive::of_directory(&at)).flatten().or(by_owner);
    if !json {
        let told = render::log::stat(&stat, growth.as_ref());
        return match archive {
            None => say(&told),
            Some(archive) => say(&format!("{told}\n{}", archive.said())),
        };
    }
    let told = |rates: Rates| Told { last_minute: Pace::of(&rates.minute), last_hour: Pace::of(&rates.hour) };
    say_json(&Numbers { stat, rates: growth.map(told), archive })
}

fn grown(directory: &Path, config: &Config) -> Result<Rates, Failure> {
    let archive = archive::reach(config, directory)?;
    rates(directory, SystemClock.now(), &archive.reach()).map_err(|error| refused::beside(&error))
}

/// Numbers of a directory that is not changed: whoever owns it may go on, and a disk that is read-only will do.
fn of_directory(directory: &Path, config: &Config, json: bool) -> Result<LogStat, Failure> {
    let archive = archive::reach(config, directory)?;
    let _progress = Progress::of_what("verifying the log for its numbers", json);
    let options = VerifyOptions { archive: archive.reach(), ..VerifyOptions::default() };
    let report = verify(directory, &options);
    report.map(|report| numbers(report.stat)).map_err(|error| refused::unverified(&error, directory))
}

async fn of_desk(client: Client, config: &Config) -> Result<LogStat, Failure> {
    let directory = config.log_dir();
    or_offline(client.log_stat().await, config, || {
        offline::with(config, &directory, async |log| Ok(numbers(log.stat())))
    })
    .await
}

fn numbers(stat: Stat) -> LogStat {
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
        growth: vec![],
        archive: None,
    }
}
