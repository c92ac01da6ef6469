//! Rows for the runner, and rows for people.

use super::error::{Failure, Trouble};
use super::statements::{Shape, TableSql};
use super::values::{Parameters, fits};
use super::write::{by_table, is_row, key_arrays, read_loaded, read_row};
use super::{PostgresStore, Sql};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Cell, Column, Cursor, Key, PAGE_ROWS_MAX, POSITION_COLUMN, Page, Row, RowKey, ScanQuery,
    StoreError, Table,
};
use tokio::time::timeout;

/// Most keys that one statement asks for.
const STATEMENT_KEYS_MAX: usize = 2_000;

impl PostgresStore {
    /// Rows by name, in the order asked.
    pub(super) async fn rows(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = vec![None; keys.len()];
        let tables = by_table(keys);
        for name in tables.keys() {
            self.table(name)?;
        }
        self.ready().await?;
        for (name, wanted) in tables {
            let sql = self.table(name)?;
            let wanted: Vec<_> = wanted.into_iter().filter(|(_, key)| names_a_row(sql, key)).collect();
            for wanted in wanted.chunks(STATEMENT_KEYS_MAX) {
                let names: Vec<Key> = wanted.iter().map(|(_, key)| (*key).clone()).collect();
                let failed = |failure: Failure| failure.into_store(name);
                let parameters = key_arrays(sql, &names).map_err(failed)?;
                let found = self.writers.ask(sql.load.clone(), parameters).await.map_err(failed)?;
                let found = read_loaded(&found, sql, names.len()).map_err(failed)?;
                for ((place, _), row) in wanted.iter().zip(found) {
                    if let Some(slot) = rows.get_mut(*place) {
                        *slot = row;
                    }
                }
            }
        }
        Ok(rows)
    }

    /// One row, and how current it is.
    pub(super) async fn row(&self, table: &str, key: &Key) -> Result<Answer<Option<Row>>, StoreError> {
        let sql = self.table(table)?;
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store(table);
        // A key that no row can have is asked for all the same: as one that is missing.
        let fit = names_a_row(sql, key);
        let cells = sql.key().iter().zip(&key.0).map(|(column, cell)| (*column, cell));
        let nothing = sql.key().iter().map(|column| (*column, &Cell::Null));
        let cells: Vec<_> = if fit { cells.collect() } else { nothing.collect() };
        let parameters = self.parameters(&sql.table, &cells, None).map_err(failed)?;
        let found = self.readers.ask(sql.get.clone(), parameters).await.map_err(failed)?;
        let Answer { value, as_of, cut_rows } = answer(&found, sql).map_err(failed)?;
        Ok(Answer { value: value.into_iter().next(), as_of, cut_rows })
    }

    /// A page of rows, and how current it is.
    pub(super) async fn page(&self, table: &str, query: &ScanQuery) -> Result<Answer<Page>, StoreError> {
        let (sql, found) = self.asked(table, query).await?;
        paged(&found, sql, query).map_err(|failure| failure.into_store(table))
    }

    /// Whether a page holds exactly these rows: its cells are compared as they came over the wire.
    pub(super) async fn holds(
        &self,
        table: &str,
        query: &ScanQuery,
        rows: &[Row],
    ) -> Result<Answer<bool>, StoreError> {
        let (sql, found) = self.asked(table, query).await?;
        held(&found, sql, query, rows).map_err(|failure| failure.into_store(table))
    }

    /// What the server says to a question for a page.
    async fn asked(&self, table: &str, query: &ScanQuery) -> Result<(&TableSql, Vec<PgRow>), StoreError> {
        let sql = self.table(table)?;
        let (question, parameters) = self.question(sql, sql.table.name, query)?;
        self.ready().await?;
        let found = self.readers.ask(question, parameters).await;
        Ok((sql, found.map_err(|failure: Failure| failure.into_store(table))?))
    }

    /// A page of a table with the same columns whose name is made of this one's, inside of a transaction.
    pub(super) async fn page_within(
        &self,
        connection: &mut PgConnection,
        (sql, name): (&TableSql, &str),
        query: &ScanQuery,
    ) -> Result<Page, StoreError> {
        let (question, parameters) = self.question(sql, name, query)?;
        let failed = |failure: Failure| failure.into_store(sql.table.name);
        let patience = self.writers.patience();
        let asked = sqlx::query_with(question.safe(), parameters).fetch_all(connection);
        let found =
            timeout(patience, asked).await.map_err(|_| StoreError::from(Trouble::Silent(patience)))?;
        let found = found.map_err(|error| failed(error.into()))?;
        Ok(paged(&found, sql, query).map_err(failed)?.value)
    }

    /// What asks for a page, of the table or of one with the same columns.
    fn question(
        &self,
        sql: &TableSql,
        name: &str,
        query: &ScanQuery,
    ) -> Result<(Sql, PgArguments), StoreError> {
        let filters = filters(&sql.table, query)?;
        let cursor = query.after.as_ref().map(|cursor| places(sql, query, cursor)).transpose()?;
        let shapes: Vec<_> = filters.iter().map(|(column, cell)| (*column, **cell == Cell::Null)).collect();
        let shape = Shape { filters: &shapes, order: query.order, resumed: cursor.is_some() };
        let mut cells: Vec<(Column, &Cell)> = vec![];
        cells.extend(
            filters.iter().filter(|(_, cell)| **cell != Cell::Null).map(|(column, cell)| (**column, *cell)),
        );
        cells.extend(sql.places(query.order).iter().copied().zip(cursor.iter().flatten()));
        // One more than asked for, to know whether there is another page.
        let parameters = self.parameters(&sql.table, &cells, Some(rows_of(query) + 1));
        let parameters = parameters.map_err(|failure| failure.into_store(sql.table.name))?;
        Ok((sql.scan_of(name, &shape), parameters))
    }

    /// The parameters of a question: whose checkpoints, which table, the values, the limit.
    fn parameters(
        &self,
        table: &Table,
        cells: &[(Column, &Cell)],
        limit: Option<usize>,
    ) -> Result<PgArguments, Failure> {
        let mut parameters = Parameters::default();
        parameters.add(self.owners.get(table.name).map_or(&[][..], Vec::as_slice))?;
        parameters.add(table.name)?;
        for (column, cell) in cells {
            parameters.add_cell(column.kind, cell)?;
        }
        if let Some(limit) = limit {
            parameters.add(i64::try_from(limit).unwrap_or(i64::MAX))?;
        }
        Ok(parameters.take())
    }
}

/// Whether a key is of the table's kinds; if not, no row has it.
fn names_a_row(sql: &TableSql, key: &Key) -> bool {
    let same = |(column, cell): (&Column, &Cell)| *cell != Cell::Null && fits(column.kind, cell);
    key.0.len() == sql.key().len() && sql.key().iter().zip(&key.0).all(same)
}

/// Columns by definition instead of by name, and values of the right kind.
fn filters<'q>(table: &'q Table, query: &'q ScanQuery) -> Result<Vec<(&'q Column, &'q Cell)>, StoreError> {
    let place = |(name, value): &'q (String, Cell)| {
        let bad = |why| StoreError::BadQuery { table: table.name, column: name.clone(), why };
        let column = table.column(name).ok_or_else(|| bad("there is no such column"))?;
        if fits(column.kind, value) { Ok((column, value)) } else { Err(bad("the value is of another kind")) }
    };
    query.filters.iter().map(place).collect()
}

/// The values that the page goes on after, in the order of the columns that it is ordered by.
fn places(sql: &TableSql, query: &ScanQuery, cursor: &Cursor) -> Result<Vec<Cell>, StoreError> {
    let bad = || StoreError::BadQuery {
        table: sql.table.name,
        column: "cursor".to_owned(),
        why: "it is of another table",
    };
    if !names_a_row(sql, &cursor.key) {
        return Err(bad());
    }
    let place = |column: &Column| {
        let in_key = sql.key().iter().position(|key| key.name == column.name);
        // What is not in the key is the position.
        in_key.map_or(Some(Cell::Int(cursor.position)), |at| cursor.key.0.get(at).cloned()).ok_or_else(bad)
    };
    sql.places(query.order).iter().map(place).collect()
}

/// How many rows a page has at most.
fn rows_of(query: &ScanQuery) -> usize {
    query.limit.clamp(1, PAGE_ROWS_MAX)
}

/// What a question for a page brought.
fn paged(found: &[PgRow], sql: &TableSql, query: &ScanQuery) -> Result<Answer<Page>, Failure> {
    let Answer { value: mut rows, as_of, cut_rows } = answer(found, sql)?;
    let more = rows.len() > rows_of(query);
    rows.truncate(rows_of(query));
    let next = rows.last().filter(|_| more).map(|row| Cursor::of(&sql.table, row));
    Ok(Answer { value: Page { rows, next }, as_of, cut_rows })
}

/// Whether a question for a page brought these rows and no others.
fn held(found: &[PgRow], sql: &TableSql, query: &ScanQuery, rows: &[Row]) -> Result<Answer<bool>, Failure> {
    let Standing { as_of, cut_rows, none } = standing(found, sql)?;
    let page = if none { &[] } else { found.get(..rows_of(query)).unwrap_or(found) };
    let mut value = page.len() == rows.len();
    let mut text = String::new();
    for (found, row) in page.iter().zip(rows) {
        value = value && is_row(found, &sql.table, FIRST_CELL, row, &mut text)?;
    }
    Ok(Answer { value, as_of, cut_rows })
}

/// What a question brought: rows beside how current they are. An answer without rows is one row of nothing.
fn answer(found: &[PgRow], sql: &TableSql) -> Result<Answer<Vec<Row>>, Failure> {
    let Standing { as_of, cut_rows, none } = standing(found, sql)?;
    let rows = if none { &[] } else { found };
    let rows = rows.iter().map(|row| read_row(row, &sql.table, FIRST_CELL));
    Ok(Answer { value: rows.collect::<Result<_, _>>()?, as_of, cut_rows })
}

/// Where the cells of a row begin in an answer: behind how current it is and what the table no longer has.
const FIRST_CELL: usize = 2;

/// What stands in front of every row of an answer.
struct Standing {
    as_of: Position,
    cut_rows: u64,
    /// The answer has no rows: it is one row of nothing.
    none: bool,
}

fn standing(found: &[PgRow], sql: &TableSql) -> Result<Standing, Failure> {
    let first = found.first().ok_or_else(|| Failure::Data("no answer at all".to_owned()))?;
    let number = |at| Ok::<_, Failure>(first.try_get::<Option<i64>, _>(at)?.unwrap_or(0));
    let (as_of, cut_rows) = (number(0)?, number(1)?);
    let position = sql.table.index_of(POSITION_COLUMN).unwrap_or(0);
    let none = first.try_get::<Option<i64>, _>(position + FIRST_CELL)?.is_none();
    let (as_of, cut_rows) =
        (Position(u64::try_from(as_of).unwrap_or(0)), u64::try_from(cut_rows).unwrap_or(0));
    Ok(Standing { as_of, cut_rows, none })
}
