//! What a table looks like: columns with a kind and a meaning, a key, and how much of it is kept.
//!
//! Definitions are data, so that stores make their schema, and documents their pages, from the same words.

use super::cell::{Cell, Key, Row, has_nul, json};

/// The column that every table has: the log position of the event that made the row.
pub const POSITION_COLUMN: &str = "position";

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnKind {
    /// UTF-8 without U+0000.
    Text,
    /// A whole number. Counts and spans that don't fit are kept as the largest that does.
    Int64,
    /// Yes or no.
    Bool,
    /// UTC, whole microseconds.
    Timestamp,
    /// Base units of a token, up to 256 bits; `NUMERIC(78,0)` in SQL.
    Units,
    /// An exact decimal of at most 28 digits.
    Decimal,
    /// JSON text, kept word for word.
    Json,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Lower case with underscores.
    pub name: &'static str,
    /// What stands in it.
    pub kind: ColumnKind,
    /// Whether it may be empty.
    pub nullable: bool,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// A column that always has a value.
#[must_use]
pub const fn column(name: &'static str, kind: ColumnKind, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, doc }
}

/// A column that may be empty.
#[must_use]
pub const fn optional(name: &'static str, kind: ColumnKind, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

/// How much of a table a store must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// All of it: the number of rows is bounded by what they are about.
    All,
    /// At least the newest rows by position; the log has the rest. A store with little room keeps no more.
    Newest {
        /// How many rows.
        rows: usize,
        /// How many bytes of stored rows. Only for append-only tables, where a row's size never changes.
        bytes: usize,
    },
}

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Lower case with underscores.
    pub name: &'static str,
    /// What a row is.
    pub doc: &'static str,
    /// In the order of the cells of a row.
    pub columns: &'static [Column],
    /// The columns that name a row. Never empty, never nullable.
    pub key: &'static [&'static str],
    /// The columns that people look rows up by, apart from the key.
    pub indexes: &'static [&'static str],
    /// How much is kept.
    pub retention: Retention,
    /// Whether a row never changes once it is written.
    pub append_only: bool,
}

/// The tables of one projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Whose.
    pub projection: &'static str,
    /// Version of the definition: other rows from the same log, other version.
    pub version: u32,
    /// Its tables.
    pub tables: &'static [Table],
    /// Whether every projection may write here. Such a schema has no checkpoint of its own: its rows are as of
    /// the slowest projection.
    pub shared: bool,
}

/// Why a row does not fit its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column}: {why}")]
pub struct Misfit {
    /// The table.
    pub table: &'static str,
    /// The column, or the row as a whole.
    pub column: String,
    /// What is wrong.
    pub why: String,
}

impl Table {
    /// Where a column stands in a row.
    #[must_use]
    pub fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether the definition makes sense; the first thing that doesn't.
    ///
    /// # Errors
    ///
    /// [`Misfit`] names the column.
    pub fn check(&self) -> Result<(), Misfit> {
        let place = self.column(POSITION_COLUMN);
        if place.is_none_or(|c| c.kind != ColumnKind::Int64 || c.nullable) {
            return Err(self.misfit(POSITION_COLUMN, "every table has this whole-number column"));
        }
        if self.key.is_empty() {
            return Err(self.misfit("key", "a row needs a name"));
        }
        for name in self.key.iter().chain(self.indexes) {
            if self.column(name).is_none_or(|c| c.kind == ColumnKind::Json) {
                return Err(self.misfit(name, "rows can't be found by it: unknown, or JSON"));
            }
        }
        if let Some(name) = self.key.iter().find(|name| self.column(name).is_none_or(|c| c.nullable)) {
            return Err(self.misfit(name, "part of the key, and may be empty"));
        }
        if self.append_only && !self.key_is_position() {
            return Err(self.misfit("key", "rows that never change are named by their position first"));
        }
        let twice =
            self.columns.iter().find(|c| self.columns.iter().filter(|d| d.name == c.name).count() > 1);
        twice.map_or(Ok(()), |c| Err(self.misfit(c.name, "there are two of it")))
    }

    /// Whether a row fits.
    ///
    /// # Errors
    ///
    /// [`Misfit`] names the first cell that does not.
    pub fn admits(&self, row: &Row) -> Result<(), Misfit> {
        if row.0.len() != self.columns.len() {
            let why = format!("{} cells for {} columns", row.0.len(), self.columns.len());
            return Err(self.misfit("row", &why));
        }
        for (column, cell) in self.columns.iter().zip(&row.0) {
            match cell {
                Cell::Null if column.nullable => {}
                Cell::Null => return Err(self.misfit(column.name, "empty, and may not be")),
                Cell::Text(text) if has_nul(text.as_bytes()) => {
                    return Err(self.misfit(column.name, "text with U+0000"));
                }
                Cell::Text(_)
                | Cell::Int(_)
                | Cell::Bool(_)
                | Cell::Time(_)
                | Cell::Units(_)
                | Cell::Decimal(_)
                | Cell::Json(_) => {
                    if cell.kind() != Some(column.kind) {
                        let why = format!("{:?} where {:?} belongs", cell.kind(), column.kind);
                        return Err(self.misfit(column.name, &why));
                    }
                }
            }
        }
        Ok(())
    }

    /// The name of a row that fits.
    #[must_use]
    pub fn key_of(&self, row: &Row) -> Key {
        // Stores keep keys as long as rows: no room for cells that never come.
        let mut cells = Vec::with_capacity(self.key.len());
        cells.extend(self.key.iter().filter_map(|name| row.0.get(self.index_of(name)?).cloned()));
        Key(cells)
    }

    /// The position of a row that fits; zero for one that doesn't.
    #[must_use]
    pub fn position_of(&self, row: &Row) -> i64 {
        match self.cell(row, POSITION_COLUMN) {
            Some(Cell::Int(position)) => *position,
            Some(
                Cell::Null
                | Cell::Text(_)
                | Cell::Bool(_)
                | Cell::Time(_)
                | Cell::Units(_)
                | Cell::Decimal(_)
                | Cell::Json(_),
            )
            | None => 0,
        }
    }

    /// One cell of a row, by column name.
    #[must_use]
    pub fn cell<'r>(&self, row: &'r Row, column: &str) -> Option<&'r Cell> {
        row.0.get(self.index_of(column)?)
    }

    /// The canonical text of a row: a JSON array of its cells in column order, numbers that may pass 64 bits as
    /// strings. Two rows of a table are equal exactly when their canonical texts are; comparison and digests
    /// stand on it.
    #[must_use]
    pub fn canonical(&self, row: &Row) -> String {
        let mut text = Vec::with_capacity(self.columns.len().saturating_mul(16));
        self.write_canonical(row, &mut text);
        json::shown(text)
    }

    /// Appends the [canonical text](Self::canonical) of a row.
    pub fn write_canonical(&self, row: &Row, text: &mut Vec<u8>) {
        for (i, cell) in row.0.iter().enumerate() {
            text.push(if i == 0 { b'[' } else { b',' });
            cell.write_json(text);
        }
        text.push(b']');
    }

    /// A row as a JSON object, for programs.
    #[must_use]
    pub fn json(&self, row: &Row) -> String {
        let mut text = Vec::with_capacity(self.columns.len().saturating_mul(32));
        for (i, (column, cell)) in self.columns.iter().zip(&row.0).enumerate() {
            text.extend_from_slice(if i == 0 { b"{\"" } else { b",\"" });
            text.extend_from_slice(column.name.as_bytes());
            text.extend_from_slice(b"\":");
            cell.write_json(&mut text);
        }
        text.push(b'}');
        json::shown(text)
    }

    pub(super) fn misfit(&self, column: &str, why: &str) -> Misfit {
        Misfit { table: self.name, column: column.to_owned(), why: why.to_owned() }
    }
}
