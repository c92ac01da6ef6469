//! Read models: what there is, and pages of rows.

use super::cursor::{self, Mark, Place};
use super::past;
use crate::api::Api;
use crate::dto::{DumpPage, DumpRow, TablePage, TablesAnswer};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::translate::tables::{info, kind};
use serde_json::value::RawValue;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::{
    Answer, Cell, Column, Cursor, Order, PAGE_ROWS_MAX, Page, ReadStore, Row, ScanQuery, Schema, StoreError,
    Table,
};
use stele_projections::compare::{self, CompareError};

/// Rows of a page when nobody says how many.
pub(crate) const LIMIT_DEFAULT: usize = 50;

/// The orders that rows can be asked in; the first when nobody says.
pub(crate) const ORDERS: [(&str, Order); 4] = [
    ("newest", Order::Position(Direction::Backward)),
    ("oldest", Order::Position(Direction::Forward)),
    ("key", Order::Key(Direction::Forward)),
    ("key_desc", Order::Key(Direction::Backward)),
];

/// The same orders in cursors of past states: no page of one goes on with the live tables.
const PAST_ORDERS: [(&str, &str); 5] = [
    ("newest", "newest as_of"),
    ("oldest", "oldest as_of"),
    ("key", "key as_of"),
    ("key_desc", "key_desc as_of"),
    (DUMP, "dump as_of"),
];

/// The order of a dump, in its cursors.
const DUMP: &str = "dump";

/// What a page of rows is asked for by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// One of [`ORDERS`].
    pub(crate) order: Option<String>,
    /// How many rows; 1 to [`PAGE_ROWS_MAX`].
    pub(crate) limit: Option<usize>,
    /// Where an earlier page ended.
    pub(crate) cursor: Option<String>,
    /// Columns, and the value that each must have; `null` in a column that may be empty finds the empty cells.
    pub(crate) filters: Vec<(String, String)>,
}

pub(crate) async fn list(api: &Api, reading: Reading) -> Result<TablesAnswer, Problem> {
    let asked = past::tables(api, reading, None, None).await?;
    let head = api.log.head().await?.0;
    let mut as_of = head;
    for schema in api.store.schemas().iter().filter(|schema| !schema.shared) {
        as_of = as_of.min(asked.store.checkpoint(schema.projection).await?.position.0);
    }
    let schemas = api.store.schemas().iter();
    let tables = schemas.flat_map(|schema| schema.tables.iter().map(|table| info(schema, table))).collect();
    Ok(TablesAnswer { tables, as_of, as_of_time: asked.time, head })
}

/// A page of rows. Of a table whose rows never change, all pages of one walk show what there was when it began.
pub(crate) async fn page(
    api: &Api,
    name: &str,
    question: Question,
    reading: Reading,
) -> Result<TablePage, Problem> {
    let (schema, table) = found(api, name)?;
    let (order_name, order) = order(question.order.as_deref())?;
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("must be 1 to {PAGE_ROWS_MAX}")));
    }
    let filters = question.filters.iter().map(|(column, value)| filter(table, column, value));
    let filters = filters.collect::<Result<_, _>>()?;
    let place = Place {
        log: api.doors.log_id(api).await?,
        table,
        version: schema.version,
        order: order_of_cursor(order_name, reading),
        filters: &question.filters,
    };
    let mark = question.cursor.as_deref().map(|text| cursor::inward(place, text)).transpose()?;
    let pinned = mark.as_ref().map(|mark| Position(mark.at));
    let projection = (!schema.shared).then_some(schema.projection);
    let asked = past::tables(api, reading, pinned, projection).await?;
    // What was does not change: nothing is left to be held still.
    let pinned = pinned.filter(|_| asked.as_of.is_none());
    let query = ScanQuery { filters, order, limit, after: mark.map(|mark| mark.last) };
    let answer = asked.store.scan(table.name, &query).await?;
    asked.not_cut(table, &answer).await?;
    // The head afterwards, so that it is never before what the rows show.
    let head = api.log.head().await?.0;
    let Answer { value: Page { rows, next }, as_of, cut_rows } = still(table, order, pinned, answer);
    let next = next.map(|last| Mark { at: pinned.unwrap_or(as_of).0, last });
    Ok(TablePage {
        table: table.name.to_owned(),
        rows: rows.iter().map(|row| object(table, row)).collect::<Result<_, _>>()?,
        next_cursor: next.map(|mark| cursor::outward(place, &mark)).transpose()?,
        cut_rows,
        as_of: as_of.0,
        as_of_time: asked.time,
        head: head.max(as_of.0),
    })
}

/// What the page shows as of the position that the first page was as of. Rows that may change have one form only,
/// the newest, and are shown in it.
fn still(table: &Table, order: Order, pinned: Option<Position>, mut answer: Answer<Page>) -> Answer<Page> {
    let Some(pinned) = pinned.filter(|_| table.append_only) else { return answer };
    let page = &mut answer.value;
    let before = page.rows.len();
    let last = i64::try_from(pinned.0).unwrap_or(i64::MAX);
    page.rows.retain(|row| table.position_of(row) <= last);
    if page.rows.len() < before && order == Order::Position(Direction::Forward) {
        // What comes after is newer still.
        page.next = None;
    }
    answer.as_of = answer.as_of.min(pinned);
    answer
}

/// A page for the proof. Pages of one dump show one position only while the projections stand still: see the proof.
pub(crate) async fn dump(
    api: &Api,
    name: &str,
    after: Option<&str>,
    reading: Reading,
) -> Result<DumpPage, Problem> {
    let (schema, table) = found(api, name)?;
    let place = place_of_dump(api, schema, table, reading).await?;
    let after = after.map(|text| cursor::inward(place, text)).transpose()?;
    let pinned = after.as_ref().map(|mark| Position(mark.at)).filter(|_| reading.as_of.is_some());
    let projection = (!schema.shared).then_some(schema.projection);
    let asked = past::tables(api, reading, pinned, projection).await?;
    let (mut page, next) = dump_page(&*asked.store, table, after.map(|mark| mark.last)).await?;
    let mark = next.map(|last| Mark { at: page.position, last });
    page.next_cursor = mark.map(|mark| cursor::outward(place, &mark)).transpose()?;
    Ok(page)
}

async fn place_of_dump<'q>(
    api: &Api,
    schema: &Schema,
    table: &'q Table,
    reading: Reading,
) -> Result<Place<'q>, Problem> {
    let log = api.doors.log_id(api).await?;
    Ok(Place { log, table, version: schema.version, order: order_of_cursor(DUMP, reading), filters: &[] })
}

fn order_of_cursor(order: &'static str, reading: Reading) -> &'static str {
    let past = PAST_ORDERS.iter().find(|(live, _)| reading.as_of.is_some() && *live == order);
    past.map_or(order, |(_, past)| *past)
}

/// Canonical rows by key, and where the next page begins.
pub(crate) async fn dump_page(
    store: &dyn ReadStore,
    table: &Table,
    after: Option<Cursor>,
) -> Result<(DumpPage, Option<Cursor>), Problem> {
    let after = after.as_ref().map(Cursor::to_text);
    let page = compare::page(store, table.name, after.as_deref()).await;
    let page = page.map_err(|error| match error {
        CompareError::Store(error) => Problem::from(error),
        other @ (CompareError::Log(_)
        | CompareError::Fold(_)
        | CompareError::Newer(_)
        | CompareError::Short { .. }
        | CompareError::Moved { .. }
        | CompareError::OutOfOrder(_)) => Problem::internal(other.to_string()),
    })?;
    let next = page.next.as_deref().and_then(|text| Cursor::parse(table, text));
    let rows = page.rows.into_iter().map(|row| DumpRow { key: row.key, row: row.row }).collect();
    let page = DumpPage {
        table: page.table,
        position: page.position.0,
        cut_rows: page.cut_rows,
        rows,
        next_cursor: None,
    };
    Ok((page, next))
}

fn found<'s>(api: &'s Api, name: &str) -> Result<(&'s Schema, &'s Table), Problem> {
    let schemas = api.store.schemas().iter();
    let mut tables = schemas.flat_map(|schema| schema.tables.iter().map(move |table| (schema, table)));
    let found = tables.find(|(_, table)| table.name == name);
    found.ok_or_else(|| Problem::from(StoreError::UnknownTable(name.chars().take(80).collect())))
}

fn order(text: Option<&str>) -> Result<(&'static str, Order), Problem> {
    let [default, ..] = ORDERS;
    let Some(text) = text else { return Ok(default) };
    let known = ORDERS.into_iter().find(|(name, _)| *name == text);
    known.ok_or_else(|| Problem::field("order", "must be newest, oldest, key or key_desc"))
}

/// `column=value`; `null` in a column that may be empty finds the empty cells.
fn filter(table: &Table, name: &str, value: &str) -> Result<(String, Cell), Problem> {
    let Some(column) = table.column(name) else {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let short: String = name.chars().take(80).collect();
        let message = format!("no parameter, and no column of {}: {}", table.name, names.join(", "));
        return Err(Problem::field(&short, message));
    };
    Ok((name.to_owned(), cell(column, value)?))
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
