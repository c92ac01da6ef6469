//! Rows as structs again, for those who answer people.

use crate::projection::TableRow;
use crate::row::{RowError, from_row};
use std::collections::BTreeSet;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Answer, Cell, Key, PAGE_ROWS_MAX, ReadStore, ScanQuery, StoreError};

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store said no, or did not answer.
    #[error("table {table} can't be read")]
    Store {
        /// The table.
        table: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The stored row is none of this build.
    #[error("a stored row is not what this build expects")]
    Row(#[from] RowError),
}

/// Reads several tables, and remembers how current and how complete the answers were.
pub struct Reader<'s> {
    store: &'s dyn ReadStore,
    as_of: Option<Position>,
    cut: BTreeSet<&'static str>,
}

impl<'s> Reader<'s> {
    /// A reader of a store.
    #[must_use]
    pub fn new(store: &'s dyn ReadStore) -> Self {
        Self { store, as_of: None, cut: BTreeSet::new() }
    }

    /// Everything up to here was in every answer.
    #[must_use]
    pub fn as_of(&self) -> Position {
        self.as_of.unwrap_or_default()
    }

    /// The tables that no longer have their oldest rows.
    #[must_use]
    pub fn cut_tables(&self) -> Vec<String> {
        self.cut.iter().map(|table| (*table).to_owned()).collect()
    }

    /// One row.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn get<R: TableRow>(&mut self, key: impl Into<Key>) -> Result<Option<R>, ReadError> {
        let key = key.into();
        let answer = self.store.get(R::TABLE.name, &key).await.map_err(failed::<R>)?;
        let row = self.noted::<R, _>(answer);
        Ok(row.map(|row| from_row(&R::TABLE, &row)).transpose()?)
    }

    /// At most `limit` rows with a value in a column, oldest first.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn find<R: TableRow>(
        &mut self,
        column: &str,
        value: impl Into<Cell>,
        limit: usize,
    ) -> Result<Vec<R>, ReadError> {
        self.scan(&ScanQuery::newest(limit).reversed().filter(column, value)).await
    }

    /// One page of rows.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn scan<R: TableRow>(&mut self, query: &ScanQuery) -> Result<Vec<R>, ReadError> {
        let answer = self.store.scan(R::TABLE.name, query).await.map_err(failed::<R>)?;
        let page = self.noted::<R, _>(answer);
        page.rows.iter().map(|row| from_row(&R::TABLE, row).map_err(ReadError::from)).collect()
    }

    /// Every row, by key, one page after the other. Only for tables whose size is bounded.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn all<R: TableRow>(&mut self, mut each: impl FnMut(R)) -> Result<(), ReadError> {
        let mut query = ScanQuery::by_key(PAGE_ROWS_MAX);
        loop {
            let answer = self.store.scan(R::TABLE.name, &query).await.map_err(failed::<R>)?;
            let page = self.noted::<R, _>(answer);
            for row in &page.rows {
                each(from_row(&R::TABLE, row)?);
            }
            if page.next.is_none() {
                return Ok(());
            }
            query.after = page.next;
        }
    }

    fn noted<R: TableRow, T>(&mut self, answer: Answer<T>) -> T {
        self.as_of = Some(self.as_of.map_or(answer.as_of, |before| before.min(answer.as_of)));
        if answer.cut_rows > 0 {
            self.cut.insert(R::TABLE.name);
        }
        answer.value
    }
}

fn failed<R: TableRow>(source: StoreError) -> ReadError {
    ReadError::Store { table: R::TABLE.name, source }
}
