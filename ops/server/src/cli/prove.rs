//! Proofs: that one event is in the log, and that the log goes on from an older checkpoint. Each is checked against the
//! log's public key before it is shown.

use super::desk::ask;
use super::log::{or_offline, reach};
use super::progress::Progress;
use super::verify::{checkpoint_in, other_than_signed, unsigned, unverified};
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::offline;
use crate::render::log::hex;
use crate::render::table;
use serde::{Deserialize, Serialize};
use std::path::Path;
use stele_api::client::{Client, ClientError};
use stele_api::dto::EventProof;
use stele_domain::port::event_log::{Position, Record};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{NoteError, NoteVerifier};
use stele_event_log::{InclusionProof, SignedConsistency, VerifyError, prove_consistency};

pub(super) fn run(position: u64, key: Option<&Path>, config: &Config, json: bool) -> Outcome {
    // Whoever names no key believes the one beside the log; without either, the proof is shown and not judged.
    let beside = config.log_dir().join(KEY_FILE);
    let here = config.has_the_log() && beside.is_file();
    let verifier = key.or_else(|| here.then_some(beside.as_path())).map(verifier).transpose()?;
    let proof = asked_for(position, ask(config, |client| proof(client, position, config))?)?;
    let commits =
        verifier.map(|verifier| Ok::<_, Failure>(checked(&proof, &verifier)?.0.size)).transpose()?;
    if json { say_json(&proof) } else { say(&words(&proof, commits)) }
}

/// Proves that the log goes on from the checkpoint in a file: the desk does, or the log's files where no desk runs.
pub(super) fn consistency(
    old: Option<&Path>,
    new: Option<&Path>,
    key: Option<&Path>,
    config: &Config,
    json: bool,
) -> Outcome {
    let old =
        old.ok_or_else(|| Failure::usage("name the older checkpoint: --consistency CHECKPOINT-FILE"))?;
    let old = checkpoint_in(old)?;
    let new = new.map(checkpoint_in).transpose()?;
    let beside = config.log_dir().join(KEY_FILE);
    let here = config.has_the_log() && beside.is_file();
    let key = key.or_else(|| here.then_some(beside.as_path())).map(verifier).transpose()?;
    let of = said_by(&old)?.origin;
    if let Some(key) = key.as_ref().filter(|key| key.name() != of) {
        let words = format!("the older checkpoint is of {of}, and the key is of {}", key.name());
        return Err(Failure::new(Code::Foreign, words));
    }
    // What the key has not signed says nothing of the log, whoever is asked.
    if let Some(key) = &key {
        signed(&old, key)?;
        new.as_deref().map_or(Ok(()), |new| signed(new, key))?;
    }
    let asked = Asked { old: &old, new: new.as_deref(), key: key.as_ref() };
    let file = match ask(config, |client| by_desk(client, asked, config))? {
        Some(file) => file,
        None => by_files(config, &old, new.as_deref(), json)?,
    };
    let believed = key.map(|key| file.checked(&key)).transpose()?;
    if json {
        return say_json(&file);
    }
    let verdict = match &believed {
        Some((older, newer)) => continues(older, newer),
        None => "A proof that the log goes on from the older checkpoint. It was not checked: name the log's public key with \
                 --key."
            .to_owned(),
    };
    let path = table::facts([("path", format!("{} hashes", file.path.len()))]);
    say(&format!("{verdict}\n{path}\n{}", file.new_checkpoint.trim_end()))
}

/// What is to be proved: that the log goes on from one checkpoint, to another or to everything, and by whose key.
#[derive(Clone, Copy)]
struct Asked<'a> {
    old: &'a str,
    new: Option<&'a str>,
    key: Option<&'a NoteVerifier>,
}

/// What the desk that runs on the log proves; none when no desk runs and the log's files are at hand.
async fn by_desk(
    client: Client,
    asked: Asked<'_>,
    config: &Config,
) -> Result<Option<ConsistencyFile>, Failure> {
    let (older, newer) = (said_by(asked.old)?, asked.new.map(said_by).transpose()?);
    if let Some(newer) = newer.as_ref().filter(|newer| newer.size < older.size) {
        return Err(Failure::usage(chain(&VerifyError::Order { old: older.size, new: newer.size })));
    }
    let proof = match client.prove_consistency(older.size, newer.as_ref().map(|newer| newer.size)).await {
        Ok(proof) => proof,
        Err(ClientError::Unreachable { .. }) if config.has_the_log() => return Ok(None),
        Err(error) if error.code() == Some("size-beyond-log") => {
            return Err(shorter(&client, &older, newer.as_ref(), asked.key).await?);
        }
        Err(error) => return Err(error.into()),
    };
    let told = told_by_desk(&proof.checkpoint, &older, asked.key)?;
    if let Some(newer) = &newer {
        of_one_log(newer, &told)?;
    }
    let file = ConsistencyFile {
        old_checkpoint: asked.old.to_owned(),
        new_checkpoint: asked.new.map_or(proof.checkpoint, str::to_owned),
        path: proof.path,
    };
    let Some(key) = asked.key else { return Ok(Some(file)) };
    if let Some(newer) = newer.filter(|newer| newer.size == told.size && newer.root != told.root) {
        return Err(rewritten(newer.size));
    }
    if file.checked(key).is_err() {
        // Either the log has other commits, and then its key signs them, or the desk's path is none.
        let own = client.prove_consistency(older.size, Some(older.size)).await?;
        let own = told_by_desk(&own.checkpoint, &older, asked.key)?;
        if own.size == older.size && own.root != older.root {
            return Err(rewritten(older.size));
        }
    }
    Ok(Some(file))
}

/// How it ends that a desk has fewer commits than a checkpoint signs: its log was cut, or is another one.
async fn shorter(
    client: &Client,
    older: &Checkpoint,
    newer: Option<&Checkpoint>,
    key: Option<&NoteVerifier>,
) -> Result<Failure, Failure> {
    let whole = client.prove_consistency(0, None).await?;
    let told = told_by_desk(&whole.checkpoint, older, key)?;
    if let Some(newer) = newer {
        of_one_log(newer, &told)?;
    }
    let beyond = newer.filter(|_| older.size <= told.size).unwrap_or(older);
    if told.size >= beyond.size {
        let grown = "the log grew while it was asked, past what the checkpoint signs: ask again";
        return Ok(Failure::new(Code::Unavailable, grown));
    }
    let cut = VerifyError::Truncated { signed: beyond.size, found: told.size };
    let failure = other_than_signed(chain(&cut));
    if key.is_some() {
        return Ok(failure);
    }
    Ok(failure.advise(
        "the checkpoint's signature was not checked: name the log's public key with --key before anybody is accused",
    ))
}

fn rewritten(signed: u64) -> Failure {
    other_than_signed(chain(&VerifyError::Rewritten { signed }))
}

/// What the desk's own checkpoint says. It is not what was asked with: what is wrong with it is no mistake of the
/// caller's.
fn told_by_desk(note: &str, older: &Checkpoint, key: Option<&NoteVerifier>) -> Result<Checkpoint, Failure> {
    let wrong = |error: NoteError| {
        Failure::new(Code::Mismatch, format!("the desk's checkpoint is not one of this log: {error}"))
    };
    let told = Checkpoint::unverified(note).map_err(wrong)?;
    of_one_log(older, &told)?;
    key.map_or(Ok(told), |key| Checkpoint::open(note, key).map_err(wrong))
}

/// That a checkpoint is of the log that the desk has.
fn of_one_log(given: &Checkpoint, told: &Checkpoint) -> Outcome {
    if given.origin == told.origin {
        return Ok(());
    }
    let words = format!("the checkpoint is of {}, and the desk has {}", given.origin, told.origin);
    Err(Failure::new(Code::Foreign, words))
}

/// That a key has signed a checkpoint that somebody named.
fn signed(note: &str, key: &NoteVerifier) -> Outcome {
    match Checkpoint::open(note, key) {
        Ok(_) => Ok(()),
        Err(error) => Err(unsigned(&error, format!("the given checkpoint is not one of this log: {error}"))),
    }
}

/// What a note says, whoever signed it.
fn said_by(note: &str) -> Result<Checkpoint, Failure> {
    let unlike =
        |error: NoteError| Failure::usage(format!("the given checkpoint is not one of this log: {error}"));
    Checkpoint::unverified(note).map_err(unlike)
}

/// The same from the log's files, all of which are verified on the way.
fn by_files(config: &Config, old: &str, new: Option<&str>, json: bool) -> Result<ConsistencyFile, Failure> {
    let directory = config.log_dir();
    let progress = Progress::of_what("verifying the log that the proof is made from", json);
    let archive = reach(config, &directory)?;
    let proof = prove_consistency(&directory, &archive.reach(), old, new);
    drop(progress);
    proof.map(|proof| ConsistencyFile::of(&proof)).map_err(|error| unverified(&error, &directory))
}

/// A consistency proof as it is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConsistencyFile {
    /// The signed checkpoint that was made first.
    pub old_checkpoint: String,
    /// The signed checkpoint that continues it.
    pub new_checkpoint: String,
    /// SHA-256 hashes in hex, as RFC 9162 §2.1.4 orders them.
    pub path: Vec<String>,
}

impl ConsistencyFile {
    fn of(proof: &SignedConsistency) -> Self {
        Self {
            old_checkpoint: proof.old.clone(),
            new_checkpoint: proof.new.clone(),
            path: proof.path.iter().map(|hash| hex(hash)).collect(),
        }
    }

    /// Both checkpoints, when the key has signed them and the path leads from one to the other.
    pub(super) fn checked(&self, key: &NoteVerifier) -> Result<(Checkpoint, Checkpoint), Failure> {
        let wrong =
            |what: &str| Failure::new(Code::Mismatch, format!("the consistency proof is wrong: {what}"));
        let path = self.path.iter().map(|text| unhex(text)).collect::<Option<Vec<_>>>();
        let proof = SignedConsistency {
            old: self.old_checkpoint.clone(),
            new: self.new_checkpoint.clone(),
            path: path.ok_or_else(|| wrong("its path is not in hexadecimal digits"))?,
        };
        proof.verify(key).map_err(|error| wrong(&chain(&error)))
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digits = |pair: &[u8; 2]| {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? * 16 + low?).ok()
    };
    let bytes = pairs.iter().map(digits).collect::<Option<Vec<_>>>()?;
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

/// The verdict on a consistency proof.
pub(super) fn continues(old: &Checkpoint, new: &Checkpoint) -> String {
    format!(
        "The log goes on from the older checkpoint: its {} commits are the first of the {} that {} has signed.",
        old.size, new.size, new.origin
    )
}

/// The verdict on a proof of an event.
pub(super) fn is_in(position: u64, commits: u64) -> String {
    format!(
        "Event {position} is in the log: its commit is one of the {commits} that the log's key has signed."
    )
}

/// Where a log keeps its public key.
const KEY_FILE: &str = "key.pub";

async fn proof(client: Client, position: u64, config: &Config) -> Result<EventProof, Failure> {
    let directory = config.log_dir();
    or_offline(client.prove(position).await, config, async || {
        let proof = offline::proof(config, &directory, Position(position)).await?;
        Ok(said(position, &proof))
    })
    .await
}

/// The proof, where it is of the event that was asked for: one of another, however right, proves nothing of it.
fn asked_for(position: u64, proof: EventProof) -> Result<EventProof, Failure> {
    if proof.position == position {
        return Ok(proof);
    }
    let what = format!(
        "a proof of event {position} was asked for, and the desk answered with one of event {}",
        proof.position
    );
    Err(Failure::new(Code::Mismatch, what)
        .advise("do not believe this desk: verify its log with stele log verify"))
}

fn said(position: u64, proof: &InclusionProof) -> EventProof {
    EventProof::new(position, proof.first.0, proof.index, &proof.payload, &proof.path, &proof.checkpoint)
}

/// The public key in a file.
pub(super) fn verifier(path: &Path) -> Result<NoteVerifier, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} is no public key of a log: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
    NoteVerifier::parse(&text).map_err(|error| unusable(&error))
}

/// The checkpoint that a proof leads to, and the event that it is about.
pub(super) fn checked(proof: &EventProof, verifier: &NoteVerifier) -> Result<(Checkpoint, Record), Failure> {
    let wrong = |what: String| {
        Failure::new(Code::Mismatch, format!("the proof of event {} is wrong: {what}", proof.position))
    };
    let (payload, path) =
        proof.parts().ok_or_else(|| wrong("it is not in the form of a proof".to_owned()))?;
    let position = Position(proof.position);
    let proof = InclusionProof {
        first: Position(proof.first_position),
        index: proof.leaf_index,
        payload,
        path,
        checkpoint: proof.checkpoint.clone(),
    };
    let checkpoint = proof.verify(verifier).map_err(|error| wrong(chain(&error)))?;
    // The path proves a commit; that the event is one of its own, only the commit says.
    let record = proof.record(position);
    let record =
        record.ok_or_else(|| wrong("the commit that it proves does not have the event".to_owned()))?;
    Ok((checkpoint, record))
}

fn words(proof: &EventProof, commits: Option<u64>) -> String {
    let verdict = match commits {
        Some(commits) => is_in(proof.position, commits),
        None => format!(
            "A proof that event {} is in the log. It was not checked: name the log's public key with --key.",
            proof.position
        ),
    };
    let facts = table::facts([
        ("commit", format!("number {}, from position {}", proof.leaf_index, proof.first_position)),
        ("path", format!("{} hashes", proof.path.len())),
    ]);
    format!("{verdict}\n{facts}\n{}", proof.checkpoint.trim_end())
}

#[cfg(test)]
mod tests {
    use super::asked_for;
    use crate::exit::Code;
    use stele_api::dto::EventProof;

    #[test]
    fn a_proof_of_another_event_is_none_of_this_one() {
        let proof = EventProof::new(7, 6, 2, b"commit", &[], "a checkpoint");
        assert_eq!(asked_for(7, proof.clone()).unwrap(), proof);
        let refused = asked_for(8, proof).unwrap_err();
        assert_eq!(refused.code, Code::Mismatch);
        assert!(refused.what.contains("one of event 7"), "{}", refused.what);
    }
}
