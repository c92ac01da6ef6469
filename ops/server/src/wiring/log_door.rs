//! The log of this process for the other processes of the desk, on the same port as everything else.

use super::archive;
use super::door::Owner;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_api::{Beside, BesideAnswer, BesideMethod};
use stele_commands::access::Gatekeeper;
use stele_commands::stop::Stop;
use stele_domain::access::{Action, Caller};
use stele_domain::port::event_log::{LogError, Position, StreamId};
use stele_event_log::{ArchiveStat, EmbeddedLog, Grown, InclusionProof};
use stele_remote_log::{
    Archived, Consistency, Growth, LogService, Method, Process, Proof, SignedCheckpoint, Stat, WriteLists,
};
use tokio::sync::watch;
use tonic::Status;
use tonic::service::Routes;

/// What the paths of its methods begin with.
const PREFIX: &str = "/stele.log.v1.EventLog/";

/// The service over the log that is ours, to which processes append by these lists. Denials are kept as attempts.
pub(super) fn service(
    owner: &Owner,
    lists: WriteLists,
    gatekeeper: Arc<Gatekeeper>,
    mut stop: Stop,
) -> Beside {
    let (log, directory, witness) = (&owner.log, owner.directory.clone(), owner.witness.clone());
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        stop.requested().await;
        end.send_replace(true);
    });
    let asked = Arc::clone(&gatekeeper);
    let stands = move |caller: &Caller| asked.stands(caller).map_err(|denied| denied.message);
    let hear = move |denial: stele_remote_log::Denial| {
        gatekeeper.denied(&denial.caller, denial.action, &denial.what);
    };
    let (numbers, signing) = (Arc::clone(log), Arc::clone(log));
    let (proving, going_on) = (Arc::clone(log), Arc::clone(log));
    let list =
        move |role: Process, stream: &StreamId, event_type: &str| lists.may_append(role, stream, event_type);
    let service = LogService::new(Arc::<EmbeddedLog>::clone(log), list, stands, hear, ended)
        .with_stat(move || stat(&numbers, &directory))
        .with_proofs(
            move || {
                if let Some(witness) = &witness {
                    witness.ask();
                }
                Ok(signed(&signing, signing.checkpoint()?))
            },
            move |position| {
                let log = Arc::clone(&proving);
                Box::pin(async move { prove(&log, position).await })
            },
        )
        .with_consistency(move |old, new| {
            let log = Arc::clone(&going_on);
            Box::pin(async move { prove_consistency(&log, old, new).await })
        });
    let judging = service.clone();
    let admits = move |caller: &Caller, name: &'static str| match Method::named(name) {
        Some(method) => judging.admits(caller, method),
        None => Err(Status::unimplemented("there is no such method")),
    };
    Beside {
        prefix: PREFIX,
        methods: Method::ALL.map(told).into(),
        admits: Arc::new(admits),
        service: Routes::new(service.into_server()).into_axum_router(),
    }
}

/// A method as the door takes it.
fn told(method: Method) -> BesideMethod {
    let (counted_as, action, answer) = match method {
        Method::Append => ("EventLog/Append", Action::AppendLog, BesideAnswer::Word),
        Method::ReadStream => ("EventLog/ReadStream", Action::ReadLog, BesideAnswer::Page),
        Method::ReadAll => ("EventLog/ReadAll", Action::ReadLog, BesideAnswer::Page),
        Method::Head => ("EventLog/Head", Action::ReadLog, BesideAnswer::Word),
        Method::Stat => ("EventLog/Stat", Action::ReadLog, BesideAnswer::Word),
        // A process is asked for its permission to read; whether it answers persons, the service asks.
        Method::Checkpoint => ("EventLog/Checkpoint", Action::ReadLog, BesideAnswer::Word),
        Method::Prove => ("EventLog/Prove", Action::ReadLog, BesideAnswer::Page),
        Method::ProveConsistency => ("EventLog/ProveConsistency", Action::ReadLog, BesideAnswer::Page),
        Method::Follow => ("EventLog/Follow", Action::ReadLog, BesideAnswer::Live),
    };
    BesideMethod {
        name: method.name(),
        counted_as,
        action,
        asked_bytes_max: method.asked_bytes_max(),
        answer,
    }
}

fn stat(log: &EmbeddedLog, directory: &Path) -> Stat {
    let stat = log.stat();
    Stat {
        log: stat.log,
        events: stat.events,
        commits: stat.commits,
        bytes: stat.bytes,
        streams: stat.streams,
        segments: stat.segments,
        head: stat.head,
        categories: stat.categories,
        growth: log.growth().into_iter().map(growth).collect(),
        archive: archive::told(directory).as_ref().map(archived),
    }
}

fn growth(grown: Grown) -> Growth {
    Growth {
        asked_ms: grown.asked.map(millis),
        measured_ms: millis(grown.measured),
        events: grown.events,
        bytes: grown.bytes,
        categories: grown.categories,
    }
}

/// What of it is in an archive only.
fn archived(stat: &ArchiveStat) -> Archived {
    let ArchiveStat { segments, bytes, events, .. } = *stat;
    Archived { segments, bytes, events }
}

/// A checkpoint beside the key that has signed it.
fn signed(log: &EmbeddedLog, checkpoint: String) -> SignedCheckpoint {
    SignedCheckpoint { checkpoint, public_key: log.verifier().to_string() }
}

async fn prove(log: &EmbeddedLog, position: Position) -> Result<Proof, LogError> {
    let InclusionProof { first, index, payload, path, checkpoint } = log.inclusion_proof(position).await?;
    Ok(Proof { first, leaf_index: index, payload, path, signed: signed(log, checkpoint) })
}

async fn prove_consistency(log: &EmbeddedLog, old: u64, new: Option<u64>) -> Result<Consistency, LogError> {
    let (proof, checkpoint) = log.prove_consistency(old, new).await?;
    let signed = signed(log, checkpoint);
    Ok(Consistency { old_size: proof.old_size, new_size: proof.new_size, path: proof.path, signed })
}

/// A span in whole milliseconds.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
