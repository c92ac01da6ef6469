//! Verifying a log in a directory, and checking proofs that somebody hands over: neither needs a desk, or changes anything.

use super::args::VerifyArgs;
use super::log::{archive_failure, beside, of_error, reach};
use super::progress::Progress;
use super::prove::{self, ConsistencyFile};
use super::{say, say_json};
use crate::audit::seen::{Seen, contradicted, unseen_after};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::render::units::clock;
use crate::render::{log as render, table};
use crate::wiring::{Within, check_pepper};
use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::Path;
use stele_api::dto::EventProof;
use stele_domain::port::event_log::{Position, Record};
use stele_domain::time::Timestamp;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{self, Cosignature, NoteError, WitnessKey};
use stele_event_log::{
    ArchiveError, VerifyError, VerifyOptions, VerifyReport, archive_stat, diagnose, verify_watched,
};

/// Longest proof that is looked at: the largest commit in base64, and room for its path. 64 MiB.
const PROOF_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Longest file of checkpoints that is looked at: over a hundred thousand of them. 64 MiB.
const CHECKPOINTS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What the pepper of the keys is called beside a log.
const PEPPER: &str = "keys.pepper";

/// What a log is verified by, and what that can be made from again.
const PUBLIC_KEY: &str = "key.pub";
const KEY: &str = "key";

/// Verifies a log.
pub(super) fn run(args: &VerifyArgs, config: &Config, json: bool) -> Outcome {
    let directory = args.directory.clone().unwrap_or_else(|| config.log_dir());
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is after --to {to}")));
    }
    // What is wrong with the manifest is said by the verification.
    let archived = archive_stat(&directory).unwrap_or_default();
    let left_out = args.local && archived.segments > 0;
    if let Some(to) = args.to.filter(|to| left_out && *to < archived.local_from) {
        return Err(Failure::usage(format!(
            "--local leaves out everything before position {}, and --to is {to}: leave --local out, and it is fetched",
            archived.local_from
        )));
    }
    let archive = if args.local { Within::default() } else { reach(config, &directory)? };
    // A part of a log is not held against anything, and a directory that is named has a witness that is named, too.
    let part = args.local || args.from.is_some() || args.to.is_some();
    let named = args.against.is_some() || args.directory.is_some();
    let seen = (!named && !part).then(|| Seen::by_witness(config));
    let by_witness = seen.as_ref().and_then(|seen| seen.notes.clone());
    let options = VerifyOptions {
        against: args.against.as_deref().map(checkpoint_in).transpose()?.or(by_witness),
        key: args.key.as_deref().map(prove::verifier).transpose()?,
        from: args.from.max(left_out.then_some(archived.local_from)).map(Position),
        to: args.to.map(Position),
        archive: archive.reach(),
    };
    if let (Some(notes), Some(keys)) = (options.against.as_deref(), &args.witness_key) {
        cosigned_by_all(largest(notes)?, &witnesses(keys)?)?;
    }
    let progress = Progress::of_what("verifying every checksum, chain and signature", json);
    let report = verify_watched(&directory, &options, &|done, total| match done {
        0 => progress.total_bytes(total),
        done => progress.done(done),
    });
    drop(progress);
    let report = report.map_err(|error| not_held(&error, seen.as_ref(), &directory))?;
    // What else a desk can't do without, and can't make again.
    let beside = |log: &std::path::PathBuf| log.with_file_name(PEPPER);
    let pepper = args.directory.as_ref().map_or_else(|| config.pepper_file.clone(), beside);
    check_pepper(&pepper)?;
    if json {
        let mut told = told(&report);
        told["archived_segments"] = archived.segments.into();
        told["held_against"] = seen.as_ref().and_then(Seen::held).into();
        told["end_unknown"] = end_unknown(args, &options, seen.as_ref()).into();
        told["left_out_before"] = if left_out { archived.local_from.into() } else { serde_json::Value::Null };
        return say_json(&told);
    }
    let held = seen.as_ref().map(Seen::in_words);
    let verified = format!("{}{}", render::verified(&report), held.unwrap_or_default());
    if !left_out {
        return say(&verified);
    }
    say(&format!(
        "{verified}\nNOT looked at: everything before position {}. Of it {} segments, {} bytes, are in the archive, {}. \
         Without --local they are fetched and verified.",
        archived.local_from,
        archived.segments,
        archived.bytes,
        archived.urls.join(", ")
    ))
}

/// Why it is not known whether the end of the log was cut off; nothing where its witness has all of it.
fn end_unknown(args: &VerifyArgs, options: &VerifyOptions, seen: Option<&Seen>) -> Option<String> {
    match (seen, &args.against, &options.against) {
        (Some(seen), ..) => seen.unknown.clone(),
        (None, Some(path), Some(notes)) => Some(unseen_after(notes, &path.display().to_string())),
        (None, ..) => Some("it was not held against anything that was kept outside".to_owned()),
    }
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
        "part": report.part.as_ref().map(|part| [part.start().0, part.end().0]),
    })
}

/// The same of a log that was held against its witness.
fn not_held(error: &VerifyError, seen: Option<&Seen>, directory: &Path) -> Failure {
    let Some(seen) = seen else { return unverified(error, directory) };
    if let Some(what) = seen.against(error) {
        return contradicted(format!("{}: {what}", directory.display()));
    }
    seen.usable(error).err().unwrap_or_else(|| unverified(error, directory))
}

/// Why a log is not verified, and the exit code that says so.
pub(crate) fn unverified(error: &VerifyError, directory: &Path) -> Failure {
    let words = format!("{}: {}", directory.display(), chain(error));
    match error {
        VerifyError::Index { .. } => {
            let what = format!("{words}. It is an index, which follows from its segment");
            Failure::new(Code::Mismatch, what).advise(
                "there is nothing to restore. Remove this file while no desk runs: the next start makes it again from its \
                 segment, and says log.index_rebuilt. Then verify again",
            )
        }
        VerifyError::Damaged { .. } if let Some(told) = diagnose(directory) => beside(&told),
        VerifyError::Damaged { .. } => Failure::new(Code::Mismatch, words)
            .advise("keep the directory as it is: it is evidence. Restore the newest copy that verifies"),
        VerifyError::Truncated { .. } | VerifyError::Rewritten { .. } => other_than_signed(words),
        VerifyError::Checkpoint(source) => unsigned(source, words),
        VerifyError::Order { .. } | VerifyError::Nowhere { .. } => Failure::usage(words),
        VerifyError::NotALog { file, .. } if file == PUBLIC_KEY && directory.join(KEY).exists() => {
            let what = "is missing: the log is there, and the key that it is verified by is not";
            Failure::new(Code::Missing, format!("{} {what}", directory.join(file).display())).advise(
                "nothing was changed. Put it back from a copy that you believe, as every backup has one; stele serve, as the \
                 log's owner, writes it anew from the private key",
            )
        }
        VerifyError::NotALog { .. } => {
            Failure::usage(words).advise("name the directory: stele log verify DIRECTORY")
        }
        VerifyError::Unreadable(source) if let Some(error) = ArchiveError::behind(&**source) => {
            archive_failure(error)
        }
        VerifyError::Unreadable(source) => Failure::new(of_error(&**source).unwrap_or(Code::Error), words),
    }
}

/// A checkpoint that says nothing of the log, by why it does not.
pub(super) fn unsigned(error: &NoteError, words: String) -> Failure {
    match error {
        NoteError::Malformed(_) => Failure::usage(words).advise(
            "name a file of checkpoints, as stele log checkpoint prints them, or a report of stele audit",
        ),
        NoteError::Unsigned { .. } => Failure::new(Code::Foreign, words)
            .advise("nothing was changed. Name a checkpoint of this log, or the log that this one is of"),
        NoteError::WrongSignature { .. } => Failure::new(Code::Mismatch, words),
    }
}

/// A log that is not what a checkpoint of its own signs. One that was kept is a witness of its own.
pub(super) fn other_than_signed(words: String) -> Failure {
    Failure::new(Code::Contradicted, words).advise(
        "keep the directory and the checkpoint as they are: they are evidence. Restore the newest copy that goes on from the \
         checkpoint, see ops/runbooks/witness.md",
    )
}

/// The keys of witnesses in a file, one a line.
fn witnesses(path: &Path) -> Result<Vec<WitnessKey>, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} holds no keys of witnesses: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
    let mut seen = BTreeSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && seen.insert(*line));
    let keys: Vec<_> =
        lines.map(WitnessKey::parse).collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
    if keys.is_empty() { Err(unusable(&"it is empty")) } else { Ok(keys) }
}

/// Of checkpoints one after the other, the one over the most commits.
fn largest(notes: &str) -> Result<&str, Failure> {
    let none = |error: NoteError| Failure::usage(format!("a given checkpoint is none: {error}"));
    let mut largest = ("", 0);
    for note in note::split(notes) {
        let size = Checkpoint::unverified(note).map_err(none)?.size;
        if size >= largest.1 {
            largest = (note, size);
        }
    }
    Ok(largest.0)
}

/// Whether each of these witnesses has cosigned a checkpoint; says when.
fn cosigned_by_all(note: &str, witnesses: &[WitnessKey]) -> Result<Vec<Cosignature>, Failure> {
    let wrong =
        |what: String| Failure::new(Code::Mismatch, format!("the checkpoint is not cosigned: {what}"));
    // Each key is looked for by itself: two may have one name, and one signature is not both of them.
    let mut found = vec![];
    for witness in witnesses {
        let by = note::cosignatures(note, std::slice::from_ref(witness));
        let by = by.map_err(|error| wrong(chain(&error)))?;
        if by.is_empty() {
            return Err(wrong(format!("{} has not signed it, not by the key {witness}", witness.name())));
        }
        found.extend(by);
    }
    Ok(found)
}

fn told_cosigned(cosignatures: &[Cosignature]) -> serde_json::Value {
    let one = |cosigned: &Cosignature| serde_json::json!({ "witness": cosigned.witness, "time_s": cosigned.time_s });
    cosignatures.iter().map(one).collect()
}

/// The verdicts of witnesses, in words.
fn in_words(cosignatures: &[Cosignature]) -> String {
    let one = |cosigned: &Cosignature| {
        let micros = i64::try_from(cosigned.time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        format!("\nCosigned by {} at {}.", cosigned.witness, clock(Timestamp::from_micros(micros)))
    };
    cosignatures.iter().map(one).collect()
}

/// The checkpoints, or the one, that were kept in a file: by themselves, or in a report of an audit.
pub(crate) fn checkpoint_in(path: &Path) -> Result<String, Failure> {
    let unread = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the checkpoint {} can't be read: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|error| unread(&error))?;
    let text = limited(file, CHECKPOINTS_BYTES_MAX).map_err(|error| unread(&error))?;
    Ok(reported(&text).unwrap_or(text))
}

/// The checkpoint in a report of an audit. It is signed by itself, so nothing else of the report has to be believed.
fn reported(text: &str) -> Option<String> {
    let report: serde_json::Value = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    report.pointer("/report/log/checkpoint")?.as_str().map(str::to_owned)
}

/// Checks a proof, of whichever kind it is.
pub(super) fn check(proof: &Path, key: &Path, witness_key: Option<&Path>, json: bool) -> Outcome {
    let key = prove::verifier(key)?;
    let witnesses = witness_key.map(witnesses).transpose()?.unwrap_or_default();
    let text = read(proof)?;
    let no_proof = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} is no proof of stele log prove --json: {error}", proof.display()))
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| no_proof(&error))?;
    if value.get("old_checkpoint").is_some() {
        let file: ConsistencyFile = serde_json::from_value(value).map_err(|error| no_proof(&error))?;
        let (old, new) = file.checked(&key)?;
        let cosigned = cosigned_by_all(&file.new_checkpoint, &witnesses)?;
        if json {
            return say_json(&serde_json::json!({
                "believed": true,
                "log": new.origin,
                "old_commits": old.size,
                "new_commits": new.size,
                "cosigned": told_cosigned(&cosigned),
            }));
        }
        return say(&format!("{}{}", prove::continues(&old, &new), in_words(&cosigned)));
    }
    let event: EventProof = serde_json::from_value(value).map_err(|error| no_proof(&error))?;
    let (checkpoint, record) = prove::checked(&event, &key)?;
    let cosigned = cosigned_by_all(&event.checkpoint, &witnesses)?;
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
            "cosigned": told_cosigned(&cosigned),
        }));
    }
    let verdict = prove::is_in(record.position.0, checkpoint.size);
    say(&format!("{verdict}{}\n{}", in_words(&cosigned), facts(&checkpoint.origin, &record)))
}

fn facts(log: &str, record: &Record) -> String {
    table::facts([
        ("log", log.to_owned()),
        ("event", record.event_type.to_string()),
        ("stream", format!("{}, revision {}", record.stream, record.revision.0)),
        ("id", record.event_id.0.to_string()),
        ("recorded", clock(record.recorded_at)),
        ("data", String::from_utf8_lossy(&record.data).into_owned()),
    ])
}

fn read(path: &Path) -> Result<String, Failure> {
    read_as("proof", path)
}

/// A report of an audit.
pub(super) fn read_report(path: &Path) -> Result<String, Failure> {
    read_as("report", path)
}

fn read_as(what: &str, path: &Path) -> Result<String, Failure> {
    let unread =
        |error: io::Error| Failure::usage(format!("the {what} {} can't be read: {error}", path.display()));
    if path == Path::new("-") {
        return limited(io::stdin().lock(), PROOF_BYTES_MAX).map_err(unread);
    }
    limited(std::fs::File::open(path).map_err(unread)?, PROOF_BYTES_MAX).map_err(unread)
}

/// All that is there, where it has at most so many bytes: more is refused, never cut.
fn limited(from: impl io::Read, max: u64) -> io::Result<String> {
    let mut bytes = vec![];
    from.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
        String::from_utf8(bytes).map_err(io::Error::other)
    } else {
        Err(io::Error::other(format!("it has more than {max} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::{limited, reported};

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        assert_eq!(limited(&b"1234"[..], 4).unwrap(), "1234");
        let refused = limited(&b"12345"[..], 4).unwrap_err();
        assert_eq!(refused.to_string(), "it has more than 4 bytes");
        assert!(limited(&b"\xff"[..], 4).is_err());
    }

    #[test]
    fn of_a_report_its_checkpoint_is_taken_and_of_other_texts_nothing() {
        let report = "{\n  \"report\": {\"log\": {\"checkpoint\": \"a\\nnote\\n\"}}\n}\n";
        assert_eq!(reported(report).as_deref(), Some("a\nnote\n"));
        for other in ["", "a\nnote\n", "{", "{}", "{\"report\": {\"log\": {\"checkpoint\": null}}}"] {
            assert_eq!(reported(other), None, "{other}");
        }
    }
}
