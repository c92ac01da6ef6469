//! Rows are read while somebody else moves their partitions: whatever the moment, each is told once, in order.

use crate::desk::{Desk, MILLION, quotes, registered};
use crate::support::memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::operations::tiering::{Command, State};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use stele_domain::port::tiering::{Histories, KeptDigest, Look, Partition, RecordError, TieringFacts};
use stele_projections::tier::{TierError, Tierer};
use stele_read_store::PostgresStore;

/// The tables, their partitions and what is known of them, where somebody moves all that is due in front of the question with
/// a number.
struct Meanwhile {
    store: Arc<PostgresStore>,
    facts: Arc<dyn TieringFacts>,
    mover: Tierer,
    at: u64,
    questions: AtomicU64,
    /// Whether each page says that other rows have left than the one before did.
    is_restless: bool,
}

impl Meanwhile {
    fn of(desk: &Desk, at: u64) -> Self {
        let mover = Tierer { rows_max: 1_000, ..desk.tierer() };
        let (store, facts) = (Arc::clone(&desk.store), desk.facts());
        Self { store, facts, mover, at, questions: AtomicU64::new(0), is_restless: false }
    }

    async fn asked(&self) {
        if self.questions.fetch_add(1, Ordering::SeqCst) == self.at {
            self.mover.run(&quotes()).await.unwrap();
        }
    }

    /// All rows of the quotes, and how many questions it took.
    async fn rows(self, desk: &Desk) -> (Vec<Row>, Result<u64, TierError>) {
        let this = Arc::new(self);
        let (tables, histories, facts) = (Arc::clone(&this), Arc::clone(&this), Arc::clone(&this));
        let reader = Tierer { tables, ..desk.over(Arc::clone(&desk.blobs), facts, histories) };
        let mut rows = vec![];
        let read = reader.each_row("quotes", Position::START, Position(9 * MILLION), |row| {
            rows.push(row.clone());
            true
        });
        let read = read.await.map(|()| this.questions.load(Ordering::SeqCst));
        (rows, read)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_partitions_leave_while_rows_are_read_each_row_is_told_once() {
    let mut desk = Desk::of_quotes(memory(), 3).await;
    let mut at = 0;
    loop {
        let (rows, questions) = Meanwhile::of(&desk, at).rows(&desk).await;
        let questions = questions.unwrap();
        assert!(rows == desk.rows["quotes"], "moved in front of question {at}: {} rows", rows.len());
        if questions <= at {
            break;
        }
        assert_eq!(desk.live("quotes").await.1, 26, "moved in front of question {at}");
        at += 1;
        desk.again(memory(), 3).await;
    }
    assert!(at >= 4, "only {at} questions were asked");
}

/// Where the first page was told already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_between_two_pages_is_told_from_the_lake_and_not_twice() {
    let mut desk = Desk::with(memory()).await;
    for (from, count) in [(1, 1_200), (MILLION, 1_200), (2 * MILLION, 1)] {
        let positions: Vec<u64> = (from..from + count).collect();
        desk.fill(registered("quotes"), &positions, from + count).await;
    }
    // How far the tables are, where they are whole; which partitions there are; what is known of them; and a page.
    let (rows, questions) = Meanwhile::of(&desk, 4).rows(&desk).await;
    assert!(questions.unwrap() > 5, "nothing was looked at again");
    assert_eq!(desk.live("quotes").await.1, 2_400);
    assert!(rows == desk.rows["quotes"], "{} rows", rows.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_never_rest_are_given_up_on_and_none_of_them_is_told() {
    let desk = Desk::of_quotes(memory(), 1).await;
    let restless = Meanwhile { is_restless: true, ..Meanwhile::of(&desk, u64::MAX) };
    let (rows, read) = restless.rows(&desk).await;
    assert!(matches!(&read, Err(error @ TierError::Moving(_)) if error.is_transient()), "{read:?}");
    assert!(rows.is_empty(), "{rows:?}");
}

impl TieringFacts for Meanwhile {
    fn known(&self) -> PortFuture<'_, Result<State, RecordError>> {
        Box::pin(async move {
            self.asked().await;
            self.facts.known().await
        })
    }

    fn record(&self, command: Command) -> PortFuture<'_, Result<(), RecordError>> {
        self.facts.record(command)
    }
}

impl Histories for Meanwhile {
    fn partitions(&self, older_than_s: Option<u64>) -> PortFuture<'_, Result<Vec<Partition>, StoreError>> {
        Box::pin(async move {
            self.asked().await;
            Histories::partitions(&*self.store, older_than_s).await
        })
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        kept: &'a [KeptDigest],
    ) -> PortFuture<'a, Result<bool, StoreError>> {
        Histories::drop_partition(&*self.store, partition, kept)
    }

    fn begin_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        Histories::begin_restore(&*self.store, table, from, to)
    }

    fn restore_rows<'a>(&'a self, table: &'a str, rows: Vec<Row>) -> PortFuture<'a, Result<(), StoreError>> {
        Histories::restore_rows(&*self.store, table, rows)
    }

    fn finish_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
        rows: u64,
        look: &'a mut Look<'a>,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        Histories::finish_restore(&*self.store, table, from, to, rows, look)
    }
}

impl ReadStore for Meanwhile {
    fn schemas(&self) -> &[Schema] {
        ReadStore::schemas(&*self.store)
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        ReadStore::checkpoint(&*self.store, projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        ReadStore::reached(&*self.store, projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        ReadStore::digests(&*self.store, projection)
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        ReadStore::still(&*self.store)
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        ReadStore::load(&*self.store, keys)
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        ReadStore::apply(&*self.store, batch)
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        ReadStore::get(&*self.store, table, key)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(async move {
            self.asked().await;
            let mut answer = ReadStore::scan(&*self.store, table, query).await?;
            if self.is_restless {
                answer.cut_rows = self.questions.load(Ordering::SeqCst);
            }
            Ok(answer)
        })
    }
}
