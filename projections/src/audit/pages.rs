//! Rows that follow from the log beside those of a live table, a page at a time: as long as whole pages are the same, no live
//! row is looked at alone.

use super::walk::{Asking, Walk};
use stele_domain::port::read_store::{Cursor, PAGE_ROWS_MAX, Row, StoreError};
use tokio::task::JoinHandle;

/// How far a table was found to be the same.
pub(super) struct Pages {
    /// Asks for what comes after it.
    asking: Asking,
    /// A page that the store is asked about.
    asked: Option<Asked>,
    /// What follows from the log after that.
    pending: Vec<Row>,
}

/// A question about a page. Nobody waits for it any more when this is dropped.
struct Asked(JoinHandle<(Result<bool, StoreError>, Vec<Row>)>);

/// What came of a page.
pub(super) enum Held {
    /// As many rows, and all are the same.
    Same(usize),
    /// Something is not: rows that have to be looked at one by one.
    Other(Vec<Row>),
}

impl Pages {
    pub fn of(asking: Asking) -> Self {
        Self { asking, asked: None, pending: Vec::with_capacity(PAGE_ROWS_MAX) }
    }

    /// The next row that follows from the log. What is told to be the same is before it; what is not ends with it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn hold(&mut self, row: Row) -> Result<Option<Held>, StoreError> {
        self.pending.push(row);
        if self.pending.len() < PAGE_ROWS_MAX { Ok(None) } else { self.turn().await }
    }

    /// What is not told yet; `None` when all is.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn rest(&mut self) -> Result<Option<Held>, StoreError> {
        loop {
            if self.asked.is_none() && self.pending.is_empty() {
                return Ok(None);
            }
            if let Some(held) = self.turn().await? {
                return Ok(Some(held));
            }
        }
    }

    /// Waits for the page before, and asks about the next one.
    async fn turn(&mut self) -> Result<Option<Held>, StoreError> {
        let mut held = None;
        if let Some(mut asked) = self.asked.take() {
            let answered = (&mut asked.0).await;
            let (same, mut rows) = answered.map_err(|ended| StoreError::Unavailable(Box::new(ended)))?;
            if !same? {
                rows.append(&mut self.pending);
                return Ok(Some(Held::Other(rows)));
            }
            self.asking.query.after = rows.last().map(|row| Cursor::of(self.asking.table, row));
            held = Some(Held::Same(rows.len()));
        }
        if !self.pending.is_empty() {
            let rows = std::mem::replace(&mut self.pending, Vec::with_capacity(PAGE_ROWS_MAX));
            self.asked = Some(Asked(tokio::spawn(same(self.asking.clone(), rows))));
        }
        Ok(held)
    }

    /// A walk through everything that was not found to be the same.
    pub fn walk(&self) -> Walk {
        Walk::of(self.asking.clone())
    }
}

async fn same(mut asking: Asking, rows: Vec<Row>) -> (Result<bool, StoreError>, Vec<Row>) {
    asking.query.limit = rows.len();
    let answer = asking.store.is_page(asking.table.name, &asking.query, &rows).await;
    (answer.map(|answer| answer.value), rows)
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
    }
}
