//! Tables and their rows: every cell with its kind.

use crate::dto;
use crate::grpc::words::{as_of_then, moment};
use crate::problem::Problem;
use serde_json::Value;
use serde_json::value::RawValue;
use stele_domain::port::read_store::{Cell, Column, ColumnKind, Schema, Table};
use stele_proto::api::v1 as pb;

pub(crate) fn tables(answer: &dto::TablesAnswer) -> pb::ListTablesResponse {
    pb::ListTablesResponse {
        tables: answer.tables.iter().map(table).collect(),
        as_of: Some(as_of_then(answer.as_of, answer.as_of_time, answer.head)),
    }
}

fn table(table: &dto::TableInfo) -> pb::Table {
    pb::Table {
        name: table.name.clone(),
        doc: table.doc.clone(),
        projection: table.projection.clone(),
        version: table.version,
        columns: table.columns.iter().map(column).collect(),
        key: table.key.clone(),
        append_only: table.append_only,
        rows_kept_min: table.rows_kept_min,
    }
}

fn column(column: &dto::Column) -> pb::Column {
    let kind = match column.kind.as_str() {
        "text" => pb::ColumnKind::Text,
        "int64" => pb::ColumnKind::Int64,
        "bool" => pb::ColumnKind::Bool,
        "timestamp" => pb::ColumnKind::Timestamp,
        "units" => pb::ColumnKind::Units,
        "decimal" => pb::ColumnKind::Decimal,
        "json" => pb::ColumnKind::Json,
        _ => pb::ColumnKind::Unspecified,
    };
    pb::Column {
        name: column.name.clone(),
        kind: kind.into(),
        nullable: column.nullable,
        doc: column.doc.clone(),
    }
}

/// A table that rows are from.
pub(crate) fn table_of<'s>(schemas: &'s [Schema], name: &str) -> Result<&'s Table, Problem> {
    let mut tables = schemas.iter().flat_map(|schema| schema.tables);
    let found = tables.find(|table| table.name == name);
    found.ok_or_else(|| Problem::internal(format!("no store has the table {name}")))
}

/// A row as it is told elsewhere, an object by column name, with the kinds that its table gives its cells.
pub(crate) fn row(table: &Table, object: &Value) -> Result<pb::Row, Problem> {
    let cells = table.columns.iter().map(|column| {
        let value = object.get(column.name).unwrap_or(&Value::Null);
        Ok((column.name.to_owned(), cell(table, column, value)?))
    });
    Ok(pb::Row { cells: cells.collect::<Result<_, Problem>>()? })
}

/// The same of an object that is still text. JSON columns keep their text word for word.
pub(crate) fn row_of_text(table: &Table, text: &RawValue) -> Result<pb::Row, Problem> {
    let object: std::collections::BTreeMap<&str, &RawValue> =
        serde_json::from_str(text.get()).map_err(|error| misfit(table, "row", &error.to_string()))?;
    let cells = table.columns.iter().map(|column| {
        let value = object.get(column.name).map_or("null", |value| value.get());
        let cell = if column.kind == ColumnKind::Json && value != "null" {
            pb::Cell { kind: Some(pb::cell::Kind::Json(value.to_owned())) }
        } else {
            let value = serde_json::from_str(value);
            let value = value.map_err(|error| misfit(table, column.name, &error.to_string()))?;
            cell(table, column, &value)?
        };
        Ok((column.name.to_owned(), cell))
    });
    Ok(pb::Row { cells: cells.collect::<Result<_, Problem>>()? })
}

fn cell(table: &Table, column: &Column, value: &Value) -> Result<pb::Cell, Problem> {
    let read = match value {
        Value::Null => Some(Cell::Null),
        _ if column.kind == ColumnKind::Json => Some(Cell::Json(value.to_string().into())),
        Value::String(text) => Cell::parse(column.kind, text),
        Value::Bool(_) | Value::Number(_) => Cell::parse(column.kind, &value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let read = read.ok_or_else(|| misfit(table, column.name, "a cell of another kind than its column"))?;
    Ok(pb::Cell { kind: Some(kind(&read)) })
}

fn kind(cell: &Cell) -> pb::cell::Kind {
    use pb::cell::Kind;
    match cell {
        Cell::Null => Kind::Null(0),
        Cell::Text(text) => Kind::Text(text.to_string()),
        Cell::Int(number) => Kind::Int64(*number),
        Cell::Bool(yes) => Kind::Bool(*yes),
        Cell::Time(at) => Kind::Timestamp(moment(*at)),
        Cell::Units(units) => Kind::Units(units.to_string()),
        Cell::Decimal(number) => Kind::Decimal(number.normalize().to_string()),
        Cell::Json(text) => Kind::Json(text.to_string()),
    }
}

fn misfit(table: &Table, column: &str, why: &str) -> Problem {
    Problem::internal(format!("{}.{column}: {why}", table.name))
}
