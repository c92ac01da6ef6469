//! A backup of what the desk can't do without, its log and the pepper of its keys, and a data directory out of a backup.
//! How a log is copied beside its owner is decision 0018.

use super::super::args::{BackupArgs, RestoreArgs};
use super::super::desk::ask;
use super::super::progress::Progress;
use super::super::verify::checkpoint_in;
use super::super::{say, say_json};
use super::archive;
use super::refused::{self, of_disk};
use super::whole::whole;
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::render;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stele_api::client::ClientError;
use stele_event_log::storage::{DirectoryStorage, Storage as _};
use stele_event_log::{Backup, BackupOptions, VerifyOptions, VerifyReport, verify};

/// Where the log is in a backup, as in a data directory.
const LOG: &str = "log";

/// The pepper in a backup.
const PEPPER: &str = "keys.pepper";

pub(super) fn run(args: &BackupArgs, config: &Config, json: bool) -> Outcome {
    if config.remote_log.is_some() {
        return Err(Failure::usage("the log of this process is another's: there is nothing here to back up")
            .advise("run it on the machine of the log's owner, with its configuration"));
    }
    let source = config.log_dir();
    // It is asked nothing as a rule: one that is out of reach is no reason to make no backup.
    let archive = archive::reach(config, &source).unwrap_or_default();
    let options =
        BackupOptions { durable: durable(config, &source)?, copy: args.copy, archive: archive.reach() };
    let progress = Progress::of_what("copying the log, and verifying the copy", json);
    let made = whole(&args.destination, |inside| {
        let made = stele_event_log::backup(&source, &inside.join(LOG), &options);
        let made = made.map_err(|error| refused::backup(&error, &source))?;
        keep_secret(&config.pepper_file, &inside.join(PEPPER))?;
        Ok(made)
    });
    drop(progress);
    told("backed_up", "Backed up", &made?, &args.destination, json)
}

pub(super) fn restore(args: &RestoreArgs, config: &Config, json: bool) -> Outcome {
    let source = args.backup.join(LOG);
    let archive = archive::reach(config, &source)?;
    let against = args.against.as_deref().map(checkpoint_in).transpose()?;
    let options = VerifyOptions { against, archive: archive.reach(), ..VerifyOptions::default() };
    let progress = Progress::of_what("verifying the backup, copying it, and verifying the copy", json);
    verified(&source, &options)?;
    let made = whole(&args.data_dir, |inside| {
        // What is served must share no file with what is kept.
        let options = BackupOptions { durable: None, copy: true, archive: archive.reach() };
        let made = stele_event_log::backup(&source, &inside.join(LOG), &options);
        let made = made.map_err(|error| refused::backup(&error, &source))?;
        keep_secret(&args.backup.join(PEPPER), &inside.join(PEPPER))?;
        Ok(made)
    });
    drop(progress);
    told("restored", "Restored", &made?, &args.data_dir, json)
}

/// What the owner of a log says is durable, when somebody owns it.
pub(super) fn durable(config: &Config, directory: &Path) -> Result<Option<String>, Failure> {
    // What is wrong with a directory is said by whoever reads it.
    let Ok(true) = DirectoryStorage::open(directory).and_then(|storage| storage.is_owned()) else {
        return Ok(None);
    };
    let told = ask(config, |client| async move {
        match client.checkpoint().await {
            Err(error @ ClientError::Unreachable { .. }) => Ok(Err(error)),
            told => Ok(Ok(told?.checkpoint)),
        }
    })?;
    told.map(Some).map_err(|error| {
        let what = format!(
            "another process owns the log in {}, and no desk answers that could say what of it is durable: {}",
            directory.display(),
            chain(&error)
        );
        Failure::new(Code::Conflict, what).advise("name the configuration of that desk, or its socket with --socket; or stop it")
    })
}

fn verified(directory: &Path, options: &VerifyOptions) -> Result<VerifyReport, Failure> {
    verify(directory, options).map_err(|error| refused::unverified(&error, directory))
}

/// Copies a secret for its owner only, durably, where there is one.
fn keep_secret(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = || -> io::Result<()> {
        let mut secret = match File::open(from) {
            Ok(secret) => secret,
            // A desk without keys has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut secret, &mut copy)?;
        copy.flush()?;
        copy.sync_all()
    };
    copied().map_err(|error| {
        let code = of_disk(&error).unwrap_or(Code::Error);
        Failure::new(code, format!("the secret of the keys, {}, can't be copied: {error}", from.display()))
    })
}

fn told(done: &str, words: &str, made: &Backup, place: &Path, json: bool) -> Outcome {
    let (stat, root) = (&made.verified.stat, render::log::hex(&made.verified.root));
    if json {
        return say_json(&serde_json::json!({
            done: true,
            "directory": place,
            "log": stat.log,
            "events": stat.events,
            "commits": stat.commits,
            "root": root,
            "linked": made.linked,
            "copied_bytes": made.copied_bytes,
            "archived": { "segments": made.archived.segments, "bytes": made.archived.bytes, "urls": made.archived.urls },
        }));
    }
    let shared = match made.linked {
        0 => "no file is shared with it".to_owned(),
        files => {
            format!("{files} files are shared with it by hard links: copy the directory to another disk")
        }
    };
    let archived = match made.archived.segments {
        0 => String::new(),
        segments => format!(
            "\nThe archive is a part of it, and was not copied: {segments} segments, {} bytes, everything before position {}, in {}.",
            made.archived.bytes,
            made.archived.local_from,
            made.archived.urls.join(", ")
        ),
    };
    say(&format!(
        "{words} to {}, and verified: log {}, {} events in {} commits, root {root}.\n\
         {} bytes were copied; {shared}.{archived}",
        place.display(),
        stat.log,
        stat.events,
        stat.commits,
        made.copied_bytes,
    ))
}
