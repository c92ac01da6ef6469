//! What is in other processes, and says so when it is asked for here.

use std::sync::Arc;
use stele_api::{LogAdmin, LogProof, LogStat};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use stele_remote_log::RemoteLog;

/// Tables that another process keeps in its memory.
pub(super) struct TablesElsewhere {
    schemas: Vec<Schema>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the tables are in the memory of another process: run the role `projections` in this one, or give both a PostgreSQL"
)]
struct Elsewhere;

impl TablesElsewhere {
    pub(super) fn of(schemas: Vec<Schema>) -> Arc<dyn ReadStore> {
        Arc::new(Self { schemas })
    }
}

fn away<'a, T: Send + 'a>() -> PortFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Err(StoreError::Unavailable(Box::new(Elsewhere)))))
}

impl ReadStore for TablesElsewhere {
    fn schemas(&self) -> &[Schema] {
        &self.schemas
    }

    fn checkpoint<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        away()
    }

    fn reached<'a>(&'a self, _: &'a str, _: Position) -> PortFuture<'a, Result<Position, StoreError>> {
        away()
    }

    fn load<'a>(&'a self, _: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        away()
    }

    fn apply(&self, _: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        away()
    }

    fn get<'a>(&'a self, _: &'a str, _: &'a Key) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        away()
    }

    fn scan<'a>(&'a self, _: &'a str, _: &'a ScanQuery) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        away()
    }
}

/// A log whose proofs only its owner has.
pub(super) struct OwnedElsewhere(pub(super) RemoteLog);

fn ask_the_owner<'a, T: Send + 'a>() -> PortFuture<'a, Result<T, LogError>> {
    let words = "checkpoints and proofs are had from the process that owns the log: ask that one";
    Box::pin(std::future::ready(Err(LogError::Denied(words.to_owned()))))
}

impl LogAdmin for OwnedElsewhere {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        Box::pin(async {
            let stat = self.0.stat().await?;
            Ok(LogStat {
                log: stat.log,
                events: stat.events,
                commits: stat.commits,
                bytes: stat.bytes,
                streams: stat.streams,
                segments: stat.segments,
                head: stat.head,
                categories: stat.categories,
            })
        })
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        ask_the_owner()
    }

    fn prove(&self, _: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        ask_the_owner()
    }
}
