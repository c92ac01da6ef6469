//! A store that can be sent away: every call fails as one over a network does, until it is back. It can hang, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Cell, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use stele_domain::time::Timestamp;
use stele_read_store::MemoryStore;

pub struct Absent {
    pub store: Arc<MemoryStore>,
    pub away: Arc<AtomicBool>,
    /// Whether reads of rows are never answered.
    pub hanging: Arc<AtomicBool>,
    /// Whether somebody put a row into `quotes` that no build writes.
    pub odd: Arc<AtomicBool>,
}

impl Absent {
    async fn answers(&self) -> Result<(), StoreError> {
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.there()
    }

    fn there(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("connection refused".into()));
        }
        Ok(())
    }
}

impl ReadStore for Absent {
    fn schemas(&self) -> &[Schema] {
        self.store.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.checkpoint(projection).await
        })
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.reached(projection, position).await
        })
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.digests(projection).await
        })
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.still().await
        })
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.load(keys).await
        })
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.there()?;
            self.store.apply(batch).await
        })
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        Box::pin(async move {
            self.answers().await?;
            self.store.get(table, key).await
        })
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(async move {
            self.answers().await?;
            let mut answer = self.store.scan(table, query).await?;
            if table == "quotes" && self.odd.load(Ordering::SeqCst) {
                answer.value.rows = vec![odd()];
            }
            Ok(answer)
        })
    }
}

/// A row of `quotes` of a kind that there is not.
fn odd() -> Row {
    let (at, text) = (Cell::Time(Timestamp::from_millis(1_790_000_000_000)), Cell::text);
    let words = [text("quote-1"), text("btc-eure"), text("received"), text("")];
    let cells = [Cell::Int(999_999)].into_iter().chain(words);
    Row(cells.chain([Cell::Null, at.clone(), at]).collect())
}
