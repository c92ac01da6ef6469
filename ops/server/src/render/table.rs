//! Tables for a terminal: no colours, as wide as the terminal.

use super::harmless::harmless;
use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// Most characters of one cell; a page of JSON in a cell is no table any more.
const CELL_CHARS_MAX: usize = 80;
/// Most columns that stand beside each other.
const COLUMNS_MAX: usize = 9;

/// A table with a frame. What stands in a cell can't leave it.
pub(crate) struct Framed(Table);

impl Framed {
    /// One more row.
    pub(crate) fn add_row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.add_row(cells.into_iter().map(|cell| harmless(cell.as_ref())));
    }
}

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A table with a frame and no rows yet.
pub(crate) fn framed<S: AsRef<str>>(header: &[S]) -> Framed {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| harmless(name.as_ref())));
    Framed(table)
}

/// Two columns without a frame: name and value.
pub(crate) fn facts<'r>(rows: impl IntoIterator<Item = (&'r str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for (name, value) in rows {
        table.add_row([harmless(name), harmless(&value)]);
    }
    table.trim_fmt()
}

/// Rows of a read model, all columns or those that were asked for; one below the other when a frame with all
/// of them would be too wide to read.
pub(crate) fn rows(columns: &[String], rows: &[Box<RawValue>]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| serde_json::from_str(row.get()).unwrap_or_default())
        .map(|row: Value| columns.iter().map(|column| cell(row.get(column))).collect())
        .collect();
    if columns.len() > COLUMNS_MAX {
        return upright(columns, cells);
    }
    let mut table = framed(columns);
    for row in cells {
        table.add_row(row);
    }
    table.to_string()
}

/// Each row as a list of names and values, without what is empty.
fn upright(columns: &[String], rows: Vec<Vec<String>>) -> String {
    let blocks = rows.into_iter().zip(1..).map(|(row, number)| {
        let filled = columns.iter().map(String::as_str).zip(row).filter(|(_, value)| !value.is_empty());
        format!("── {number}\n{}", facts(filled))
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    };
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(CELL_CHARS_MAX).collect();
    format!("{cut}…")
}
