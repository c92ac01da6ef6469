//! What only the memory store promises: it keeps no more than it must, says what it dropped, and finds what a
//! plain search would find.

use quickcheck::{Arbitrary, Gen};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::table::{column, optional};
use stele_domain::port::read_store::{
    Batch, Cell, Change, ColumnKind, Cursor, Key, Order, ReadStore, Retention, Row, RowKey, ScanQuery, Schema,
    Table,
};
use stele_read_store::MemoryStore;

const MOVING: Table = Table {
    name: "moving",
    doc: "Rows that change.",
    columns: &[
        column("id", ColumnKind::Int64, "Which."),
        column("position", ColumnKind::Int64, "Where it began."),
        optional("mark", ColumnKind::Int64, "Indexed."),
        column("text", ColumnKind::Text, "Anything."),
    ],
    key: &["id"],
    indexes: &["mark"],
    retention: Retention::All,
    append_only: false,
};

const CAPPED: Table =
    Table { name: "capped", retention: Retention::Newest { rows: 3, bytes: usize::MAX }, ..MOVING };

const WRITTEN: Table = Table {
    name: "written",
    key: &["position", "id"],
    retention: Retention::Newest { rows: 100, bytes: 1_000 },
    append_only: true,
    ..MOVING
};

const SCHEMAS: &[Schema] =
    &[Schema { projection: "p", version: 1, tables: &[MOVING, CAPPED, WRITTEN], shared: false }];

fn row(id: i64, position: i64, mark: Option<i64>, text: &str) -> Row {
    Row(vec![Cell::Int(id), Cell::Int(position), mark.map_or(Cell::Null, Cell::Int), Cell::from(text)])
}

async fn apply(store: &MemoryStore, changes: Vec<Change>) {
    let at = store.checkpoint("p").await.unwrap().position;
    let batch = Batch { projection: "p", version: 1, expected: at, checkpoint: at.next(), changes };
    store.apply(batch).await.unwrap();
}

async fn ids(store: &MemoryStore, table: &str) -> (Vec<i64>, u64) {
    let answer = store.scan(table, &ScanQuery::newest(1_000).reversed()).await.unwrap();
    let id = |row: &Row| if let Cell::Int(id) = row.0[0] { id } else { panic!("{row:?}") };
    (answer.value.rows.iter().map(id).collect(), answer.cut_rows)
}

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
async fn a_million_changes_take_no_more_room_than_a_thousand() {
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

/// What a batch does to a row, in a word.
#[derive(Debug, Clone)]
enum Act {
    Put { id: i64, position: i64, mark: Option<i64> },
    Delete { id: i64 },
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = |g: &mut Gen| i64::from(u8::arbitrary(g) % 12);
        if u8::arbitrary(g) % 5 == 0 {
            return Self::Delete { id: small(g) };
        }
        let mark = bool::arbitrary(g).then(|| small(g) % 3);
        Self::Put { id: small(g), position: small(g), mark }
    }
}

#[derive(Debug, Clone)]
struct Question {
    by_key: bool,
    backward: bool,
    mark: Option<Option<i64>>,
    position: Option<i64>,
    limit: usize,
    after: Option<(i64, i64)>,
}

impl Arbitrary for Question {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = |g: &mut Gen| i64::from(u8::arbitrary(g) % 12);
        Self {
            by_key: bool::arbitrary(g),
            backward: bool::arbitrary(g),
            mark: bool::arbitrary(g).then(|| bool::arbitrary(g).then(|| small(g) % 3)),
            position: (u8::arbitrary(g) % 4 == 0).then(|| small(g)),
            limit: usize::from(u8::arbitrary(g) % 5) + 1,
            after: bool::arbitrary(g).then(|| (small(g), small(g))),
        }
    }
}

impl Question {
    fn query(&self) -> ScanQuery {
        let direction = if self.backward { Direction::Backward } else { Direction::Forward };
        let mark = self.mark.map(|mark| ("mark".to_owned(), mark.map_or(Cell::Null, Cell::Int)));
        let position = self.position.map(|position| ("position".to_owned(), Cell::Int(position)));
        ScanQuery {
            filters: position.into_iter().chain(mark).collect(),
            order: if self.by_key { Order::Key(direction) } else { Order::Position(direction) },
            limit: self.limit,
            after: self.after.map(|(position, id)| Cursor { position, key: Key(vec![Cell::Int(id)]) }),
        }
    }

    /// The same, found by looking at every row.
    fn plainly(&self, rows: &BTreeMap<i64, Row>) -> Vec<Row> {
        let place = |row: &Row| {
            let (id, position) = (row.0[0].clone(), row.0[1].clone());
            if self.by_key { (Cell::Null, id) } else { (position, id) }
        };
        let mut found: Vec<Row> = rows.values().cloned().collect();
        found.sort_by_key(place);
        if self.backward {
            found.reverse();
        }
        if let Some((position, id)) = self.after {
            let first = if self.by_key { Cell::Null } else { Cell::Int(position) };
            let after = (first, Cell::Int(id));
            found.retain(|row| if self.backward { place(row) < after } else { place(row) > after });
        }
        found.retain(|row| self.mark.is_none_or(|mark| row.0[2] == mark.map_or(Cell::Null, Cell::Int)));
        found.retain(|row| self.position.is_none_or(|position| row.0[1] == Cell::Int(position)));
        found.truncate(self.limit);
        found
    }
}

#[test]
fn a_scan_finds_what_a_plain_search_finds() {
    fn law(acts: Vec<Act>, questions: Vec<Question>) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Arc::new(MemoryStore::new(SCHEMAS).unwrap());
        let mut plain = BTreeMap::new();
        runtime.block_on(async {
            for act in acts {
                let change = match act {
                    Act::Put { id, position, mark } => {
                        let row = row(id, position, mark, "text");
                        plain.insert(id, row.clone());
                        Change::Put { table: "moving", row }
                    }
                    Act::Delete { id } => {
                        plain.remove(&id);
                        Change::Delete(RowKey { table: "moving", key: Key(vec![Cell::Int(id)]) })
                    }
                };
                apply(&store, vec![change]).await;
            }
            for question in questions {
                let page = store.scan("moving", &question.query()).await.unwrap().value;
                if page.rows != question.plainly(&plain) {
                    return false;
                }
            }
            store.checkpoint("p").await.unwrap().position >= Position::START
        })
    }
    quickcheck::quickcheck(law as fn(Vec<Act>, Vec<Question>) -> bool);
}

#[test]
fn a_definition_that_makes_no_sense_is_refused() {
    let bounded_in_bytes =
        Table { append_only: false, retention: Retention::Newest { rows: 3, bytes: 10 }, ..MOVING };
    let nothing_kept =
        Table { retention: Retention::Newest { rows: 0, bytes: usize::MAX }, ..MOVING };
    let no_key = Table { key: &[], ..MOVING };
    for table in [bounded_in_bytes, nothing_kept, no_key] {
        let tables: &'static [Table] = Box::leak(Box::new([table]));
        let schema = Schema { projection: "p", version: 1, tables, shared: false };
        assert!(MemoryStore::new(&[schema]).is_err(), "{table:?}");
    }
    assert!(MemoryStore::new(&[SCHEMAS[0], SCHEMAS[0]]).is_err(), "the same projection twice");
}
