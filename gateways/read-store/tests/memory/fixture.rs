//! A table without bounds, one with a few rows, one with a few bytes.

use stele_domain::port::read_store::table::{column, optional};
use stele_domain::port::read_store::{
    Batch, Cell, Change, ColumnKind, Digest, ReadStore, Retention, Row, ScanQuery, Schema, Table,
};
use stele_read_store::MemoryStore;

pub const MOVING: Table = Table {
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

pub const CAPPED: Table =
    Table { name: "capped", retention: Retention::Newest { rows: 3, bytes: usize::MAX }, ..MOVING };

pub const WRITTEN: Table = Table {
    name: "written",
    key: &["position", "id"],
    retention: Retention::Newest { rows: 100, bytes: 1_000 },
    append_only: true,
    ..MOVING
};

pub const SCHEMAS: &[Schema] =
    &[Schema { projection: "p", version: 1, tables: &[MOVING, CAPPED, WRITTEN], shared: false }];

pub fn row(id: i64, position: i64, mark: Option<i64>, text: &str) -> Row {
    Row(vec![Cell::Int(id), Cell::Int(position), mark.map_or(Cell::Null, Cell::Int), Cell::from(text)])
}

pub async fn apply(store: &MemoryStore, changes: Vec<Change>) {
    let at = store.checkpoint("p").await.unwrap().position;
    let digest = |table: &Table| Digest { table: table.name, part: 0, rows: 1, value: Box::new([]) };
    let batch = Batch {
        projection: "p",
        version: 1,
        expected: at,
        checkpoint: at.next(),
        event_id: None,
        changes,
        digests: SCHEMAS[0].tables.iter().map(digest).collect(),
    };
    store.apply(batch).await.unwrap();
}

pub async fn ids(store: &MemoryStore, table: &str) -> (Vec<i64>, u64) {
    let answer = store.scan(table, &ScanQuery::newest(1_000).reversed()).await.unwrap();
    let id = |row: &Row| if let Cell::Int(id) = row.0[0] { id } else { panic!("{row:?}") };
    (answer.value.rows.iter().map(id).collect(), answer.cut_rows)
}
