//! The log of this process for the other processes of the desk, on the same port as everything else.

use std::sync::Arc;
use stele_api::Beside;
use stele_commands::access::Gatekeeper;
use stele_commands::stop::Stop;
use stele_domain::port::event_log::{LogError, Position};
use stele_event_log::{EmbeddedLog, InclusionProof};
use stele_remote_log::{LogService, Proof, SignedCheckpoint, Stat};
use tokio::sync::watch;
use tonic::service::Routes;

/// What the paths of its methods begin with.
const PREFIX: &str = "/stele.log.v1.EventLog/";

/// The service over the log that is ours. Denials are kept as attempts.
pub(super) fn service(log: &Arc<EmbeddedLog>, gatekeeper: Arc<Gatekeeper>, mut stop: Stop) -> Beside {
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        stop.requested().await;
        end.send_replace(true);
    });
    let hear = move |denial: stele_remote_log::Denial| {
        gatekeeper.denied(&denial.caller, denial.action, &denial.what);
    };
    let (numbers, signing, proving) = (Arc::clone(log), Arc::clone(log), Arc::clone(log));
    let service = LogService::new(Arc::<EmbeddedLog>::clone(log), hear, ended)
        .with_stat(move || stat(&numbers))
        .with_proofs(
            move || signed(&signing, signing.checkpoint()),
            move |position| {
                let log = Arc::clone(&proving);
                Box::pin(async move { prove(&log, position).await })
            },
        );
    let service = Routes::new(service.into_server()).into_axum_router();
    Beside { prefix: PREFIX, service }
}

fn stat(log: &EmbeddedLog) -> Stat {
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
    }
}

/// A checkpoint beside the key that has signed it.
fn signed(log: &EmbeddedLog, checkpoint: String) -> SignedCheckpoint {
    SignedCheckpoint { checkpoint, public_key: log.verifier().to_string() }
}

async fn prove(log: &EmbeddedLog, position: Position) -> Result<Proof, LogError> {
    let InclusionProof { first, index, payload, path, checkpoint } = log.inclusion_proof(position).await?;
    Ok(Proof { first, leaf_index: index, payload, path, signed: signed(log, checkpoint) })
}
