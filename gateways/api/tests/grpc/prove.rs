//! Proofs of a log in files, checked by somebody who has nothing but the log's public key.

use crate::desk::{Desk, hand_clock};
use crate::served::{Served, codes};
use std::path::Path;
use std::sync::Arc;
use stele_api::{LogAdmin, LogArchived, LogConsistency, LogGrowth, LogProof, LogStat, RateOptions};
use stele_domain::access::Role;
use stele_domain::ids::EventId;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Expected, LogError, NewRecord, Position, StreamId};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::{ConsistencyProof, EmbeddedLog, InclusionProof, Options};
use stele_proto::api::v1 as pb;
use tonic::Code;
use uuid::Uuid;

/// The log, and what it can tell of itself.
pub struct Owner(pub Arc<EmbeddedLog>);

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
            growth: vec![LogGrowth {
                asked_ms: Some(60_000),
                measured_ms: 2_000,
                events: 7,
                bytes: 3_000,
                categories: [("other".to_owned(), 7)].into(),
            }],
            archive: Some(LogArchived { segments: 1, bytes: 4_096, events: 5 }),
        };
        Box::pin(std::future::ready(Ok(stat)))
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(self.0.checkpoint().map(Some)))
    }

    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        Box::pin(async move {
            let InclusionProof { first, index, payload, path, checkpoint } =
                self.0.inclusion_proof(position).await?;
            Ok(Some(LogProof { first, leaf_index: index, payload, path, checkpoint }))
        })
    }

    fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> PortFuture<'_, Result<Option<LogConsistency>, LogError>> {
        Box::pin(async move {
            let (proof, checkpoint) = self.0.prove_consistency(old_size, new_size).await?;
            let (old_size, new_size) = (proof.old_size, proof.new_size);
            Ok(Some(LogConsistency { old_size, new_size, path: proof.path, checkpoint }))
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

/// A desk over a log of nine commits and its own.
async fn served(dir: &Path) -> (Arc<EmbeddedLog>, Served) {
    let log = Arc::new(EmbeddedLog::open(dir, Options::new(hand_clock())).unwrap().0);
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
    (log, Served::of(desk).await)
}

#[tokio::test]
async fn the_log_is_proved_to_go_on_from_every_checkpoint_over_both_doors() {
    let dir = tempfile::tempdir().unwrap();
    let (log, served) = served(dir.path()).await;
    let mut client = served.log(Role::Auditor).await;
    let at = async |size| Checkpoint::open(&log.checkpoint_at(size).await.unwrap(), log.verifier()).unwrap();
    for old_commits in 0..=9 {
        let asked = pb::ProveConsistencyRequest { old_commits, new_commits: Some(9) };
        let told = client.prove_consistency(asked).await.unwrap().into_inner();
        let rest = served.desk.client.prove_consistency(old_commits, Some(9)).await.unwrap();
        assert_eq!(
            (rest.old_commits, rest.new_commits, &rest.checkpoint),
            (old_commits, 9, &told.checkpoint)
        );
        let path = told.path.into_iter().map(|hash| hash.try_into().unwrap()).collect();
        let proof = ConsistencyProof { old_size: told.old_commits, new_size: told.new_commits, path };
        let newer = Checkpoint::open(&told.checkpoint, log.verifier()).unwrap();
        assert_eq!(proof.verify(&at(old_commits).await, &newer), Ok(()));
        let other = Checkpoint { root: [7; 32], ..at(old_commits).await };
        assert!(old_commits == 0 || proof.verify(&other, &newer).is_err());
    }
    // Without a later size it is everything that is durable.
    let asked = pb::ProveConsistencyRequest { old_commits: 9, new_commits: None };
    let told = client.prove_consistency(asked).await.unwrap().into_inner();
    assert!(told.new_commits >= 9 && told.checkpoint.contains('\n'), "{told:?}");
    let asked = pb::ProveConsistencyRequest { old_commits: 1_000_000, new_commits: None };
    let beyond = client.prove_consistency(asked).await.unwrap_err();
    assert_eq!(codes(&beyond), (Code::FailedPrecondition, "size-beyond-log".to_owned()));
    assert!(beyond.message().contains("it was cut"), "{beyond:?}");
    let beyond = served.desk.client.prove_consistency(1_000_000, None).await.unwrap_err();
    assert_eq!(beyond.code(), Some("size-beyond-log"));
    let asked = pb::ProveConsistencyRequest { old_commits: 4, new_commits: Some(3) };
    assert_eq!(client.prove_consistency(asked).await.unwrap_err().code(), Code::InvalidArgument);
    let mut viewer = served.log(Role::Viewer).await;
    let asked = pb::ProveConsistencyRequest { old_commits: 1, new_commits: None };
    assert_eq!(viewer.prove_consistency(asked).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn rates_and_what_is_archived_are_told_alike_over_both_doors() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, served) = served(dir.path()).await;
    let rest = served.desk.client.log_stat().await.unwrap();
    let [growth] = &rest.growth[..] else { panic!("{rest:?}") };
    assert_eq!(
        (growth.asked_ms, growth.events_per_second_milli, growth.bytes_per_second),
        (60_000, 3_500, 1_500)
    );
    let told = served.log(Role::Auditor).await.stat(pb::StatRequest {}).await.unwrap().into_inner();
    let [by_grpc] = &told.growth[..] else { panic!("{told:?}") };
    assert_eq!((by_grpc.events_per_second_milli, by_grpc.bytes_per_second), (3_500, 1_500));
    assert_eq!((&by_grpc.categories, by_grpc.events), (&growth.categories, 7));
    let archived = rest.archive.unwrap();
    assert_eq!((archived.segments, archived.bytes, archived.events), (1, 4_096, 5));
    let by_grpc = told.archive.unwrap();
    assert_eq!((by_grpc.segments, by_grpc.bytes, by_grpc.events), (1, 4_096, 5));
}

#[tokio::test]
async fn every_event_is_proved_to_whoever_has_the_key_and_a_changed_byte_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (log, served) = served(dir.path()).await;
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
