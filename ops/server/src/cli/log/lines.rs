//! The log as lines of JSON, out and in.

use super::super::args::{ExportArgs, ImportArgs};
use super::super::progress::Progress;
use super::super::{say, say_json};
use super::archive;
use super::backup::durable;
use super::refused;
use super::whole::whole;
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::render;
use crate::wiring::SystemClock;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal as _, stdin, stdout};
use std::sync::Arc;
use stele_domain::port::event_log::Position;
use stele_event_log::{ExportOptions, Options};

/// Bytes that are read and written at a time: 1 MiB.
const BUFFER_BYTES: usize = 1024 * 1024;

pub(super) fn export(args: &ExportArgs, config: &Config) -> Outcome {
    let directory = args.directory.clone().unwrap_or_else(|| config.log_dir());
    let archive = archive::reach(config, &directory)?;
    let options = ExportOptions {
        from: args.from.map(Position),
        to: args.to.map(Position),
        durable: durable(config, &directory)?,
        archive: archive.reach(),
    };
    // The lines are the answer: no bar beside them.
    let out = BufWriter::with_capacity(BUFFER_BYTES, stdout().lock());
    let exported = stele_event_log::export(&directory, &options, out);
    let exported = exported.map_err(|error| refused::export(&error, &directory))?;
    eprintln!(
        "exported {} events of log {}, positions {} to {}; digest {}",
        exported.events, exported.log, exported.from, exported.to, exported.sha256
    );
    Ok(())
}

pub(super) fn import(args: &ImportArgs, config: &Config, json: bool) -> Outcome {
    let lines: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        if stdin().is_terminal() {
            return Err(Failure::usage("nothing comes from standard input: name the file of the export"));
        }
        Box::new(BufReader::with_capacity(BUFFER_BYTES, stdin().lock()))
    } else {
        let file = File::open(&args.file).map_err(|error| {
            Failure::usage(format!("the export {} can't be read: {error}", args.file.display()))
        })?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, file))
    };
    let progress = Progress::of_what("importing, and verifying what was imported", json);
    let imported = whole(&args.data_dir, |inside| {
        let log = inside.join("log");
        let options = Options::new(Arc::new(SystemClock)).with_segment_bytes(config.segment_bytes);
        stele_event_log::import(lines, &log, options).map_err(|error| refused::import(&error, &log))
    });
    drop(progress);
    let imported = imported?;
    let stat = &imported.verified.stat;
    if json {
        return say_json(&serde_json::json!({
            "imported": true,
            "from": imported.from,
            "log": stat.log,
            "events": stat.events,
            "commits": stat.commits,
            "root": render::log::hex(&imported.verified.root),
        }));
    }
    say(&format!(
        "Imported {} events of log {} as log {}: the same events, positions and times, and another log.\n\
         Checkpoints and proofs of the first one are not about this one.",
        stat.events, imported.from, stat.log
    ))
}
