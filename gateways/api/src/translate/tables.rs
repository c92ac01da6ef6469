//! Table definitions.

use crate::dto;
use stele_domain::port::read_store::{ColumnKind, Retention, Schema, Table};

pub(crate) fn info(schema: &Schema, table: &Table) -> dto::TableInfo {
    let column = |column: &stele_domain::port::read_store::Column| dto::Column {
        name: column.name.to_owned(),
        kind: kind(column.kind).to_owned(),
        nullable: column.nullable,
        doc: column.doc.to_owned(),
    };
    dto::TableInfo {
        name: table.name.to_owned(),
        doc: table.doc.to_owned(),
        projection: schema.projection.to_owned(),
        version: schema.version,
        columns: table.columns.iter().map(column).collect(),
        key: table.key.iter().map(|name| (*name).to_owned()).collect(),
        append_only: table.append_only,
        rows_kept_min: match table.retention {
            Retention::All => None,
            Retention::Newest { rows, .. } => Some(u64::try_from(rows).unwrap_or(u64::MAX)),
        },
    }
}

pub(crate) fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Int64 => "int64",
        ColumnKind::Bool => "bool",
        ColumnKind::Timestamp => "timestamp",
        ColumnKind::Units => "units",
        ColumnKind::Decimal => "decimal",
        ColumnKind::Json => "json",
    }
}
