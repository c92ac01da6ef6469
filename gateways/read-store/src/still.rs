//! A store as it was at one moment: it is read, and can neither be written nor go on.

use std::future::ready;
use std::sync::Arc;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};

/// A store that nobody changes any more.
pub struct Still<S>(Arc<S>);

impl<S> Still<S> {
    pub fn of(store: S) -> Self {
        Self(Arc::new(store))
    }
}

fn of_the_past<T: Send + 'static>() -> PortFuture<'static, Result<T, StoreError>> {
    let why = "these are tables as they were: they are read, and not folded further".to_owned();
    Box::pin(ready(Err(StoreError::Invalid(why))))
}

impl<S: ReadStore + 'static> ReadStore for Still<S> {
    fn schemas(&self) -> &[Schema] {
        self.0.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.0.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        _: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        // It goes no further.
        Box::pin(async move { Ok(self.0.checkpoint(projection).await?.position) })
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        self.0.digests(projection)
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        Box::pin(ready(Ok(Arc::new(Self(Arc::clone(&self.0))) as Arc<dyn ReadStore>)))
    }

    fn load<'a>(&'a self, _: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        of_the_past()
    }

    fn apply(&self, _: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        of_the_past()
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        self.0.get(table, key)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        self.0.scan(table, query)
    }

    fn is_page<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
        rows: &'a [Row],
    ) -> PortFuture<'a, Result<Answer<bool>, StoreError>> {
        self.0.is_page(table, query, rows)
    }
}
