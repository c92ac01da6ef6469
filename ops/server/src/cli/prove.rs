//! A proof that one event is in the log, checked against the log's public key before it is shown.

use super::desk::ask;
use super::log::or_offline;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::offline;
use crate::render::table;
use std::path::Path;
use stele_api::client::Client;
use stele_api::dto::EventProof;
use stele_domain::port::event_log::{LogError, Position};
use stele_event_log::InclusionProof;
use stele_event_log::note::NoteVerifier;

pub(super) fn run(position: u64, key: Option<&Path>, config: &Config, json: bool) -> Outcome {
    // Whoever names no key believes the one beside the log; without either, the proof is shown and not judged.
    let beside = config.log_dir().join(KEY_FILE);
    let here = config.client.server.is_none() && beside.is_file();
    let verifier = key.or_else(|| here.then_some(beside.as_path())).map(verifier).transpose()?;
    let proof = ask(config, |client| proof(client, position, config))?;
    let commits = verifier.map(|verifier| checked(&proof, &verifier)).transpose()?;
    if json { say_json(&proof) } else { say(&words(&proof, commits)) }
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

fn verifier(path: &Path) -> Result<NoteVerifier, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{} is no public key of a log: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
    NoteVerifier::parse(&text).map_err(|error| unusable(&error))
}

/// How many commits the checkpoint signs that the proof leads to.
fn checked(proof: &EventProof, verifier: &NoteVerifier) -> Result<u64, Failure> {
    let wrong = |what: String| {
        Failure::new(Code::Mismatch, format!("the proof of event {} is wrong: {what}", proof.position))
    };
    let (payload, path) =
        proof.parts().ok_or_else(|| wrong("it is not in the form of a proof".to_owned()))?;
    let proof = InclusionProof {
        first: Position(proof.first_position),
        index: proof.leaf_index,
        payload,
        path,
        checkpoint: proof.checkpoint.clone(),
    };
    let checkpoint = proof.verify(verifier).map_err(|error| wrong(chain(&error)))?;
    Ok(checkpoint.size)
}

fn words(proof: &EventProof, commits: Option<u64>) -> String {
    let verdict = match commits {
        Some(commits) => format!(
            "Event {} is in the log: its commit is one of the {commits} that the log's key has signed.",
            proof.position
        ),
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
