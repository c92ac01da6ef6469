//! Table definitions, and cursors that know whose they are.

use crate::dto;
use crate::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stele_domain::port::read_store::{ColumnKind, Cursor, Retention, Schema, Table};

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

/// A cursor as it is handed out: opaque, and of one table and one order.
pub(crate) fn cursor_out(table: &Table, order: &str, cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{order}\n{}", table.name, cursor.to_text()))
}

/// A cursor that was handed out for the same question.
pub(crate) fn cursor_in(table: &Table, order: &str, text: &str) -> Result<Cursor, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let mut parts = decoded.as_deref().unwrap_or_default().splitn(3, '\n');
    let (Some(of), Some(by), Some(cursor)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Problem::field("after", "not a cursor of this API"));
    };
    if of != table.name || by != order {
        return Err(Problem::field(
            "after",
            format!("a cursor of table {of} by {by}, not of {} by {order}", table.name),
        ));
    }
    Cursor::parse(table, cursor)
        .ok_or_else(|| Problem::field("after", "a cursor of another version of this table"))
}
