//! Proofs: that one event is in the log, and that the log goes on from an older checkpoint. Each is checked against the
//! log's public key before it is shown.

use super::desk::ask;
use super::log::or_offline;
use super::progress::Progress;
use super::verify::{checkpoint_in, unverified};
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
use stele_domain::port::event_log::{LogError, Position, Record};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::NoteVerifier;
use stele_event_log::{InclusionProof, SignedConsistency, prove_consistency};

pub(super) fn run(position: u64, key: Option<&Path>, config: &Config, json: bool) -> Outcome {
    // Whoever names no key believes the one beside the log; without either, the proof is shown and not judged.
    let beside = config.log_dir().join(KEY_FILE);
    let here = config.client.server.is_none() && beside.is_file();
    let verifier = key.or_else(|| here.then_some(beside.as_path())).map(verifier).transpose()?;
    let proof = ask(config, |client| proof(client, position, config))?;
    let commits =
        verifier.map(|verifier| Ok::<_, Failure>(checked(&proof, &verifier)?.0.size)).transpose()?;
    if json { say_json(&proof) } else { say(&words(&proof, commits)) }
}

/// Proves from the log's files that it goes on from the checkpoint in a file.
pub(super) fn consistency(old: Option<&Path>, new: Option<&Path>, config: &Config, json: bool) -> Outcome {
    let old =
        old.ok_or_else(|| Failure::usage("name the older checkpoint: --consistency CHECKPOINT-FILE"))?;
    if config.client.server.is_some() {
        return Err(Failure::usage(
            "a consistency proof is made from the log's files, not by a desk elsewhere",
        )
        .advise("run it on the machine of the log, or on a copy: --data DIR"));
    }
    let directory = config.log_dir();
    let old = checkpoint_in(old)?;
    let new = match new {
        Some(path) => Some(checkpoint_in(path)?),
        None => fresh(config)?,
    };
    let progress = Progress::of_what("verifying the log that the proof is made from", json);
    let proof = prove_consistency(&directory, &old, new.as_deref());
    drop(progress);
    let proof = proof.map_err(|error| unverified(&error, &directory))?;
    let file = ConsistencyFile::of(&proof);
    if json {
        return say_json(&file);
    }
    let (older, newer) = file.checked(&verifier(&directory.join(KEY_FILE))?)?;
    let path = table::facts([("path", format!("{} hashes", file.path.len()))]);
    say(&format!("{}\n{path}\n{}", continues(&older, &newer), file.new_checkpoint.trim_end()))
}

/// A checkpoint of the desk that runs on the log; none when no desk runs.
fn fresh(config: &Config) -> Result<Option<String>, Failure> {
    ask(config, |client| async move {
        match client.checkpoint().await {
            Ok(answer) => Ok(Some(answer.checkpoint)),
            Err(ClientError::Unreachable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
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
    or_offline(client.prove(position).await, config, || {
        offline::with(&directory, async |log| match log.inclusion_proof(Position(position)).await {
            Ok(proof) => Ok(said(position, &proof)),
            Err(LogError::Invalid(what)) => Err(Failure::new(Code::Error, what)),
            Err(error) => Err(Failure::error(&error)),
        })
    })
    .await
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
