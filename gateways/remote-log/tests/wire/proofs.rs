//! Checkpoints and proofs over the wire: what the owner's log proves, a stranger with the log's key finds proved.

use crate::support::{Owner, clock, record, stream};
use std::sync::Arc;
use stele_domain::access::Action;
use stele_domain::port::event_log::{EventLog, Expected, LogError, Position};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::NoteVerifier;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{ConsistencyProof, EmbeddedLog, InclusionProof, MemoryLog, Options};
use stele_remote_log::Proof;

/// A log with commits of one record and of several.
async fn log() -> Arc<EmbeddedLog> {
    let disk = Arc::new(SimulatedDisk::new());
    let log = Arc::new(EmbeddedLog::open_on(disk, Options::new(clock())).unwrap().0);
    let target = stream("order-1");
    for batch in [1..2_u64, 2..6, 6..7, 7..10] {
        log.append(&target, Expected::Any, batch.map(record).collect()).await.unwrap();
    }
    log
}

fn put_together(proof: Proof) -> InclusionProof {
    let Proof { first, leaf_index, payload, path, signed } = proof;
    InclusionProof { first, index: leaf_index, payload, path, checkpoint: signed.checkpoint }
}

#[tokio::test]
async fn every_record_is_proved_over_the_wire_as_it_is_at_the_owner() {
    let log = log().await;
    let owner = Owner::proving(&log);
    let front = owner.client("api");
    for position in 1..=9 {
        let proof = front.prove(Position(position)).await.unwrap();
        assert_eq!(proof.signed.public_key, log.verifier().to_string());
        let mut proof = put_together(proof);
        assert_eq!(proof, log.inclusion_proof(Position(position)).await.unwrap());
        assert_eq!(proof.verify(log.verifier()).unwrap().size, 4);
        proof.payload[0] ^= 1;
        proof.verify(log.verifier()).unwrap_err();
    }
    let beyond = front.prove(Position(10)).await.unwrap_err();
    assert!(matches!(&beyond, LogError::Invalid(what) if what.contains("ends at 9")), "{beyond:?}");
    assert!(matches!(front.prove(Position(0)).await, Err(LogError::Invalid(_))));
}

#[tokio::test]
async fn a_checkpoint_over_the_wire_is_signed_by_the_key_that_it_names() {
    let log = log().await;
    let owner = Owner::proving(&log);
    let signed = owner.client("projections+api").checkpoint().await.unwrap();
    let told = NoteVerifier::parse(&signed.public_key).unwrap();
    assert_eq!(&told, log.verifier());
    assert_eq!(Checkpoint::open(&signed.checkpoint, &told).unwrap().size, 4);
}

#[tokio::test]
async fn the_log_is_proved_over_the_wire_to_go_on_from_every_size_that_it_has_had() {
    let log = log().await;
    let owner = Owner::proving(&log);
    let front = owner.client("api");
    let at = async |size| Checkpoint::open(&log.checkpoint_at(size).await.unwrap(), log.verifier()).unwrap();
    for old in 0..=4 {
        for new in (old..=4).map(Some).chain([None]) {
            let told = front.prove_consistency(old, new).await.unwrap();
            let newer = Checkpoint::open(&told.signed.checkpoint, log.verifier()).unwrap();
            assert_eq!((told.old_size, told.new_size, newer.size), (old, new.unwrap_or(4), new.unwrap_or(4)));
            let (old_size, new_size) = (told.old_size, told.new_size);
            let proof = ConsistencyProof { old_size, new_size, path: told.path };
            assert_eq!(proof.verify(&at(old).await, &newer), Ok(()), "{old} to {new:?}");
        }
    }
    for (old, new) in [(5, None), (0, Some(5)), (3, Some(2))] {
        let none = front.prove_consistency(old, new).await.unwrap_err();
        assert!(matches!(&none, LogError::Invalid(_)), "{none:?}");
    }
    let denied = owner.client("strategy").prove_consistency(1, None).await.unwrap_err();
    assert!(matches!(denied, LogError::Denied(_)), "{denied:?}");
}

#[tokio::test]
async fn proofs_are_for_processes_that_answer_persons_and_for_whoever_may_prove() {
    let log = log().await;
    let owner = Owner::proving(&log);
    assert!(owner.client("operator").prove(Position(1)).await.is_ok());
    for key in ["strategy", "executor", "viewer", "trader"] {
        let client = owner.client(key);
        let denied = client.prove(Position(1)).await.unwrap_err();
        assert!(matches!(&denied, LogError::Denied(what) if what.contains("proofs")), "{key}: {denied:?}");
        assert!(matches!(client.checkpoint().await, Err(LogError::Denied(_))), "{key}");
    }
    let denials = owner.denials.lock().unwrap();
    assert_eq!(denials.len(), 8);
    assert!(denials.iter().all(|denial| denial.action == Action::Prove), "{denials:?}");
}

#[tokio::test]
async fn a_log_without_a_tree_says_that_it_has_none() {
    let owner = Owner::of(Arc::new(MemoryLog::new(clock())));
    let error = owner.client("api").prove(Position(1)).await.unwrap_err();
    let LogError::Unreachable(words) = &error else { panic!("{error:?}") };
    assert!(words.to_string().contains("no tree to prove by"), "{words}");
}
