//! The lines of a commit, as the Delta protocol names them. Fields of others are passed over.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values by name; a value may be missing.
pub type Values = BTreeMap<String, Option<String>>;

/// One line. Exactly one of the fields is there; none, where it is of a kind that is not known here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Who committed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_info: Option<CommitInfo>,
    /// What readers and writers must know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// What the table is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<MetaData>,
    /// How far a writer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<Txn>,
    /// A file counts from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Add>,
    /// A file counts no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<Remove>,
}

/// Who committed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitInfo {
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// What for.
    #[serde(default)]
    pub operation: String,
    /// With which parameters.
    #[serde(default)]
    pub operation_parameters: BTreeMap<String, serde_json::Value>,
    /// Whether it only adds, without having looked at the table.
    #[serde(default)]
    pub is_blind_append: bool,
    /// By which program.
    #[serde(default)]
    pub engine_info: String,
    /// What the table comes to with this commit; only in commits of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stele: Option<Published>,
}

/// What a table comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// Everything up to this log position is in the table.
    pub position: u64,
    /// The record at that position, so that the log can be told from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// How many rows there are.
    pub rows: u64,
    /// What they come to: the lanes of the digest in base64.
    pub digest: String,
}

/// What readers and writers must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// Version of the protocol that readers must know.
    pub min_reader_version: u64,
    /// Version of the protocol that writers must know.
    pub min_writer_version: u64,
}

/// How files are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// `parquet`.
    pub provider: String,
    /// None.
    #[serde(default)]
    pub options: Values,
}

/// What the table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaData {
    /// Tells the table from others.
    pub id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What a row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How files are written.
    pub format: Format,
    /// Its columns, as JSON.
    pub schema_string: String,
    /// The columns that make its folders.
    pub partition_columns: Vec<String>,
    /// Settings.
    #[serde(default)]
    pub configuration: Values,
    /// When it was made, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
}

/// How far a writer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    /// The writer's name for what it does.
    pub app_id: String,
    /// How far it is.
    pub version: i64,
    /// Since when, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<i64>,
}

/// A file counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// Where it is, in the table.
    pub path: String,
    /// The values of the columns that make its folder.
    pub partition_values: Values,
    /// Its length in bytes.
    pub size: i64,
    /// When it was written, in milliseconds since 1970.
    pub modification_time: i64,
    /// Whether it changes what the table says; a compaction does not.
    pub data_change: bool,
    /// What stands in its columns, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
    /// What this program notes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Values>,
}

/// A file counts no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// Where it is, in the table.
    pub path: String,
    /// Since when, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<i64>,
    /// Whether that changes what the table says.
    pub data_change: bool,
    /// Whether the next two are there.
    #[serde(default)]
    pub extended_file_metadata: bool,
    /// The values of the columns that make its folder.
    #[serde(default)]
    pub partition_values: Values,
    /// Its length in bytes.
    #[serde(default)]
    pub size: i64,
}
