//! It keeps no more than it must, and says what it dropped.

use crate::fixture::{MOVING, SCHEMAS, apply, ids, row};
use stele_domain::port::read_store::{Change, Retention, Schema, Table};
use stele_read_store::MemoryStore;

#[tokio::test]
async fn the_oldest_rows_are_dropped_and_that_is_said() {
    let store = MemoryStore::new(SCHEMAS).unwrap();
    for id in 1..=5 {
        apply(&store, vec![Change::Put { table: "capped", row: row(id, id, None, "") }]).await;
    }
    assert_eq!(ids(&store, "capped").await, (vec![3, 4, 5], 2));
}

#[tokio::test]
async fn a_change_does_not_make_a_row_younger() {
    let store = MemoryStore::new(SCHEMAS).unwrap();
    let put = |id, text: &'static str| Change::Put { table: "capped", row: row(id, id, Some(id), text) };
    apply(&store, vec![put(1, ""), put(2, ""), put(3, "")]).await;
    apply(&store, vec![put(1, "changed")]).await;
    apply(&store, vec![put(4, "")]).await;
    assert_eq!(ids(&store, "capped").await, (vec![2, 3, 4], 1));
}

#[tokio::test]
async fn large_rows_are_bounded_in_bytes() {
    let store = MemoryStore::new(SCHEMAS).unwrap();
    let text = "x".repeat(300);
    for id in 1..=10 {
        apply(&store, vec![Change::Put { table: "written", row: row(id, id, None, &text) }]).await;
    }
    assert_eq!(ids(&store, "written").await, (vec![8, 9, 10], 7));
    let usage = store.usage().into_iter().find(|usage| usage.table == "written").unwrap();
    assert!(usage.bytes <= 1_000, "{usage:?}");
    let giant = "x".repeat(5_000);
    apply(&store, vec![Change::Put { table: "written", row: row(11, 11, None, &giant) }]).await;
    assert_eq!(ids(&store, "written").await.0, [11], "the newest row stays, however large");
}

#[tokio::test]
async fn twenty_thousand_rows_take_no_more_room_than_one_thousand() {
    let store = MemoryStore::new(SCHEMAS).unwrap();
    let mut after_thousand = 0;
    for round in 0..200_i64 {
        let changes = (0..100).map(|i| {
            let id = round * 100 + i;
            Change::Put { table: "written", row: row(id, id, Some(id % 7), "some text") }
        });
        apply(&store, changes.collect()).await;
        if round == 10 {
            after_thousand = store.usage().iter().map(|usage| usage.bytes).sum();
        }
    }
    let at_the_end: usize = store.usage().iter().map(|usage| usage.bytes).sum();
    assert!(at_the_end <= after_thousand.max(1_000), "{at_the_end} bytes after {after_thousand}");
}

#[test]
fn a_definition_that_makes_no_sense_is_refused() {
    let bounded_in_bytes =
        Table { append_only: false, retention: Retention::Newest { rows: 3, bytes: 10 }, ..MOVING };
    let nothing_kept = Table { retention: Retention::Newest { rows: 0, bytes: usize::MAX }, ..MOVING };
    let no_key = Table { key: &[], ..MOVING };
    for table in [bounded_in_bytes, nothing_kept, no_key] {
        let tables: &'static [Table] = Box::leak(Box::new([table]));
        let schema = Schema { projection: "p", version: 1, tables, shared: false };
        assert!(MemoryStore::new(&[schema]).is_err(), "{table:?}");
    }
    assert!(MemoryStore::new(&[SCHEMAS[0], SCHEMAS[0]]).is_err(), "the same projection twice");
}
