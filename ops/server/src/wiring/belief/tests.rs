//! What an owner of a log may say, and what of it is handed on.

use super::{Belief, Disbelief};
use crate::wiring::SystemClock;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog as _, Expected, NewRecord, Position, StreamId};
use stele_event_log::{EmbeddedLog, InclusionProof, Options};
use stele_remote_log::{Consistency, Proof, SignedCheckpoint};
use tempfile::TempDir;
use uuid::Uuid;

/// A log of three commits.
async fn log() -> (TempDir, EmbeddedLog) {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::new(Arc::new(SystemClock))).unwrap().0;
    for number in 0..3_u8 {
        let record = NewRecord {
            event_id: EventId(Uuid::from_u128(u128::from(number) + 1)),
            event_type: "other.Happened".into(),
            data: [number].as_slice().into(),
            metadata: b"{}".as_slice().into(),
        };
        log.append(&StreamId::new("other-one").unwrap(), Expected::Any, vec![record]).await.unwrap();
    }
    (folder, log)
}

fn signed(log: &EmbeddedLog) -> SignedCheckpoint {
    SignedCheckpoint { checkpoint: log.checkpoint().unwrap(), public_key: log.verifier().to_string() }
}

async fn proof(log: &EmbeddedLog, position: u64) -> Proof {
    let InclusionProof { first, index, payload, path, checkpoint } =
        log.inclusion_proof(Position(position)).await.unwrap();
    let signed = SignedCheckpoint { checkpoint, public_key: log.verifier().to_string() };
    Proof { first, leaf_index: index, payload, path, signed }
}

#[tokio::test]
async fn what_the_log_has_signed_and_proves_is_handed_on_as_it_is() {
    let (_folder, log) = log().await;
    let belief = Belief::default();
    let told = proof(&log, 2).await;
    let handed = belief.proof(Position(2), told.clone()).unwrap();
    assert_eq!((handed.payload, handed.path), (told.payload, told.path));
    assert_eq!(
        (handed.first, handed.leaf_index, handed.checkpoint),
        (Position(2), 1, told.signed.checkpoint)
    );
    let checkpoint = signed(&log);
    assert_eq!(belief.checkpoint(checkpoint.clone()).unwrap(), checkpoint.checkpoint);
}

#[tokio::test]
async fn nothing_that_was_altered_is_handed_on() {
    let (_folder, log) = log().await;
    let belief = Belief::default();
    let whole = proof(&log, 2).await;
    let mut altered = vec![whole.clone(); 5];
    altered[0].payload[0] ^= 1;
    altered[1].path[0][0] ^= 1;
    altered[2].leaf_index = 0;
    altered[3].first = Position(1);
    altered[4].signed.checkpoint = whole.signed.checkpoint.replacen("\n3\n", "\n4\n", 1);
    for (nth, proof) in altered.into_iter().enumerate() {
        let error = belief.proof(Position(2), proof).unwrap_err();
        assert!(matches!(error, Disbelief::Proof(_)), "{nth}: {error:?}");
    }
    let error = belief.proof(Position(1), whole).unwrap_err();
    assert!(matches!(error, Disbelief::Elsewhere { position: Position(1) }), "{error:?}");
    let mut checkpoint = signed(&log);
    checkpoint.checkpoint = checkpoint.checkpoint.replacen("\n3\n", "\n2\n", 1);
    assert!(matches!(belief.checkpoint(checkpoint), Err(Disbelief::Checkpoint(_))));
}

#[tokio::test]
async fn a_proof_of_consistency_is_handed_on_between_the_sizes_that_were_asked_about() {
    let (_folder, log) = log().await;
    let belief = Belief::default();
    let (proof, checkpoint) = log.prove_consistency(1, None).await.unwrap();
    let signed = SignedCheckpoint { checkpoint, public_key: log.verifier().to_string() };
    let whole = Consistency { old_size: 1, new_size: 3, path: proof.path, signed };
    let handed = belief.consistency((1, None), whole.clone()).unwrap();
    assert_eq!((handed.old_size, handed.new_size, &handed.path), (1, 3, &whole.path));
    belief.consistency((1, Some(3)), whole.clone()).unwrap();
    for asked in [(2, None), (1, Some(2))] {
        let error = belief.consistency(asked, whole.clone()).unwrap_err();
        assert!(matches!(error, Disbelief::OtherSizes { .. }), "{asked:?}: {error:?}");
    }
    let other = Consistency { new_size: 2, ..whole.clone() };
    assert!(matches!(belief.consistency((1, None), other), Err(Disbelief::OtherSizes { .. })));
    let mut forged = whole;
    forged.signed.checkpoint = forged.signed.checkpoint.replacen("\n3\n", "\n4\n", 1);
    assert!(matches!(belief.consistency((1, None), forged), Err(Disbelief::Checkpoint(_))));
}

#[tokio::test]
async fn a_log_that_was_exchanged_is_noticed() {
    let ((_one, first), (_other, second)) = (log().await, log().await);
    let belief = Belief::default();
    belief.checkpoint(signed(&first)).unwrap();
    let error = belief.checkpoint(signed(&second)).unwrap_err();
    let words = error.to_string();
    for log in [first.verifier().name(), second.verifier().name(), "restart"] {
        assert!(words.contains(log), "{words}");
    }
    assert!(matches!(belief.proof(Position(1), proof(&second, 1).await), Err(Disbelief::OtherKey { .. })));
    // A key of the right name that is another one does not do, either.
    let forged = SignedCheckpoint { public_key: second.verifier().to_string(), ..signed(&first) };
    assert!(matches!(belief.checkpoint(forged), Err(Disbelief::OtherKey { .. })));
    let none = SignedCheckpoint { public_key: "no key".to_owned(), ..signed(&first) };
    assert!(matches!(belief.checkpoint(none), Err(Disbelief::Key(_))));
    belief.checkpoint(signed(&first)).unwrap();
}
