//! What a newer build wrote: where an audit ends then, and in which words it says so.

use crate::audit::{audited, audited_to, of_table, story, tables_of};
use crate::support::ALL;
use std::sync::Arc;
use stele_domain::ids::{EventId, derived};
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, StreamId};
use stele_domain::port::read_store::{Batch, ReadStore};
use stele_projections::audit::Verdict;

/// A story of 30 events, the tables that follow from it, and three more: the second is of a newer build.
async fn story_of_two_builds() -> (Arc<dyn EventLog>, Arc<dyn ReadStore>) {
    let log = story().await;
    let store = tables_of(&*log).await;
    for (number, event_type) in
        ["weather.Rained", "trading.Imagined", "weather.Rained"].into_iter().enumerate()
    {
        let record = NewRecord {
            event_id: EventId(derived("newer", &[&number.to_string()])),
            event_type: event_type.into(),
            data: Arc::from(*b"{}"),
            metadata: Arc::from(*b"{}"),
        };
        let ours = event_type.starts_with("trading.");
        let stream = StreamId::new(if ours { "account-solver.near" } else { "weather-berlin" }).unwrap();
        log.append(&stream, Expected::Any, vec![record]).await.unwrap();
    }
    (log, store)
}

/// The build that wrote it has folded on with all projections but this one, and this build came back.
async fn folded_on(store: &dyn ReadStore, but_for: &str) {
    for projection in ALL.iter().filter(|projection| projection.name != but_for) {
        let (at, _) = store.digests(projection.name).await.unwrap();
        let batch = Batch {
            projection: projection.name,
            version: at.version,
            expected: at.position,
            checkpoint: Position(33),
            event_id: None,
            changes: vec![],
            digests: vec![],
        };
        store.apply(batch).await.unwrap();
    }
}

#[tokio::test]
async fn an_audit_ends_right_before_what_a_newer_build_wrote_and_says_so() {
    let (log, store) = story_of_two_builds().await;
    let before = audited(&log, &store).await;
    assert_eq!(
        (before.verdict(), before.position, &before.not_looked_at[..]),
        (Verdict::Agrees, Position(30), &[][..])
    );

    // Nothing to compare: then it goes as far as it can.
    let alone = audited_to(&log, None, ALL, None).await.unwrap();
    let [unseen] = &alone.not_looked_at[..] else { panic!("{:?}", alone.not_looked_at) };
    assert_eq!((alone.position, &*unseen.what), (Position(31), "everything from position 32 on"));
    assert!(
        unseen.why.contains("trading.Imagined") && unseen.why.contains("the build that wrote it"),
        "{unseen:?}"
    );

    folded_on(&*store, "").await;
    let beyond = audited(&log, &store).await;
    assert_eq!((beyond.verdict(), beyond.position), (Verdict::Agrees, Position(31)));
    assert!(beyond.not_looked_at[0].what.contains("position 32"), "{:?}", beyond.not_looked_at);
    assert_eq!(of_table(&beyond, "quotes").rows_live, Some(2));
    assert_eq!(of_table(&beyond, "balances").verdict, Verdict::NotCompared);
}

/// Nobody asked for position 31, and neither asking without a position nor asking later compares more.
#[tokio::test]
async fn what_is_not_compared_for_a_newer_build_is_put_down_to_that_whatever_was_asked_for() {
    let (log, store) = story_of_two_builds().await;
    folded_on(&*store, "alerts").await;
    let reason = "the audit ends at position 31, because the event at position 32 (trading.Imagined) is of a newer build";
    for asked in [None, Some(Position(33))] {
        let found = audited_to(&log, Some(&store), ALL, asked).await.unwrap();
        assert_eq!(found.position, Position(31));
        let [first, rest @ ..] = &found.not_looked_at[..] else { panic!("nothing is said") };
        assert_eq!(first.what, "everything from position 32 on");
        for unseen in rest {
            assert!(unseen.why.ends_with(reason), "{unseen:?}");
        }
        let why = |what: &str| rest.iter().find(|unseen| unseen.what == what).map(|unseen| &*unseen.why);
        let changing = format!("their rows change, and they show position 33: {reason}");
        assert_eq!(why("the rows of services"), Some(&*changing));
        let behind = format!("the tables are at position 30, and {reason}");
        assert_eq!(why("projection alerts after position 30"), Some(&*behind));
    }
}
