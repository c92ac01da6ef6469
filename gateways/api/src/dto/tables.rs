//! Read models: what tables there are, pages of rows, and rows for the proof.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// Its name in rows and filters.
    pub name: String,
    /// `text`, `int64`, `bool`, `timestamp`, `units`, `decimal` or `json`.
    pub kind: String,
    /// Whether it may be empty.
    pub nullable: bool,
    /// What it means, with its unit.
    pub doc: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableInfo {
    /// Its name in paths.
    pub name: String,
    /// What a row is.
    pub doc: String,
    /// The projection that makes it.
    pub projection: String,
    /// Version of that projection.
    pub version: u32,
    /// In the order of a canonical row.
    pub columns: Vec<Column>,
    /// The columns that name a row.
    pub key: Vec<String>,
    /// Whether a row never changes once it is written.
    pub append_only: bool,
    /// Rows that every store keeps at least, the newest ones; none when all are kept. The log has the rest.
    pub rows_kept_min: Option<u64>,
}

/// Every table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TablesAnswer {
    /// The tables.
    pub tables: Vec<TableInfo>,
    /// Everything up to here is in all of them.
    pub as_of: u64,
    /// When the event at `as_of` was written down, where the past was asked for; none before the first event.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of_time: Option<Timestamp>,
    /// The last position of the log.
    pub head: u64,
}

/// A page of rows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TablePage {
    /// The table.
    pub table: String,
    /// Objects by column name, in the order asked for.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Box<RawValue>>,
    /// `cursor` of the next page; none when this is the last.
    pub next_cursor: Option<String>,
    /// Old rows that the store has dropped from this table. They are in the log.
    pub cut_rows: u64,
    /// Everything up to here is in it, and nothing after it.
    pub as_of: u64,
    /// When the event at `as_of` was written down, where the past was asked for; none before the first event.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of_time: Option<Timestamp>,
    /// The last position of the log.
    pub head: u64,
}

/// One row for the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpRow {
    /// Its key, a JSON array as text.
    pub key: String,
    /// Its canonical text, a JSON array of its cells in column order. Two rows are equal exactly when these texts
    /// are.
    pub row: String,
}

/// A page of rows for the proof, by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpPage {
    /// The table.
    pub table: String,
    /// Everything up to this log position is in the rows, and nothing after it.
    pub position: u64,
    /// Old rows that the store has dropped from this table.
    pub cut_rows: u64,
    /// The rows.
    pub rows: Vec<DumpRow>,
    /// `cursor` of the next page; none when this is the table's last, and in a proof.
    pub next_cursor: Option<String>,
}

/// One line of the proof: pages of every table as of one position, then the end. Without its end it is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofLine {
    /// Rows.
    Page(DumpPage),
    /// That was all.
    End {
        /// Every page was as of this log position.
        position: u64,
        /// Rows that were sent.
        rows: u64,
    },
    /// The proof can't be finished.
    Failed {
        /// Why.
        detail: String,
    },
}
