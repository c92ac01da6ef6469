//! Every statement that rows are read and written with, made from the definitions of the tables. Only names of
//! tables and columns stand in them, and those are words of this build; whatever comes from outside is a
//! parameter. A name's debug form is its quoted form in SQL: names are lower case words, which is checked at open.

use super::side::Side;
use super::values::{casts, wire_type};
use sqlx::AssertSqlSafe;
use std::fmt::Write;
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{Column, ColumnKind, Order, POSITION_COLUMN, Table};

/// One statement. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql(Arc<str>);

impl Sql {
    /// For the driver. The one place that vouches for a statement that is no literal: it was made here.
    pub fn safe(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(self.0.clone())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The statements of one table.
pub struct TableSql {
    /// The definition.
    pub table: Table,
    side: Side,
    /// Rows by their keys: one array per key column. Answers the place of the key, then the row.
    pub load: Sql,
    /// Writes rows: one array per column.
    pub put: Sql,
    /// Writes rows that are not there yet, which come in the binary form of COPY.
    pub copy: Sql,
    /// Takes rows away by their keys: one array per key column.
    pub delete: Sql,
    /// One row: owners, table, then the key. Answers the checkpoint, the cut rows, then the row.
    pub get: Sql,
    /// The key columns in key order.
    key: Vec<Column>,
    /// The row's columns as the wire has them, of `r`.
    wire: String,
    /// The columns of each order.
    by_key: Vec<Column>,
    by_position: Vec<Column>,
}

/// What a scan looks like, without its values.
pub struct Shape<'s> {
    /// Filter columns, and whether the cell must be empty.
    pub filters: &'s [(&'s Column, bool)],
    pub order: Order,
    /// Whether it goes on after a cursor.
    pub resumed: bool,
}

impl TableSql {
    pub fn of(table: &Table, side: Side) -> Self {
        let column = |name: &&str| table.column(name).copied();
        let key: Vec<Column> = table.key.iter().filter_map(column).collect();
        let position = table.column(POSITION_COLUMN).copied();
        let mut by_position: Vec<Column> = position.into_iter().collect();
        by_position.extend(key.iter().filter(|c| c.name != POSITION_COLUMN));
        let by_position = if table.key_is_position() { key.clone() } else { by_position };
        let wire = list(table.columns, |c| format!("r.{:?}{}", c.name, casts(c.kind).1));
        Self {
            table: *table,
            side,
            load: load(table, side, &key).into(),
            put: put(table, side).into(),
            delete: delete(table, side, &key).into(),
            get: get(table, side, &key, &wire).into(),
            copy: copy(table, side, table.name).into(),
            by_key: key.clone(),
            by_position,
            key,
            wire,
        }
    }

    /// The key columns in key order.
    pub fn key(&self) -> &[Column] {
        &self.key
    }

    /// As [`TableSql::copy`], into a table with the same columns whose name is made of this one's.
    pub fn copy_into(&self, name: &str) -> Sql {
        copy(&self.table, self.side, name).into()
    }

    /// The columns that rows are ordered by.
    pub fn places(&self, order: Order) -> &[Column] {
        match order {
            Order::Key(_) => &self.by_key,
            Order::Position(_) => &self.by_position,
        }
    }

    /// A page: owners, table, the filters' values, the cursor's places, the limit. Answers like `get`.
    pub fn scan(&self, shape: &Shape<'_>) -> Sql {
        self.scan_of(self.table.name, shape)
    }

    /// The same of a table with the same columns whose name is made of this one's.
    pub fn scan_of(&self, name: &str, shape: &Shape<'_>) -> Sql {
        let (Order::Key(direction) | Order::Position(direction)) = shape.order;
        let (word, beyond) = match direction {
            Direction::Forward => ("ASC", ">"),
            Direction::Backward => ("DESC", "<"),
        };
        let mut next = 3..;
        let mut parameter = |column: &Column| {
            let number = next.next().unwrap_or_default();
            let cast = if compared(column.kind).is_empty() { casts(column.kind).0 } else { "" };
            format!("${number}::{}{cast}", wire_type(column.kind))
        };
        let mut conditions: Vec<String> = vec![];
        for (column, empty) in shape.filters {
            conditions.push(if *empty {
                format!("t.{:?} IS NULL", column.name)
            } else {
                format!("t.{:?}{} = {}", column.name, compared(column.kind), parameter(column))
            });
        }
        let places = self.places(shape.order);
        if shape.resumed {
            let row = list(places, |c| format!("t.{:?}", c.name));
            let after = list(places, |c| parameter(c));
            conditions.push(format!("({row}) {beyond} ({after})"));
        }
        let limit = next.next().unwrap_or_default();
        let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let order = |of: &str| list(places, |c| format!("{of}.{:?} {word}", c.name));
        Sql::from(format!(
            "SELECT c.as_of, c.cut_rows, {wire} FROM ({as_of}) AS c LEFT JOIN \
             (SELECT * FROM {schema}.{name:?} AS t WHERE {conditions} ORDER BY {inner} LIMIT ${limit}::bigint) \
             AS r ON true ORDER BY {outer}",
            wire = self.wire,
            as_of = self.side.of(AS_OF).text(),
            schema = self.side.schema(),
            inner = order("t"),
            outer = order("r"),
        ))
    }
}

/// How current an answer is, and what its table no longer has, as of the same moment as the answer's rows.
const AS_OF: &str = "SELECT \
     (SELECT min(p.position) FROM read_model.checkpoints AS p WHERE p.projection = ANY($1::text[])) AS as_of, \
     (SELECT p.cut_rows FROM read_model.storage_policy AS p WHERE p.table_name = $2::text) AS cut_rows";

/// How a stored value is made comparable: JSON has no equality, its words have.
fn compared(kind: ColumnKind) -> &'static str {
    if kind == ColumnKind::Json { "::text" } else { "" }
}

fn list<C>(columns: &[C], mut each: impl FnMut(&C) -> String) -> String {
    let mut text = String::new();
    for (i, column) in columns.iter().enumerate() {
        // Writing to a string can't fail.
        let _ = write!(text, "{}{}", if i == 0 { "" } else { ", " }, each(column));
    }
    text
}

/// `UNNEST` of one array per column, as `u` with columns `c0`, `c1` and so on.
fn unnest(columns: &[Column], more: &str) -> String {
    let mut number = 1..;
    let arrays =
        list(columns, |c| format!("${}::{}[]", number.next().unwrap_or_default(), wire_type(c.kind)));
    let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
    let names = names.join(", ");
    if more.is_empty() {
        format!("UNNEST({arrays}) AS u({names})")
    } else {
        format!("UNNEST({arrays}) WITH ORDINALITY AS u({names}, {more})")
    }
}

fn same_key(key: &[Column]) -> String {
    let mut equal = vec![];
    for (i, column) in key.iter().enumerate() {
        equal.push(format!("t.{:?} = u.c{i}{}", column.name, casts(column.kind).0));
    }
    equal.join(" AND ")
}

fn load(table: &Table, side: Side, key: &[Column]) -> String {
    let wire = list(table.columns, |c| format!("t.{:?}{}", c.name, casts(c.kind).1));
    let (keys, same) = (unnest(key, "place"), same_key(key));
    format!("SELECT u.place, {wire} FROM {keys} JOIN {}.{:?} AS t ON {same}", side.schema(), table.name)
}

fn put(table: &Table, side: Side) -> String {
    let columns = list(table.columns, |c| format!("{:?}", c.name));
    let mut number = 0..;
    let values =
        list(table.columns, |c| format!("u.c{}{}", number.next().unwrap_or_default(), casts(c.kind).0));
    let key = list(table.key, |name| format!("{name:?}"));
    let changed: Vec<&Column> = table.columns.iter().filter(|c| !table.key.contains(&c.name)).collect();
    let sets = list(&changed, |c| format!("{:?} = EXCLUDED.{:?}", c.name, c.name));
    // A row of an append-only table is written once; whether one that is there is the same is looked at then.
    let otherwise = if table.append_only || changed.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {sets}")
    };
    let rows = unnest(table.columns, "");
    format!(
        "INSERT INTO {}.{:?} ({columns}) SELECT {values} FROM {rows} ON CONFLICT ({key}) {otherwise}",
        side.schema(),
        table.name
    )
}

fn copy(table: &Table, side: Side, into: &str) -> String {
    let columns = list(table.columns, |c| format!("{:?}", c.name));
    format!("COPY {}.{into:?} ({columns}) FROM STDIN (FORMAT binary)", side.schema())
}

fn delete(table: &Table, side: Side, key: &[Column]) -> String {
    let (keys, same) = (unnest(key, ""), same_key(key));
    format!("DELETE FROM {}.{:?} AS t USING {keys} WHERE {same}", side.schema(), table.name)
}

fn get(table: &Table, side: Side, key: &[Column], wire: &str) -> String {
    let mut same = vec![];
    for (column, number) in key.iter().zip(3..) {
        let (wire, cast) = (wire_type(column.kind), casts(column.kind).0);
        same.push(format!("t.{:?} = ${number}::{wire}{cast}", column.name));
    }
    let same = same.join(" AND ");
    format!(
        "SELECT c.as_of, c.cut_rows, {wire} FROM ({}) AS c LEFT JOIN \
         (SELECT * FROM {}.{:?} AS t WHERE {same}) AS r ON true",
        side.of(AS_OF).text(),
        side.schema(),
        table.name
    )
}
