//! What holds for every projection of the desk, whatever the history.

use crate::support::{ALL, Act, Flaw, act, append, block_on, empty_log, empty_store, folded, log_of};
use std::collections::BTreeSet;
use stele_domain::codec;
use stele_domain::port::event_log::Position;
use stele_projections::compare::{dump, fold_to};
use stele_projections::models;

#[test]
fn any_batching_gives_the_same_tables() {
    fn law(acts: Vec<Act>, ends: Vec<u8>) -> bool {
        let mut ends: Vec<u64> = ends.into_iter().map(|end| u64::from(end) % 100).collect();
        ends.sort_unstable();
        block_on(async move {
            let log = log_of(&acts).await;
            let at_once = folded(&*log, ALL, &[]).await;
            at_once == folded(&*log, ALL, &ends).await
        })
    }
    quickcheck::QuickCheck::new().tests(40).quickcheck(law as fn(Vec<Act>, Vec<u8>) -> bool);
}

#[test]
fn projections_may_start_from_different_places() {
    fn law(acts: Vec<Act>, ahead: usize, end: u8) -> bool {
        block_on(async move {
            let log = log_of(&acts).await;
            let head = log.head().await.unwrap();
            let store = empty_store(ALL);
            let some = &ALL[..ahead % ALL.len()];
            let halfway = Position(u64::from(end) % (head.0 + 1));
            fold_to(&*log, &*store, some, halfway, |_| {}).await.unwrap();
            fold_to(&*log, &*store, ALL, head, |_| {}).await.unwrap();
            dump(&*store).await.unwrap() == folded(&*log, ALL, &[]).await
        })
    }
    quickcheck::QuickCheck::new().tests(25).quickcheck(law as fn(Vec<Act>, usize, u8) -> bool);
}

/// Where rows of tables are kept follows from nothing that happened: it is said on the log, and in no table.
const OF_THE_TABLES_THEMSELVES: [&str; 2] = ["operations.PartitionTiered", "operations.PartitionRestored"];

#[tokio::test]
async fn every_sample_event_leaves_a_row() {
    for event_type in codec::EVENT_TYPES {
        let log = log_of(&[act(event_type, 0)]).await;
        let dump = folded(&*log, ALL, &[]).await;
        let touched: Vec<_> =
            dump.tables.iter().filter(|(_, rows)| !rows.is_empty()).map(|(t, _)| t).collect();
        // Counts are kept of everything, so they prove nothing. What follows on a submission changes rows that
        // are not there here, and leaves its step.
        let own = touched.iter().filter(|table| *table.as_str() != *"event_counts").count();
        let leaves_one = !OF_THE_TABLES_THEMSELVES.contains(event_type);
        assert_eq!(own > 0, leaves_one, "{event_type} left {touched:?}");
    }
}

#[tokio::test]
async fn a_damaged_record_is_parked_by_every_projection_and_a_strangers_is_passed_over() {
    let log = empty_log();
    append(&*log, &Act { flaw: Flaw::Damaged, ..act("trading.Decided", 0) }).await;
    append(&*log, &Act { flaw: Flaw::Foreign, ..act("trading.Decided", 1) }).await;
    append(&*log, &act("trading.Decided", 2)).await;
    let dump = folded(&*log, ALL, &[]).await;
    assert_eq!(dump.position, Some(Position(3)));
    let parked = &dump.tables["parked_events"];
    assert_eq!(parked.len(), ALL.len());
    assert!(parked.keys().all(|key| key.starts_with("[1,")), "{parked:?}");
    assert_eq!(dump.tables["decisions"].len(), 1);
}

#[test]
fn every_table_is_well_defined_and_named_once() {
    let names: Vec<_> = models::tables().map(|table| table.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    for table in models::tables() {
        table.check().unwrap();
        assert!(table.columns.iter().all(|column| column.doc.ends_with('.')), "{}", table.name);
        assert_eq!(models::table(table.name), Some(table));
        assert!(
            !table.append_only || table.key_is_position(),
            "{}: a history is keyed by position",
            table.name
        );
    }
    let store = empty_store(ALL);
    assert_eq!(store.schemas().len(), ALL.len() + 1);
}
