//! Verifying a log in a directory, and checking proofs that somebody hands over: neither needs a desk, or changes anything.

use super::args::VerifyArgs;
use super::log::{beside, of_error};
use super::progress::Progress;
use super::prove::{self, ConsistencyFile};
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::render::{log as render, table};
use std::io::Read as _;
use std::path::Path;
use stele_api::dto::EventProof;
use stele_domain::port::event_log::{Position, Record};
use stele_event_log::{VerifyError, VerifyOptions, VerifyReport, diagnose, verify};

/// Longest proof that is looked at: the largest commit in base64, and room for its path. 64 MiB.
const PROOF_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Longest file of checkpoints that is looked at: over a hundred thousand of them. 64 MiB.
const CHECKPOINTS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Verifies a log.
pub(super) fn run(args: &VerifyArgs, config: &Config, json: bool) -> Outcome {
    let directory = args.directory.clone().unwrap_or_else(|| config.log_dir());
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is after --to {to}")));
    }
    let options = VerifyOptions {
        against: args.against.as_deref().map(checkpoint_in).transpose()?,
        key: args.key.as_deref().map(prove::verifier).transpose()?,
        from: args.from.map(Position),
        to: args.to.map(Position),
    };
    let progress = Progress::of_what("verifying every checksum, chain and signature", json);
    let report = verify(&directory, &options);
    drop(progress);
    let report = report.map_err(|error| unverified(&error, &directory))?;
    if json { say_json(&told(&report)) } else { say(&render::verified(&report)) }
}

fn told(report: &VerifyReport) -> serde_json::Value {
    serde_json::json!({
        "verified": true,
        "log": report.stat.log,
        "events": report.stat.events,
        "commits": report.stat.commits,
        "segments": report.stat.segments,
        "bytes": report.stat.bytes,
        "head": report.stat.head.0,
        "root": render::hex(&report.root),
        "checkpoints": report.checkpoints,
        "checkpointed": report.checkpointed,
        "unfinished_bytes": report.unfinished_bytes,
        "owned": report.owned,
    })
}

/// Why a log is not verified, and the exit code that says so.
pub(super) fn unverified(error: &VerifyError, directory: &Path) -> Failure {
    let words = format!("{}: {}", directory.display(), chain(error));
    match error {
        VerifyError::Damaged { .. } if let Some(told) = diagnose(directory) => beside(&told),
        VerifyError::Damaged { .. } | VerifyError::Truncated { .. } | VerifyError::Rewritten { .. } => {
            Failure::new(Code::Mismatch, words)
                .advise("keep the directory as it is: it is evidence. Restore the newest copy that verifies")
        }
        VerifyError::Checkpoint(_) => Failure::new(Code::Mismatch, words),
        VerifyError::Order { .. } => Failure::usage(words),
        VerifyError::NotALog { .. } => {
            Failure::usage(words).advise("name the directory: stele log verify DIRECTORY")
        }
        VerifyError::Unreadable(source) => Failure::new(of_error(&**source).unwrap_or(Code::Error), words),
    }
}

/// The checkpoints, or the one, that were kept in a file.
pub(super) fn checkpoint_in(path: &Path) -> Result<String, Failure> {
    let unread = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the checkpoint {} can't be read: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|error| unread(&error))?;
    let mut text = String::new();
    let long = file.metadata().map_err(|error| unread(&error))?.len() > CHECKPOINTS_BYTES_MAX;
    if long {
        return Err(unread(&format!("it has more than {CHECKPOINTS_BYTES_MAX} bytes")));
    }
    file.take(CHECKPOINTS_BYTES_MAX).read_to_string(&mut text).map_err(|error| unread(&error))?;
    Ok(text)
}

/// Checks a proof, of whichever kind it is.
pub(super) fn check(proof: &Path, key: &Path, json: bool) -> Outcome {
    let key = prove::verifier(key)?;
    let text = read(proof)?;
    let no_proof = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} is no proof of stele log prove --json: {error}", proof.display()))
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| no_proof(&error))?;
    if value.get("old_checkpoint").is_some() {
        let file: ConsistencyFile = serde_json::from_value(value).map_err(|error| no_proof(&error))?;
        let (old, new) = file.checked(&key)?;
        if json {
            return say_json(&serde_json::json!({
                "believed": true,
                "log": new.origin,
                "old_commits": old.size,
                "new_commits": new.size,
            }));
        }
        return say(&prove::continues(&old, &new));
    }
    let event: EventProof = serde_json::from_value(value).map_err(|error| no_proof(&error))?;
    let (checkpoint, record) = prove::checked(&event, &key)?;
    if json {
        return say_json(&serde_json::json!({
            "believed": true,
            "log": checkpoint.origin,
            "position": record.position.0,
            "commits": checkpoint.size,
            "stream": record.stream.as_str(),
            "revision": record.revision.0,
            "type": &*record.event_type,
            "event_id": record.event_id.0,
            "recorded_at_us": record.recorded_at.micros(),
        }));
    }
    let verdict = prove::is_in(record.position.0, checkpoint.size);
    say(&format!("{verdict}\n{}", facts(&checkpoint.origin, &record)))
}

fn facts(log: &str, record: &Record) -> String {
    table::facts([
        ("log", log.to_owned()),
        ("event", record.event_type.to_string()),
        ("stream", format!("{}, revision {}", record.stream, record.revision.0)),
        ("id", record.event_id.0.to_string()),
        ("recorded", crate::render::units::clock(record.recorded_at)),
        ("data", String::from_utf8_lossy(&record.data).into_owned()),
    ])
}

fn read(path: &Path) -> Result<String, Failure> {
    let unread = |error: std::io::Error| {
        Failure::usage(format!("the proof {} can't be read: {error}", path.display()))
    };
    let mut text = String::new();
    let limited = if path == Path::new("-") {
        std::io::stdin().lock().take(PROOF_BYTES_MAX).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(unread)?;
        file.take(PROOF_BYTES_MAX).read_to_string(&mut text)
    };
    limited.map_err(unread)?;
    Ok(text)
}
