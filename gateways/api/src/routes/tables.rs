//! Read models: what there is, and pages of rows.

use super::json;
use crate::api::Api;
use crate::dto::{DumpPage, DumpRow, TablePage, TablesAnswer};
use crate::params::{Params, Segment};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::translate::tables::{cursor_in, cursor_out, info, kind};
use axum::extract::State;
use axum::response::Response;
use serde_json::value::RawValue;
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{
    Cell, Column, Cursor, Order, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, Schema, StoreError, Table,
};
use stele_projections::compare::{self, CompareError};

/// Rows of a page when nobody says how many.
const LIMIT_DEFAULT: usize = 50;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    params: Params,
    reading: Reading,
) -> Result<Response, Problem> {
    params.finish()?;
    reading.ready(&api, None).await?;
    let head = api.log.head().await?.0;
    let mut as_of = head;
    for schema in api.store.schemas().iter().filter(|schema| !schema.shared) {
        as_of = as_of.min(api.store.checkpoint(schema.projection).await?.position.0);
    }
    let schemas = api.store.schemas().iter();
    let tables = schemas.flat_map(|schema| schema.tables.iter().map(|table| info(schema, table))).collect();
    json(&TablesAnswer { tables, as_of, head }, Some(as_of))
}

pub(crate) async fn page(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    mut params: Params,
    reading: Reading,
) -> Result<Response, Problem> {
    let (schema, table) = found(&*api.store, &name)?;
    let (order, order_name) = order(params.take("order")?.as_deref())?;
    let limit = params.limit(LIMIT_DEFAULT, PAGE_ROWS_MAX)?;
    let after = params.take("after")?.map(|text| cursor_in(table, order_name, &text)).transpose()?;
    let filters = params.rest().into_iter().map(|(column, value)| filter(table, column, &value));
    let query = ScanQuery { filters: filters.collect::<Result<_, _>>()?, order, limit, after };
    reading.ready(&api, (!schema.shared).then_some(schema.projection)).await?;
    let answer = api.store.scan(&name, &query).await?;
    // The head afterwards, so that it is never before what the rows show.
    let head = api.log.head().await?.0;
    let rows = answer.value.rows.iter().map(|row| object(table, row)).collect::<Result<_, _>>()?;
    let page = TablePage {
        table: name,
        rows,
        next: answer.value.next.as_ref().map(|cursor| cursor_out(table, order_name, cursor)),
        cut_rows: answer.cut_rows,
        as_of: answer.as_of.0,
        head,
    };
    json(&page, Some(page.as_of))
}

/// A page for the proof. Pages of one dump show one position only while the projections stand still: see the proof.
pub(crate) async fn dump(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    mut params: Params,
    reading: Reading,
) -> Result<Response, Problem> {
    let (schema, table) = found(&*api.store, &name)?;
    let after = params.take("after")?.map(|text| cursor_in(table, "key", &text)).transpose()?;
    params.finish()?;
    reading.ready(&api, (!schema.shared).then_some(schema.projection)).await?;
    let after = after.as_ref().map(Cursor::to_text);
    let page = dump_page(&*api.store, table, after.as_deref()).await?;
    json(&page, Some(page.position))
}

pub(crate) async fn dump_page(
    store: &dyn ReadStore,
    table: &Table,
    after: Option<&str>,
) -> Result<DumpPage, Problem> {
    let page = compare::page(store, table.name, after).await.map_err(|error| match error {
        CompareError::Store(error) => Problem::from(error),
        other @ (CompareError::Log(_)
        | CompareError::Fold(_)
        | CompareError::Short { .. }
        | CompareError::Moved { .. }
        | CompareError::OutOfOrder(_)) => Problem::internal(other.to_string()),
    })?;
    let cursor = page.next.as_deref().and_then(|text| Cursor::parse(table, text));
    Ok(DumpPage {
        table: page.table,
        position: page.position.0,
        cut_rows: page.cut_rows,
        rows: page.rows.into_iter().map(|row| DumpRow { key: row.key, row: row.row }).collect(),
        next: cursor.as_ref().map(|cursor| cursor_out(table, "key", cursor)),
    })
}

fn found<'s>(store: &'s dyn ReadStore, name: &str) -> Result<(&'s Schema, &'s Table), Problem> {
    let mut tables =
        store.schemas().iter().flat_map(|schema| schema.tables.iter().map(move |table| (schema, table)));
    let found = tables.find(|(_, table)| table.name == name);
    found.ok_or_else(|| Problem::from(StoreError::UnknownTable(name.chars().take(80).collect())))
}

fn order(text: Option<&str>) -> Result<(Order, &'static str), Problem> {
    match text {
        None | Some("newest") => Ok((Order::Position(Direction::Backward), "newest")),
        Some("oldest") => Ok((Order::Position(Direction::Forward), "oldest")),
        Some("key") => Ok((Order::Key(Direction::Forward), "key")),
        Some("key_desc") => Ok((Order::Key(Direction::Backward), "key_desc")),
        Some(_) => Err(Problem::field("order", "must be newest, oldest, key or key_desc")),
    }
}

/// `column=value`; `null` in a column that may be empty finds the empty cells.
fn filter(table: &Table, name: String, value: &str) -> Result<(String, Cell), Problem> {
    let Some(column) = table.column(&name) else {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let short: String = name.chars().take(80).collect();
        let message = format!("no parameter, and no column of {}: {}", table.name, names.join(", "));
        return Err(Problem::field(&short, message));
    };
    let cell = cell(column, value)?;
    Ok((name, cell))
}

fn cell(column: &Column, value: &str) -> Result<Cell, Problem> {
    if column.nullable && value == "null" {
        return Ok(Cell::Null);
    }
    Cell::parse(column.kind, value).ok_or_else(|| {
        let short: String = value.chars().take(80).collect();
        Problem::field(column.name, format!("{short:?} is no {}", kind(column.kind)))
    })
}

fn object(table: &Table, row: &Row) -> Result<Box<RawValue>, Problem> {
    let json = RawValue::from_string(table.json(row));
    json.map_err(|error| Problem::internal(format!("a row of {} is no JSON: {error}", table.name)))
}
