//! Two small projections and a shared table, and rows to put into them.

use rust_decimal::Decimal;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use stele_domain::money::Units;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::table::{column, optional};
use stele_domain::port::read_store::{
    Batch, Cell, Change, ColumnKind, Digest, Key, ReadStore, Retention, Row, RowKey, Schema, StoreError,
    Table,
};
use stele_domain::time::Timestamp;

/// An open store that holds nothing yet.
pub type Opened = Pin<Box<dyn Future<Output = Arc<dyn ReadStore>> + Send>>;

/// How a store is opened for the suite: empty, every time.
pub trait Open: Send + Sync {
    fn open(&self, schemas: &[Schema]) -> Opened;
}

/// Rows that change: one of every kind of column.
pub const THINGS: Table = Table {
    name: "things",
    doc: "Things that change.",
    columns: &[
        column("id", ColumnKind::Text, "Which."),
        column("position", ColumnKind::Int64, "Where it began."),
        optional("colour", ColumnKind::Text, "An indexed column."),
        optional("size", ColumnKind::Int64, "A column without index."),
        column("alive", ColumnKind::Bool, "Yes or no."),
        optional("amount", ColumnKind::Units, "Base units."),
        optional("rate", ColumnKind::Decimal, "A decimal."),
        optional("at", ColumnKind::Timestamp, "When."),
        optional("parts", ColumnKind::Json, "Anything."),
    ],
    key: &["id"],
    indexes: &["colour"],
    retention: Retention::All,
    append_only: false,
};

/// Rows that are written once, of which only five must be kept.
pub const STEPS: Table = Table {
    name: "steps",
    doc: "Steps, once written never changed.",
    columns: &[
        column("position", ColumnKind::Int64, "Where."),
        column("part", ColumnKind::Int64, "Which of the steps of one position."),
        column("thing", ColumnKind::Text, "Whose."),
    ],
    key: &["position", "part"],
    indexes: &["thing"],
    retention: Retention::Newest { rows: STEPS_KEPT, bytes: 1 << 20 },
    append_only: true,
};

/// How many steps a store must keep.
pub const STEPS_KEPT: usize = 5;

/// The other projection's.
pub const OTHERS: Table = Table {
    name: "others",
    doc: "Of another projection.",
    columns: &[column("name", ColumnKind::Text, "Which."), column("position", ColumnKind::Int64, "Where.")],
    key: &["name"],
    indexes: &[],
    retention: Retention::All,
    append_only: false,
};

/// Everybody's.
pub const NOTES: Table = Table { name: "notes", doc: "Of every projection.", ..OTHERS };

pub const SCHEMAS: &[Schema] = &[
    Schema { projection: "first", version: 1, tables: &[THINGS, STEPS], shared: false },
    Schema { projection: "second", version: 1, tables: &[OTHERS], shared: false },
    Schema { projection: "shared", version: 1, tables: &[NOTES], shared: true },
];

/// A thing with a colour.
pub fn thing(id: &str, position: i64, colour: Option<&str>) -> Change {
    let colour = colour.map_or(Cell::Null, Cell::from);
    let rest = [Cell::Null, Cell::Bool(true), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    let mut cells = vec![Cell::from(id), Cell::Int(position), colour];
    cells.extend(rest);
    Change::Put { table: THINGS.name, row: Row(cells) }
}

/// A thing with something in every column, as awkward as it gets.
pub fn awkward() -> Row {
    Row(vec![
        Cell::from("quote \" backslash \\ newline \n umlaut ü emoji 🗿 %_'"),
        Cell::Int(i64::MAX),
        Cell::from(""),
        Cell::Int(i64::MIN),
        Cell::Bool(false),
        Cell::Units(
            "115792089237316195423570985008687907853269984665640564039457584007913129639935"
                .parse::<Units>()
                .unwrap(),
        ),
        Cell::Decimal(Decimal::from_str_exact("-0.0000000000000000000000000001").unwrap()),
        Cell::Time(Timestamp::parse("1969-12-31T23:59:59.999999Z").unwrap()),
        Cell::Json("{\"b\": [1, 2],\"a\":\"\\u0000 word for word\"}".into()),
    ])
}

pub fn step(position: i64, part: i64, thing: &str) -> Change {
    let row = Row(vec![Cell::Int(position), Cell::Int(part), Cell::from(thing)]);
    Change::Put { table: STEPS.name, row }
}

/// A row of [`OTHERS`] or [`NOTES`].
pub fn named(table: &'static str, name: &str, position: i64) -> Change {
    Change::Put { table, row: Row(vec![Cell::from(name), Cell::Int(position)]) }
}

pub fn gone(id: &str) -> Change {
    Change::Delete(key(THINGS.name, id))
}

pub fn key(table: &'static str, name: &str) -> RowKey {
    RowKey { table, key: Key::from(name) }
}

pub fn batch(projection: &'static str, from: u64, to: u64, changes: Vec<Change>) -> Batch {
    Batch {
        projection,
        version: 1,
        expected: Position(from),
        checkpoint: Position(to),
        event_id: None,
        digests: digests(&changes, to),
        changes,
    }
}

/// A digest of every part that changes: stores don't look into them, so each says where it was made.
pub fn digests(changes: &[Change], to: u64) -> Vec<Digest> {
    let mut parts = std::collections::BTreeSet::new();
    for change in changes {
        match change {
            Change::Put { table, row } => {
                let known =
                    SCHEMAS.iter().flat_map(|schema| schema.tables).find(|known| known.name == *table);
                parts.insert((*table, known.map_or(0, |known| known.part_of(row))));
            }
            Change::Delete(gone) => {
                parts.insert((gone.table, 0));
            }
        }
    }
    parts.into_iter().map(|(table, part)| digest(table, part, to)).collect()
}

/// A digest that says where it was made.
pub fn digest(table: &'static str, part: u64, to: u64) -> Digest {
    let length = if table == STEPS.name { 32 } else { 2_048 };
    let mut value = vec![0xa5; length];
    value[..8].copy_from_slice(&to.to_le_bytes());
    Digest { table, part, rows: to, value: value.into() }
}

pub async fn put(store: &dyn ReadStore, from: u64, to: u64, changes: Vec<Change>) -> Result<(), StoreError> {
    store.apply(batch("first", from, to, changes)).await
}
