//! The rows of one live table in the order of their keys, one page ahead of whoever takes them.

use crate::digest::{Changed, Digests};
use std::collections::VecDeque;
use std::sync::Arc;
use stele_domain::port::read_store::{
    Cursor, Digest, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError, Table,
};
use tokio::task::JoinHandle;

/// A walk through a table.
pub(super) struct Walk {
    rows: VecDeque<Row>,
    coming: Option<Coming>,
    /// Old rows that the store had dropped when it was asked last.
    pub cut_rows: u64,
    /// What it began with.
    begun: Asking,
}

/// A page that is being fetched. Nobody waits for it any more when this is dropped.
struct Coming(JoinHandle<Result<Fetched, StoreError>>);

struct Fetched {
    asking: Asking,
    rows: Vec<Row>,
    next: Option<Cursor>,
    cut_rows: u64,
}

/// What asks for the rows of a table in the order of their keys.
#[derive(Clone)]
pub(super) struct Asking {
    pub store: Arc<dyn ReadStore>,
    pub table: &'static Table,
    pub query: ScanQuery,
    /// Rows behind this position are none of the audit's.
    until: Option<i64>,
}

impl Asking {
    /// From the beginning; `of` names the projection whose rows of a shared table are meant.
    pub fn through(
        store: &Arc<dyn ReadStore>,
        table: &'static Table,
        of: Option<&str>,
        until: Option<i64>,
    ) -> Self {
        let query = ScanQuery::by_key(PAGE_ROWS_MAX);
        let query = match of {
            Some(projection) => query.filter("projection", projection),
            None => query,
        };
        Self { store: Arc::clone(store), table, query, until }
    }

    async fn fetch(mut self) -> Result<Fetched, StoreError> {
        let answer = self.store.scan(self.table.name, &self.query).await?;
        let (mut rows, mut next) = (answer.value.rows, answer.value.next);
        if let Some(until) = self.until {
            let asked = rows.len();
            rows.retain(|row| self.table.position_of(row) <= until);
            // Keys of histories begin with the position: what follows is later still.
            next = next.filter(|_| rows.len() == asked || !self.table.append_only);
        }
        self.query.after.clone_from(&next);
        Ok(Fetched { asking: self, rows, next, cut_rows: answer.cut_rows })
    }
}

impl Walk {
    /// Asks for page after page.
    pub fn of(begun: Asking) -> Self {
        let coming = Some(Coming(tokio::spawn(begun.clone().fetch())));
        Self { rows: VecDeque::new(), coming, cut_rows: 0, begun }
    }

    /// The next row, without taking it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn peek(&mut self) -> Result<Option<&Row>, StoreError> {
        while self.rows.is_empty()
            && let Some(mut coming) = self.coming.take()
        {
            let fetched =
                (&mut coming.0).await.map_err(|ended| StoreError::Unavailable(Box::new(ended)))??;
            let Fetched { asking, rows, next, cut_rows } = fetched;
            self.rows = rows.into();
            self.cut_rows = cut_rows;
            if next.is_some() {
                self.coming = Some(Coming(tokio::spawn(asking.fetch())));
            }
        }
        Ok(self.rows.front())
    }

    /// Takes the row that was seen.
    pub fn take(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }

    /// What all rows of the table come to, whatever the store says: they are asked for from the beginning.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn digests(&self) -> Result<Vec<Digest>, StoreError> {
        let table = self.begun.table;
        let nothing = Digests::default();
        let mut sum = Changed::of(&nothing);
        let mut asking = self.begun.clone();
        asking.query.after = None;
        let mut again = Self::of(asking);
        while again.peek().await?.is_some() {
            for row in again.rows.drain(..) {
                if table.append_only {
                    sum.append(table, &row);
                } else {
                    sum.replace(table, None, Some(&row));
                }
            }
        }
        let mut digests = Digests::default();
        digests.keep(sum.finish());
        Ok(digests.to_vec())
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.abort();
    }
}
