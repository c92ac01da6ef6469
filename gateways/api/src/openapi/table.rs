//! Tables in the document: the form of their rows, and one operation each to read them.

use super::params::{Param, Place};
use serde_json::json;
use stele_domain::port::read_store::{Column, ColumnKind, Retention, Table};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, SchemaType, Type,
};

/// The name of the form of a row.
pub(super) fn row_name(table: &Table) -> String {
    format!("Row.{}", table.name)
}

/// The name of the form of a page.
pub(super) fn page_name(table: &Table) -> String {
    format!("Page.{}", table.name)
}

/// A row: an object by column name.
pub(super) fn row(table: &Table) -> Schema {
    let key = table.key.join(", ");
    let mut object = of(Type::Object).description(Some(format!("{}\n\nNamed by {key}.", table.doc)));
    for column in table.columns {
        object = object.property(column.name, cell(column)).required(column.name);
    }
    object.into()
}

/// A page of rows.
pub(super) fn page(table: &Table) -> Schema {
    let position = |doc: &str| Schema::from(whole().description(Some(doc)));
    let rows = ArrayBuilder::new().items(RefOr::Ref(Ref::from_schema_name(row_name(table))));
    let then = "When the event at `as_of` was written down, where the past was asked for; null before the first event.";
    let time = typed(&[Type::String, Type::Null])
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some(then));
    let next = typed(&[Type::String, Type::Null])
        .description(Some("`cursor` of the next page; null when this is the last."));
    let cut = "Old rows that the store has dropped from this table. They are in the log.";
    of(Type::Object)
        .property("table", Schema::from(of(Type::String).enum_values(Some([json!(table.name)]))))
        .property("rows", Schema::from(rows))
        .property("next_cursor", Schema::from(next))
        .property("cut_rows", position(cut))
        .property("as_of", position("Everything up to here is in it, and nothing after it."))
        .property("as_of_time", Schema::from(time))
        .property("head", position("The last position of the log."))
        .required("table")
        .required("rows")
        .required("next_cursor")
        .required("cut_rows")
        .required("as_of")
        .required("as_of_time")
        .required("head")
        .into()
}

/// What the page says of a table.
pub(super) fn detail(table: &Table) -> String {
    let kept = match table.retention {
        Retention::All => "All rows are kept.".to_owned(),
        Retention::Newest { rows, .. } => {
            format!("At least the newest {rows} rows are kept; the log has the rest.")
        }
    };
    let change =
        if table.append_only { "A row never changes." } else { "A row changes with what it is about." };
    format!("{}\n\n{change} {kept}", table.doc)
}

/// Columns that rows can be found by, as parameters.
pub(super) fn filters(table: &Table) -> impl Iterator<Item = (Param, Schema)> + '_ {
    let found_by = table.columns.iter().filter(|column| column.kind != ColumnKind::Json);
    found_by.map(|column| {
        let form = bare(column);
        let empty = of(Type::String).enum_values(Some([json!("null")])).description(Some("No value."));
        let form = if column.nullable && column.kind != ColumnKind::Text {
            AnyOfBuilder::new().item(Schema::from(form)).item(Schema::from(empty)).into()
        } else {
            Schema::from(form)
        };
        let (name, doc, schema) = (column.name, column.doc, super::schemas::word);
        (Param { name, place: Place::Query, doc, schema, shared: None }, form)
    })
}

fn cell(column: &Column) -> Schema {
    let object = bare(column).description(Some(column.doc));
    if !column.nullable || column.kind == ColumnKind::Json {
        return object.into();
    }
    let kind = match column.kind {
        ColumnKind::Int64 => Type::Integer,
        ColumnKind::Bool => Type::Boolean,
        ColumnKind::Text
        | ColumnKind::Timestamp
        | ColumnKind::Units
        | ColumnKind::Decimal
        | ColumnKind::Json => Type::String,
    };
    object.schema_type(SchemaType::Array(vec![kind, Type::Null])).into()
}

fn bare(column: &Column) -> ObjectBuilder {
    match column.kind {
        ColumnKind::Text => of(Type::String),
        ColumnKind::Int64 => whole(),
        ColumnKind::Bool => of(Type::Boolean),
        ColumnKind::Timestamp => {
            of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        }
        ColumnKind::Units => of(Type::String).pattern(Some("^[0-9]{1,77}$")),
        ColumnKind::Decimal => of(Type::String).pattern(Some("^-?[0-9]{1,14}(\\.[0-9]{1,14})?$")),
        ColumnKind::Json => ObjectBuilder::new().schema_type(SchemaType::AnyValue),
    }
}

fn whole() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    of(Type::Integer).format(Some(format)).minimum(Some(i64::MIN)).maximum(Some(i64::MAX))
}

fn typed<const N: usize>(kinds: &[Type; N]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(kinds.to_vec()))
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}
