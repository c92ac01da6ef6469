//! Whose runs they are, and what is refused.

use crate::fixture::{SCHEMAS, THINGS, batch, key, thing};
use crate::support::open;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Cell, Change, Checkpoint, ColumnKind, ReadStore, Row, ScanQuery, Schema, StoreError, Table,
};
use stele_domain::port::state_store::{Histories, StateStore};
use stele_read_store::{Orders, RUN_MEMORY_BYTES_MIN, RunError, RunOptions, RunStore, States};
use tempfile::TempDir;

const OPTIONS: RunOptions = RunOptions {
    memory_bytes: RUN_MEMORY_BYTES_MIN,
    histories: Histories::Keep,
    states: States::Newest,
    orders: Orders::All,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_other_tables_or_kept_in_another_way_are_refused_and_removed_on_request() {
    let directory = TempDir::new().unwrap();
    let beside = directory.path().join("somebody's");
    std::fs::write(&beside, "not ours").unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Newest);
    runs.apply(batch("first", 0, 1, vec![thing("a", 1, None)])).await.unwrap();
    drop(runs);

    let newer: &[Schema] = &[Schema { version: 2, ..SCHEMAS[0] }, SCHEMAS[1], SCHEMAS[2]];
    let other_states = RunOptions { states: States::Every, ..OPTIONS };
    let passed_by = RunOptions { histories: Histories::PassBy, ..OPTIONS };
    let by_key = RunOptions { orders: Orders::Key, ..OPTIONS };
    for (schemas, options) in
        [(newer, OPTIONS), (SCHEMAS, other_states), (SCHEMAS, passed_by), (SCHEMAS, by_key)]
    {
        let error = RunStore::open(directory.path(), schemas, options).err().unwrap();
        assert!(matches!(error, RunError::Other { .. }) && error.is_mended_by_removal(), "{error:?}");
    }
    // Words that people read are no part of it.
    let table: &'static [Table] =
        Box::leak(Box::new([Table { doc: "In other words.", ..THINGS }, SCHEMAS[0].tables[1]]));
    let reworded = [Schema { tables: table, ..SCHEMAS[0] }, SCHEMAS[1], SCHEMAS[2]];
    drop(RunStore::open(directory.path(), &reworded, OPTIONS).unwrap());

    RunStore::remove(directory.path()).unwrap();
    RunStore::remove(directory.path()).unwrap();
    assert!(beside.exists(), "what is not ours stays");
    let anew = RunStore::open(directory.path(), newer, OPTIONS).unwrap();
    assert_eq!(anew.checkpoint("first").await.unwrap(), Checkpoint::NOTHING);
}

#[test]
fn a_directory_is_opened_once() {
    let directory = TempDir::new().unwrap();
    let first = open(directory.path(), Histories::Keep, States::Newest);
    let error = RunStore::open(directory.path(), SCHEMAS, OPTIONS).err().unwrap();
    assert!(matches!(error, RunError::InUse(_)) && !error.is_mended_by_removal(), "{error:?}");
    drop(first);
    drop(open(directory.path(), Histories::Keep, States::Newest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_are_kept_by_key_answer_by_key_and_say_so_to_whoever_asks_otherwise() {
    let directory = TempDir::new().unwrap();
    let by_key = RunOptions { orders: Orders::Key, ..OPTIONS };
    let runs = RunStore::open(directory.path(), SCHEMAS, by_key).unwrap();
    let things = vec![thing("a", 3, Some("red")), thing("b", 2, Some("blue")), thing("c", 1, None)];
    runs.apply(batch("first", 0, 3, things)).await.unwrap();
    let changed = vec![thing("b", 2, Some("red")), Change::Delete(key(THINGS.name, "c"))];
    runs.apply(batch("first", 3, 4, changed)).await.unwrap();
    let red = ScanQuery::by_key(9).filter("colour", "red");
    for query in [ScanQuery::by_key(9), red] {
        let rows = runs.scan(THINGS.name, &query).await.unwrap().value.rows;
        let names: Vec<String> = rows.iter().map(|row| row.0[0].to_string()).collect();
        assert_eq!(names, ["a", "b"], "{query:?}");
    }
    for query in [ScanQuery::newest(9), ScanQuery::newest(9).filter("colour", "red").reversed()] {
        let refused = runs.scan(THINGS.name, &query).await;
        assert!(
            matches!(&refused, Err(StoreError::Invalid(why)) if why.contains("order of keys")),
            "{refused:?}"
        );
    }
}

/// Whoever made new ones in their place would write among the files of those that are still open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_somebody_still_reads_are_not_removed() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Every);
    let first = batch("first", 0, 1, vec![thing("a", 1, None)]);
    runs.apply_all(vec![first, batch("second", 0, 1, vec![])]).await.unwrap();
    assert!(runs.is_writable());
    let fork = runs.fork(Position(1), Histories::Keep).await.unwrap();
    let refused = || {
        let error = RunStore::remove(directory.path()).unwrap_err();
        assert!(matches!(error, RunError::InUse(_)) && !error.is_mended_by_removal(), "{error:?}");
    };
    refused();
    drop(runs);
    refused();
    assert!(fork.load(&[key(THINGS.name, "a")]).await.unwrap()[0].is_some(), "nothing is gone");
    drop(fork);
    RunStore::remove(directory.path()).unwrap();
    let anew = open(directory.path(), Histories::Keep, States::Every);
    assert_eq!(anew.checkpoint("first").await.unwrap(), Checkpoint::NOTHING);
}

#[test]
fn a_key_that_can_not_be_ordered_is_refused_with_its_column() {
    const RATED: Table = Table { key: &["rate"], ..THINGS };
    let directory = TempDir::new().unwrap();
    let schema = [Schema { tables: &[RATED], ..SCHEMAS[0] }];
    let error = RunStore::open(directory.path(), &schema, OPTIONS).err().unwrap();
    assert_eq!(RATED.column("rate").unwrap().kind, ColumnKind::Decimal);
    let RunError::Tables(StoreError::Misfit(misfit)) = error else { panic!("{error:?}") };
    assert_eq!((misfit.table, misfit.column.as_str()), ("things", "rate"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_longer_than_a_run_can_hold_is_refused_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Newest);
    let refused = runs.apply(batch("first", 0, 1, vec![thing(&"x".repeat(70_000), 1, None)])).await;
    assert!(matches!(&refused, Err(StoreError::Invalid(why)) if why.contains("longer than")), "{refused:?}");
    assert_eq!(runs.checkpoint("first").await.unwrap().position, Position::START);
    // As long as it gets, and with a value in an index that is longer still.
    let long = "y".repeat(60_000);
    let Change::Put { table, row: Row(mut cells) } = thing(&long, 1, None) else { panic!() };
    cells[2] = Cell::text(&"z".repeat(100_000));
    runs.apply(batch("first", 0, 1, vec![Change::Put { table, row: Row(cells) }])).await.unwrap();
    let name = key(THINGS.name, &long);
    assert!(runs.load(&[name]).await.unwrap()[0].is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_runs_nor_a_fork_of_them_are_shown_as_of_one_moment_and_both_say_what_to_ask_for() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Every);
    runs.apply(batch("first", 0, 1, vec![thing("a", 1, None)])).await.unwrap();
    let fork = runs.fork(Position(1), Histories::Keep).await.unwrap();
    for (store, words) in [(&runs as &dyn ReadStore, "the state of a position"), (&*fork, "once more")] {
        let refused = store.still().await.err().unwrap();
        assert!(matches!(&refused, StoreError::Invalid(why) if why.contains(words)), "{refused:?}");
    }
}
