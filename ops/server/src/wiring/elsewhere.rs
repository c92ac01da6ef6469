//! What is in other processes, and says so when it is asked for here.

use super::belief::{Belief, Disbelief};
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

/// A log that another process owns: what only the owner can tell of it is asked there, and its proofs are believed
/// before they are handed on.
pub(super) struct OwnedElsewhere {
    log: RemoteLog,
    belief: Belief,
}

impl OwnedElsewhere {
    pub(super) fn of(log: RemoteLog) -> Self {
        Self { log, belief: Belief::default() }
    }
}

impl LogAdmin for OwnedElsewhere {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        Box::pin(async {
            let stat = self.log.stat().await?;
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
        Box::pin(async {
            let signed = self.log.checkpoint().await?;
            self.belief.checkpoint(signed).map(Some).map_err(disbelieved)
        })
    }

    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        Box::pin(async move {
            let proof = self.log.prove(position).await?;
            self.belief.proof(position, proof).map(Some).map_err(disbelieved)
        })
    }
}

/// An answer that can't be believed is none.
fn disbelieved(why: Disbelief) -> LogError {
    LogError::Unreachable(Box::new(why))
}
