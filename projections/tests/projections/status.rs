//! The desk at a glance: what is counted, and how much has to be read for it.

use crate::meddled::{Meddled, Meddling};
use crate::support::{act, empty_store, log_of, settled_story};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Cell, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use stele_projections::compare::fold_to;
use stele_projections::models;
use stele_projections::status::{Summary, summary};

/// Counts the rows that are read out of it.
struct Counting {
    store: Arc<dyn ReadStore>,
    rows: AtomicUsize,
}

impl ReadStore for Counting {
    fn schemas(&self) -> &[Schema] {
        self.store.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.store.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        self.store.reached(projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        self.store.digests(projection)
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        self.store.still()
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        self.store.load(keys)
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.store.apply(batch)
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        self.rows.fetch_add(1, Ordering::SeqCst);
        self.store.get(table, key)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(async move {
            let answer = self.store.scan(table, query).await?;
            self.rows.fetch_add(answer.value.rows.len(), Ordering::SeqCst);
            Ok(answer)
        })
    }
}

/// The summary of a desk that settled so many offers, and how many rows were read for it.
async fn after(settled: u8) -> (Summary, usize) {
    let acts: Vec<_> = (0..settled).flat_map(settled_story).collect();
    let log = log_of(&acts).await;
    let store = empty_store(models::ALL);
    fold_to(&*log, &*store, models::ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    let store = Counting { store, rows: AtomicUsize::new(0) };
    (summary(&store).await.unwrap(), store.rows.into_inner())
}

#[tokio::test]
async fn a_summary_reads_no_more_rows_however_many_commands_there_were() {
    let (few, rows) = after(2).await;
    let (many, of_many) = after(200).await;
    assert_eq!((few.results["settled"], many.results["settled"]), (2, 200));
    assert_eq!(rows, of_many);
}

async fn results(steps: &[(&str, u8)]) -> BTreeMap<String, u64> {
    let acts: Vec<_> = steps.iter().map(|(step, quote)| act(&format!("trading.{step}"), *quote)).collect();
    let log = log_of(&acts).await;
    let store = empty_store(models::ALL);
    fold_to(&*log, &*store, models::ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    summary(&*store).await.unwrap().results
}

#[tokio::test]
async fn a_command_is_counted_once_under_the_state_that_it_is_in_now() {
    let steps = [
        ("SubmissionStarted", 0),
        ("SubmissionUncertain", 0),
        ("SubmissionStarted", 1),
        ("SubmissionRejected", 1),
        ("ReplyContradicted", 1),
        ("ExecutionRefused", 2),
        ("SubmissionExpiredUnfilled", 0),
        ("ReservationReleased", 0),
        // Nobody took these up, or they are over.
        ("SubmissionAccepted", 3),
        ("SubmissionAccepted", 0),
    ];
    let counts = [("expired_unfilled", 1), ("refused", 1), ("uncertain", 1)];
    let counts: BTreeMap<String, u64> = counts.map(|(state, count)| (state.to_owned(), count)).into();
    assert_eq!(results(&steps).await, counts);
}

/// Says of one table what its rows never were.
struct Odd(Arc<dyn ReadStore>);

impl Meddling for Odd {
    fn inner(&self) -> &dyn ReadStore {
        &*self.0
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.0.apply(batch)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(async move {
            let mut answer = self.0.scan(table, query).await?;
            if table == "result_counts" {
                for row in &mut answer.value.rows {
                    row.0[0] = Cell::text("invented");
                }
            }
            Ok(answer)
        })
    }
}

#[tokio::test]
async fn a_row_that_no_build_wrote_costs_a_summary_only_what_comes_from_its_table() {
    let acts: Vec<_> = (0..2).flat_map(settled_story).collect();
    let log = log_of(&acts).await;
    let store = empty_store(models::ALL);
    fold_to(&*log, &*store, models::ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    let whole = summary(&*store).await.unwrap();
    assert!(whole.unread.is_empty() && !whole.results.is_empty(), "{:?}", whole.unread);
    let seen = summary(&Meddled(Odd(store))).await.unwrap();
    assert!(seen.unread["result_counts"].contains("invented"), "{:?}", seen.unread);
    assert_eq!(seen, Summary { results: BTreeMap::new(), unread: seen.unread.clone(), ..whole });
}
