//! How tables are asked: equality filters, one order, a limit, and a cursor to go on from.

use super::cell::{Cell, Key, Row, json};
use super::table::{ColumnKind, POSITION_COLUMN, Table};
use crate::money::Units;
use crate::port::event_log::{Direction, Position};
use crate::time::Timestamp;
use serde_json::Value;

/// Most rows of one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Which way rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By key.
    Key(Direction),
    /// By position, rows of one position by key.
    Position(Direction),
}

/// A question to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanQuery {
    /// Column and the value it must have; all of them. [`Cell::Null`] finds empty cells.
    pub filters: Vec<(String, Cell)>,
    /// Which way.
    pub order: Order,
    /// At most this many rows; more than [`PAGE_ROWS_MAX`] counts as that.
    pub limit: usize,
    /// Go on after this row.
    pub after: Option<Cursor>,
}

/// The last row of a page: where the next one begins. Stays valid when that row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its position.
    pub position: i64,
    /// Its key.
    pub key: Key,
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In the order asked for.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
}

/// What a store answers, and how much it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// Everything up to this position is in it, and nothing after it.
    pub as_of: Position,
    /// How many old rows the store has dropped from this table. They are in the log.
    pub cut_rows: u64,
}

impl ScanQuery {
    /// The newest rows first.
    #[must_use]
    pub fn newest(limit: usize) -> Self {
        Self { filters: vec![], order: Order::Position(Direction::Backward), limit, after: None }
    }

    /// Rows by key.
    #[must_use]
    pub fn by_key(limit: usize) -> Self {
        Self { filters: vec![], order: Order::Key(Direction::Forward), limit, after: None }
    }

    /// Only rows with this value in this column.
    #[must_use]
    pub fn filter(mut self, column: &str, value: impl Into<Cell>) -> Self {
        self.filters.push((column.to_owned(), value.into()));
        self
    }

    /// Oldest first instead of newest first, and the other way round.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        let flip = |direction| match direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        self.order = match self.order {
            Order::Key(direction) => Order::Key(flip(direction)),
            Order::Position(direction) => Order::Position(flip(direction)),
        };
        self
    }

    /// Go on after a page.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }
}

impl Cursor {
    /// The cursor of a row.
    #[must_use]
    pub fn of(table: &Table, row: &Row) -> Self {
        Self { position: table.position_of(row), key: table.key_of(row) }
    }

    /// The lowest place that a row of a position can have in a history. Backward, everything before the position comes after
    /// it; forward, a row that is named by the position alone is passed over.
    #[must_use]
    pub fn lowest_at(table: &Table, position: i64) -> Self {
        let lowest = |name: &&str| {
            if *name == POSITION_COLUMN {
                return Cell::Int(position);
            }
            match table.column(name).map(|column| column.kind) {
                Some(ColumnKind::Int64) => Cell::Int(i64::MIN),
                Some(ColumnKind::Bool) => Cell::Bool(false),
                Some(ColumnKind::Timestamp) => Cell::Time(Timestamp::MIN),
                Some(ColumnKind::Units) => Cell::Units(Units::ZERO),
                // Decimals and JSON stand in no key.
                Some(ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Json) | None => Cell::text(""),
            }
        };
        Self { position, key: Key(table.key.iter().map(lowest).collect()) }
    }

    /// As text: a JSON array of the position and the key's cells.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = vec![b'['];
        Cell::Int(self.position).write_json(&mut text);
        for cell in &self.key.0 {
            text.push(b',');
            cell.write_json(&mut text);
        }
        text.push(b']');
        json::shown(text)
    }

    /// Reads a cursor of `table` back; `None` when it is none.
    #[must_use]
    pub fn parse(table: &Table, text: &str) -> Option<Self> {
        let values: Vec<Value> = serde_json::from_str(text).ok()?;
        let (position, key) = values.split_first()?;
        if key.len() != table.key.len() {
            return None;
        }
        let cells = key.iter().zip(table.key).map(|(value, name)| read(table.column(name)?.kind, value));
        Some(Self { position: position.as_i64()?, key: Key(cells.collect::<Option<_>>()?) })
    }
}

fn read(kind: ColumnKind, value: &Value) -> Option<Cell> {
    match value {
        Value::String(text) => Cell::parse(kind, text),
        Value::Number(_) | Value::Bool(_) => Cell::parse(kind, &value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Table {
    /// Whether rows come in the same order by key as by position.
    #[must_use]
    pub fn key_is_position(&self) -> bool {
        self.key.first() == Some(&POSITION_COLUMN)
    }
}
