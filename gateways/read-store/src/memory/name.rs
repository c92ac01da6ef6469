//! What a row is found by. Most rows are those of histories, and named by their position: a number, and no key of its own.

use std::sync::Arc;
use stele_domain::port::read_store::{Cell, Key, Row, Table, Text};

/// The name of a row. Names of one table compare as their keys do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The key is this whole number.
    Number(i64),
    /// The key is this text alone, such as an id.
    Text(Text),
    /// Any other.
    Key(Arc<Key>),
}

impl Name {
    /// Of a row that fits its table.
    pub fn of_row(table: &Table, row: &Row) -> Self {
        let only = match table.key {
            [only] => table.cell(row, only),
            _ => None,
        };
        match only {
            Some(Cell::Int(number)) => Self::Number(*number),
            Some(Cell::Text(text)) => Self::Text(text.clone()),
            _ => Self::Key(Arc::new(table.key_of(row))),
        }
    }
}

impl From<&Key> for Name {
    fn from(key: &Key) -> Self {
        match key.0.as_slice() {
            [Cell::Int(number)] => Self::Number(*number),
            [Cell::Text(text)] => Self::Text(text.clone()),
            _ => Self::Key(Arc::new(key.clone())),
        }
    }
}
