//! Proofs of a log in files, checked by somebody who has nothing but the log's public key.

use crate::desk::{Desk, hand_clock};
use crate::served::{Served, codes};
use std::sync::Arc;
use stele_api::{LogAdmin, LogProof, LogStat, RateOptions};
use stele_domain::access::Role;
use stele_domain::ids::EventId;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Expected, LogError, NewRecord, Position, StreamId};
use stele_event_log::{EmbeddedLog, InclusionProof, Options};
use stele_proto::api::v1 as pb;
use tonic::Code;
use uuid::Uuid;

/// The log, and what it can tell of itself.
struct Owner(Arc<EmbeddedLog>);

impl LogAdmin for Owner {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        let stat = self.0.stat();
        let stat = LogStat {
            log: stat.log,
            events: stat.events,
            commits: stat.commits,
            bytes: stat.bytes,
            streams: stat.streams,
            segments: stat.segments,
            head: stat.head,
            categories: stat.categories,
        };
        Box::pin(std::future::ready(Ok(stat)))
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(Ok(Some(self.0.checkpoint()))))
    }

    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        Box::pin(async move {
            let InclusionProof { first, index, payload, path, checkpoint } =
                self.0.inclusion_proof(position).await?;
            Ok(Some(LogProof { first, leaf_index: index, payload, path, checkpoint }))
        })
    }
}

/// What a stranger puts together from the message.
fn proof(told: pb::ProveResponse) -> InclusionProof {
    InclusionProof {
        first: Position(told.first_position),
        index: told.leaf_index,
        payload: told.payload,
        path: told.path.into_iter().map(|hash| hash.try_into().unwrap()).collect(),
        checkpoint: told.checkpoint,
    }
}

#[tokio::test]
async fn every_event_is_proved_to_whoever_has_the_key_and_a_changed_byte_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::open(dir.path(), Options::new(hand_clock())).unwrap().0);
    let stream = StreamId::new("other-one").unwrap();
    for number in 0..9_u8 {
        let record = NewRecord {
            event_id: EventId(Uuid::now_v7()),
            event_type: "other.Happened".into(),
            data: [number].as_slice().into(),
            metadata: b"{}".as_slice().into(),
        };
        log.append(&stream, Expected::Any, vec![record]).await.unwrap();
    }
    let owner = Arc::new(Owner(log.clone()));
    let desk = Desk::over(RateOptions::default(), hand_clock(), log.clone(), owner).await;
    let served = Served::of(desk).await;
    let mut client = served.log(Role::Auditor).await;
    let verifier = log.verifier();
    for position in 1..=9 {
        let told = client.prove(pb::ProveRequest { position }).await.unwrap().into_inner();
        assert!(told.first_position <= position, "{told:?}");
        let mut proof = proof(told);
        let checkpoint = proof.verify(verifier).unwrap();
        assert!(checkpoint.size > proof.index);
        proof.payload[0] ^= 1;
        proof.verify(verifier).unwrap_err();
    }
    let checkpoint = client.checkpoint(pb::CheckpointRequest {}).await.unwrap().into_inner();
    assert!(checkpoint.checkpoint.contains('\n') && checkpoint.head >= 9, "{checkpoint:?}");
    let head = client.stat(pb::StatRequest {}).await.unwrap().into_inner().events;
    let beyond = client.prove(pb::ProveRequest { position: head + 1 }).await.unwrap_err();
    assert_eq!(codes(&beyond), (Code::NotFound, "unknown-position".to_owned()));
}
