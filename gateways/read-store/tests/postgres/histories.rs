//! Histories in partitions, which are made when a row needs one. How they leave and come back stands in `gateways/lake/tests/tiering`.

use crate::fixture::{OTHERS, SCHEMAS, STEPS, batch, digest, named, put, step, thing};
use crate::server::{Database, server};
use sqlx::Row as _;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Checkpoint, ReadStore, ScanQuery, Schema, StoreError};
use stele_read_store::{Options, PostgresStore};

async fn database() -> Database {
    server().await.database_with(SCHEMAS, 10).await
}

async fn partitions(database: &Database) -> Vec<(i64, i64)> {
    let mut connection = database.connect("stele_app").await;
    let rows = sqlx::query(
        "SELECT from_position, to_position FROM read_model.partitions WHERE table_name = 'steps' ORDER BY 1",
    );
    rows.fetch_all(&mut connection).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn partitions_are_made_where_rows_need_them_and_nowhere_else() {
    let database = database().await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 3, vec![step(3, 0, "a"), step(9, 0, "a"), step(10, 0, "a")]).await.unwrap();
    put(&store, 3, 4, vec![step(1_000_000, 0, "far")]).await.unwrap();
    assert_eq!(partitions(&database).await, [(0, 10), (10, 20), (1_000_000, 1_000_010)]);
    let page = store.scan(STEPS.name, &ScanQuery::newest(9)).await.unwrap().value;
    assert_eq!(page.rows.len(), 4);
}

#[tokio::test]
async fn a_row_at_the_end_of_the_world_has_a_partition_too() {
    let database = database().await;
    let store = database.store(SCHEMAS).await;
    let ends = [i64::MIN, -1, 0, i64::MAX - 1, i64::MAX];
    put(&store, 0, 1, ends.map(|at| step(at, 0, "a")).to_vec()).await.unwrap();
    let page = store.scan(STEPS.name, &ScanQuery::newest(9).reversed()).await.unwrap().value;
    let at: Vec<i64> = page.rows.iter().map(|row| STEPS.position_of(row)).collect();
    assert_eq!(at, ends);
}

#[tokio::test]
async fn a_new_span_holds_from_the_next_partition_on() {
    let database = database().await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 1, vec![step(5, 0, "a")]).await.unwrap();
    database
        .run(
            "stele_owner",
            "UPDATE read_model.storage_policy SET partition_span = 25 WHERE table_name = 'steps'",
        )
        .await
        .unwrap();
    put(&store, 1, 2, vec![step(12, 0, "a"), step(26, 0, "a")]).await.unwrap();
    assert_eq!(partitions(&database).await, [(0, 10), (10, 25), (25, 50)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_need_the_same_partition_make_it_once() {
    let database = database().await;
    let (one, other) = (database.store(SCHEMAS).await, database.store(SCHEMAS).await);
    for round in 0..10_u64 {
        let at = i64::try_from(round).unwrap() * 10;
        let first = put(&one, round, round + 1, vec![step(at, 0, "a")]);
        let second = put(&other, round, round + 1, vec![step(at, 0, "a")]);
        let (first, second) = tokio::join!(first, second);
        assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1);
    }
    assert_eq!(partitions(&database).await.len(), 10);
}

#[tokio::test]
async fn another_version_is_folded_again_only_when_asked() {
    let database = database().await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 9, vec![thing("old", 1, None), step(1, 0, "a")]).await.unwrap();
    store.apply(batch("second", 0, 4, vec![named(OTHERS.name, "kept", 1)])).await.unwrap();
    drop(store);

    let newer: Vec<Schema> = SCHEMAS
        .iter()
        .map(|schema| Schema {
            version: if schema.projection == "first" { 2 } else { schema.version },
            ..*schema
        })
        .collect();
    let store = database.store(&newer).await;
    assert_eq!(store.checkpoint("first").await.unwrap().version, 1, "opening alone changes nothing");
    assert_eq!(store.digests("first").await.unwrap().1, [], "rows of another version have no digests here");
    let refused = store.apply(Batch { version: 2, ..batch("first", 9, 10, vec![]) }).await;
    assert!(matches!(refused, Err(StoreError::OtherVersion { stored: 1, offered: 2, .. })), "{refused:?}");

    let options = Options { start_over: true, ..Options::default() };
    let store = PostgresStore::open(&database.app_url(), &newer, options).await.unwrap();
    let at = store.checkpoint("first").await.unwrap();
    assert_eq!((at.version, at.position), (0, Position::START));
    assert_eq!(
        store.digests("first").await.unwrap(),
        (Checkpoint::NOTHING, vec![]),
        "digests go with their rows"
    );
    assert_eq!(store.digests("second").await.unwrap().1, [digest(OTHERS.name, 0, 4)]);
    assert!(store.scan("things", &ScanQuery::newest(9)).await.unwrap().value.rows.is_empty());
    assert!(store.scan("steps", &ScanQuery::newest(9)).await.unwrap().value.rows.is_empty());
    let other = store.scan(OTHERS.name, &ScanQuery::newest(9)).await.unwrap();
    assert_eq!((other.value.rows.len(), other.as_of), (1, Position(4)), "the others stay");
    store.apply(Batch { version: 2, ..batch("first", 0, 1, vec![thing("new", 1, None)]) }).await.unwrap();
}

/// What a build does that knows no digests: it moves the checkpoint, and nothing of what it knows not.
#[tokio::test]
async fn rows_that_were_kept_without_digests_are_refused_and_folded_again_by_the_desk_that_writes() {
    let database = database().await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 9, vec![thing("old", 1, None)]).await.unwrap();
    store.apply(batch("second", 0, 4, vec![named(OTHERS.name, "kept", 1)])).await.unwrap();
    let older = "UPDATE read_model.checkpoints SET position = 12 WHERE projection = 'first'";
    database.run("stele_app", older).await.unwrap();
    let refused = store.digests("first").await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Undigested { position: Position(12), digested: Position(9), .. }),
        "{refused:?}"
    );
    let said = refused.to_string();
    assert!(said.contains("start the desk that writes these tables") && !refused.is_transient(), "{said}");
    assert_eq!(
        store.scan("things", &ScanQuery::newest(9)).await.unwrap().value.rows.len(),
        1,
        "still readable"
    );
    drop(store);

    let options = Options { start_over: true, ..Options::default() };
    let store = PostgresStore::open(&database.app_url(), SCHEMAS, options).await.unwrap();
    assert_eq!(store.digests("first").await.unwrap(), (Checkpoint::NOTHING, vec![]));
    assert!(store.scan("things", &ScanQuery::newest(9)).await.unwrap().value.rows.is_empty());
    assert_eq!(store.checkpoint("second").await.unwrap().position, Position(4), "the others stay");
    put(&store, 0, 1, vec![thing("new", 1, None)]).await.unwrap();
    assert_eq!(store.digests("first").await.unwrap().1, [digest("things", 0, 1)]);
}
