//! Between row structs and table rows, by serde: a field is a cell, a struct is a row.
//!
//! Fields must be named and ordered like the table's columns. A field whose column is JSON may be anything that
//! serde can write; any other is a number, a text, a yes or no, or an `Option` of one of these.

mod read;
mod write;

pub(crate) use write::Room;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use stele_domain::port::read_store::{Cell, Misfit, Row, Table};

/// Why a struct is no row of its table, or a row no such struct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table {table}: {why}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// What is wrong.
    pub why: String,
}

/// The row that a struct means.
///
/// # Errors
///
/// [`RowError`] when the fields are not the table's columns, or a value does not fit its column.
pub fn to_row<T: Serialize>(table: &Table, value: &T) -> Result<Row, RowError> {
    to_row_in(table, value, &mut Room::default())
}

/// As [`to_row`], with room from the row before.
pub(crate) fn to_row_in<T: Serialize>(table: &Table, value: &T, room: &mut Room) -> Result<Row, RowError> {
    let row = write::row(table, value, room).map_err(|unfit| RowError { table: table.name, why: unfit.0 })?;
    table.admits(&row).map_err(RowError::from)?;
    Ok(row)
}

/// The struct that a row means.
///
/// # Errors
///
/// [`RowError`] when the struct has other fields than the table has columns.
pub fn from_row<T: DeserializeOwned>(table: &Table, row: &Row) -> Result<T, RowError> {
    read::row(table, row).map_err(|unfit| RowError { table: table.name, why: unfit.0 })
}

impl From<Misfit> for RowError {
    fn from(misfit: Misfit) -> Self {
        Self { table: misfit.table, why: format!("{}: {}", misfit.column, misfit.why) }
    }
}

/// The cells of a row, to be changed one by one.
pub(crate) struct Fields<'r> {
    table: &'static Table,
    row: &'r mut Row,
}

impl<'r> Fields<'r> {
    pub fn of(table: &'static Table, row: &'r mut Row) -> Self {
        Self { table, row }
    }

    /// Says what stands in a column from now on, which must be one of the table.
    pub fn set(&mut self, column: &str, value: impl Into<Cell>) {
        let place = self.table.index_of(column);
        assert!(place.is_some(), "table {} has no column {column}", self.table.name);
        // A row that is too short for its table is refused as a whole.
        if let Some(cell) = place.and_then(|place| self.row.0.get_mut(place)) {
            *cell = value.into();
        }
    }
}

/// The words of serde about a value that does not fit.
#[derive(Debug)]
struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self(words.to_string())
    }
}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self(words.to_string())
    }
}

#[cfg(test)]
mod tests;
