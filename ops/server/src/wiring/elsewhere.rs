//! What is in other processes, and says so when it is asked for here.

use super::belief::{Belief, Disbelief};
use std::sync::Arc;
use stele_api::{LogAdmin, LogArchived, LogConsistency, LogGrowth, LogProof, LogStat};
use stele_domain::causes::with_causes;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Claim, Digest, Key, OldTables, Page, ReadStore, Rebuild, Rebuilding, Row,
    RowKey, ScanQuery, Schema, StoreError, Wanted,
};
use stele_remote_log::{Archived, Growth, RemoteLog};

/// Tables that another process keeps in its memory.
pub(super) struct TablesElsewhere {
    schemas: Vec<Schema>,
}

const ELSEWHERE: &str = "the tables are in the memory of another process: run the role `projections` in this one, or give both a PostgreSQL";

impl TablesElsewhere {
    pub(super) fn of(schemas: Vec<Schema>) -> Arc<Self> {
        Arc::new(Self { schemas })
    }
}

impl Rebuilding for TablesElsewhere {
    fn rebuilds(&self) -> PortFuture<'_, Result<Vec<Rebuild>, StoreError>> {
        away()
    }

    fn old_tables(&self) -> PortFuture<'_, Result<Vec<OldTables>, StoreError>> {
        away()
    }

    fn claim(&self, _: Wanted) -> PortFuture<'_, Result<Box<dyn Claim>, StoreError>> {
        away()
    }

    fn drop_old<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<(), StoreError>> {
        away()
    }
}

fn away<'a, T: Send + 'a>() -> PortFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Err(StoreError::Elsewhere(ELSEWHERE.to_owned()))))
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

    fn digests<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        away()
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
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
                growth: stat.growth.into_iter().map(growth).collect(),
                archive: stat.archive.map(archived),
            })
        })
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(async {
            let signed = self.log.checkpoint().await?;
            self.belief.checkpoint(signed).map(Some).map_err(|why| disbelieved(&why))
        })
    }

    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        Box::pin(async move {
            let proof = self.log.prove(position).await?;
            self.belief.proof(position, proof).map(Some).map_err(|why| disbelieved(&why))
        })
    }

    fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> PortFuture<'_, Result<Option<LogConsistency>, LogError>> {
        Box::pin(async move {
            let proof = self.log.prove_consistency(old_size, new_size).await?;
            self.belief.consistency((old_size, new_size), proof).map(Some).map_err(|why| disbelieved(&why))
        })
    }
}

fn growth(growth: Growth) -> LogGrowth {
    let Growth { asked_ms, measured_ms, events, bytes, categories } = growth;
    LogGrowth { asked_ms, measured_ms, events, bytes, categories }
}

fn archived(Archived { segments, bytes, events }: Archived) -> LogArchived {
    LogArchived { segments, bytes, events }
}

/// What can't be believed is not to be asked for again as if it had only been late: the owner's log is another one, or is
/// not what its key has signed.
fn disbelieved(why: &Disbelief) -> LogError {
    let what = with_causes(why);
    match why {
        Disbelief::OtherKey { .. } => LogError::Denied(what),
        Disbelief::Key(_)
        | Disbelief::Checkpoint(_)
        | Disbelief::Proof(_)
        | Disbelief::OtherSizes { .. }
        | Disbelief::Elsewhere { .. } => {
            LogError::Damaged { file: "what its owner tells of it".to_owned(), offset: 0, what }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Disbelief, TablesElsewhere, disbelieved};
    use stele_domain::port::event_log::{LogError, Position};
    use stele_domain::port::read_store::{Key, ReadStore as _, StoreError};

    #[tokio::test]
    async fn tables_of_another_process_do_not_come_here_by_waiting() {
        let tables = TablesElsewhere::of(vec![]);
        let error = tables.get("orders", &Key(vec![])).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("run the role `projections`"), "{error}");
        assert!(matches!(tables.checkpoint("orders").await, Err(StoreError::Elsewhere(_))));
    }

    #[test]
    fn what_is_not_believed_does_not_pass_by_itself() {
        let other = Disbelief::OtherKey { before: "log a".to_owned(), now: "log b".to_owned() };
        assert!(matches!(disbelieved(&other), LogError::Denied(what) if what.contains("log b")));
        for why in [Disbelief::OtherSizes { old: 3, new: 7 }, Disbelief::Elsewhere { position: Position(9) }]
        {
            let error = disbelieved(&why);
            let LogError::Damaged { what, .. } = &error else { panic!("{error:?}") };
            assert!(!error.is_transient() && what.contains(&why.to_string()), "{error}");
        }
    }
}
