//! Rows are read while somebody else moves their partitions: whatever the moment, each is told once, in order.

use crate::desk::{Desk, MILLION, quotes, registered};
use crate::support::{HandClock, memory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::operations::tiering::{Command, State};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema, StoreError,
};
use stele_domain::port::tiering::{
    Histories, HistoryLake, KeptDigest, LakeFile, Look, Partition, RecordError, Shelf, ShelfError,
    TieringFacts,
};
use stele_projections::tier::{TierError, Tierer};
use stele_read_store::PostgresStore;

/// For how long what came back is held.
const HELD_MS: i64 = 3_600_000;

/// What somebody else does.
#[derive(Clone, Copy)]
enum Move {
    /// Lets everything that is due leave the tables; nothing is held any more then.
    Away,
    /// Brings back what has left, from a position on.
    Back(u64),
}

/// The tables, their partitions, the lake and what is known of them, where somebody moves partitions in front of questions
/// with some numbers.
struct Meanwhile {
    store: Arc<PostgresStore>,
    facts: Arc<dyn TieringFacts>,
    lake: Arc<dyn HistoryLake>,
    clock: Arc<HandClock>,
    mover: Tierer,
    moves: Vec<(u64, Move)>,
    questions: AtomicU64,
    /// Whether each page says that other rows have left than the one before did.
    is_restless: bool,
}

impl Meanwhile {
    fn of(desk: &Desk, moves: &[(u64, Move)]) -> Self {
        Self {
            store: Arc::clone(&desk.store),
            facts: desk.facts(),
            lake: desk.tierer().lake,
            clock: Arc::clone(&desk.clock),
            mover: mover(desk),
            moves: moves.to_vec(),
            questions: AtomicU64::new(0),
            is_restless: false,
        }
    }

    async fn asked(&self) {
        let asked = self.questions.fetch_add(1, Ordering::SeqCst);
        for (at, what) in &self.moves {
            if *at == asked {
                self.moved(*what).await;
            }
        }
    }

    async fn moved(&self, what: Move) {
        match what {
            Move::Away => {
                self.clock.pass(HELD_MS + 1);
                self.mover.run(&quotes()).await.unwrap();
            }
            Move::Back(from) => {
                self.mover.restore("quotes", Position(from), HELD_MS, |_| ()).await.unwrap();
            }
        }
    }

    /// All rows of the quotes, and how many questions it took.
    async fn rows(self, desk: &Desk) -> (Vec<Row>, Result<u64, TierError>) {
        let this = Arc::new(self);
        let (tables, lake) = (Arc::clone(&this), Arc::clone(&this));
        let (histories, facts) = (Arc::clone(&this), Arc::clone(&this));
        let reader = Tierer { tables, lake, ..desk.over(Arc::clone(&desk.blobs), facts, histories) };
        let mut rows = vec![];
        let read = reader.each_row("quotes", Position::START, Position(9 * MILLION), |row| {
            rows.push(row.clone());
            true
        });
        let read = read.await.map(|()| this.questions.load(Ordering::SeqCst));
        (rows, read)
    }
}

/// Somebody else, who puts many rows into a file.
fn mover(desk: &Desk) -> Tierer {
    Tierer { rows_max: 1_000, ..desk.tierer() }
}

/// Lets everything that is due leave, of which there are so many rows.
async fn away(desk: &Desk, rows: u64) {
    desk.clock.pass(HELD_MS + 1);
    mover(desk).run(&quotes()).await.unwrap();
    assert_eq!(desk.live("quotes").await.1, rows);
}

/// Reads again and again, where so many rows are away, and somebody moves in front of the first question, the second, and so
/// on; so many rows are away after it. Tells how many questions there are where nobody moves.
async fn in_front_of_each(
    desk: &Desk,
    (gone, left): (u64, u64),
    moves: impl Fn(u64) -> Vec<(u64, Move)>,
) -> u64 {
    let mut at = 0;
    loop {
        away(desk, gone).await;
        let (rows, questions) = Meanwhile::of(desk, &moves(at)).rows(desk).await;
        let questions = questions.unwrap();
        assert!(rows == desk.rows["quotes"], "moved in front of question {at}: {} rows", rows.len());
        if questions <= at {
            return at;
        }
        assert_eq!(desk.live("quotes").await.1, left, "moved in front of question {at}");
        at += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_partitions_leave_while_rows_are_read_each_row_is_told_once() {
    let mut desk = Desk::of_quotes(memory(), 3).await;
    let mut at = 0;
    loop {
        let (rows, questions) = Meanwhile::of(&desk, &[(at, Move::Away)]).rows(&desk).await;
        let questions = questions.unwrap();
        assert!(rows == desk.rows["quotes"], "moved in front of question {at}: {} rows", rows.len());
        if questions <= at {
            break;
        }
        assert_eq!(desk.live("quotes").await.1, 26, "moved in front of question {at}");
        at += 1;
        desk.again(memory(), 3).await;
    }
    assert!(at >= 5, "only {at} questions were asked");
}

/// Where the first page was told already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_between_two_pages_is_told_from_the_lake_and_not_twice() {
    let mut desk = Desk::with(memory()).await;
    for (from, count) in [(1, 1_200), (MILLION, 1_200), (2 * MILLION, 1)] {
        let positions: Vec<u64> = (from..from + count).collect();
        desk.fill(registered("quotes"), &positions, from + count).await;
    }
    // How many rows are gone, between two looks at which partitions there are; what is known of them; and a page.
    let (rows, questions) = Meanwhile::of(&desk, &[(5, Move::Away)]).rows(&desk).await;
    // Where nothing moves, there are two pages more, and no others.
    assert!(questions.unwrap() > 7, "nothing was looked at again");
    assert_eq!(desk.live("quotes").await.1, 2_400);
    assert!(rows == desk.rows["quotes"], "{} rows", rows.len());
}

/// All three of them, and the newest one alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_partitions_come_back_while_rows_are_read_each_row_is_told_once() {
    let desk = Desk::of_quotes(memory(), 3).await;
    for (from, left) in [(0, 0), (2 * MILLION, 17)] {
        let asked = in_front_of_each(&desk, (26, left), |at| vec![(at, Move::Back(from))]).await;
        // Four about where rows are, three manifests with a file each at least, and a page.
        assert!(asked >= 11, "only {asked} questions were asked");
    }
}

/// The number of rows that are gone is the same in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_partitions_come_back_and_leave_again_while_rows_are_read_each_row_is_told_once() {
    let desk = Desk::of_quotes(memory(), 3).await;
    let both = |at: u64| vec![(at, Move::Back(2 * MILLION)), (at + 1, Move::Away)];
    let asked = in_front_of_each(&desk, (26, 26), both).await;
    assert!(asked >= 11, "only {asked} questions were asked");
}

/// Where the first page was told already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_between_two_pages_is_not_told_twice() {
    let mut desk = Desk::with(memory()).await;
    for from in [1, MILLION, 2 * MILLION] {
        let positions: Vec<u64> = (from..from + 1_200).collect();
        desk.fill(registered("quotes"), &positions, from + 1_200).await;
    }
    let asked = in_front_of_each(&desk, (2_400, 0), |at| vec![(at, Move::Back(0))]).await;
    // Four about where rows are, two manifests with a file each at least, and two pages.
    assert!(asked >= 10, "only {asked} questions were asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_never_rest_are_given_up_on_and_none_of_them_is_told() {
    let desk = Desk::of_quotes(memory(), 1).await;
    let restless = Meanwhile { is_restless: true, ..Meanwhile::of(&desk, &[]) };
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

impl HistoryLake for Meanwhile {
    fn url(&self) -> &str {
        self.lake.url()
    }

    fn position(&self, of: Shelf) -> PortFuture<'_, Result<Position, ShelfError>> {
        self.lake.position(of)
    }

    fn append(
        &self,
        of: Shelf,
        after: Position,
        last: Position,
        rows: Vec<Row>,
    ) -> PortFuture<'_, Result<(), ShelfError>> {
        self.lake.append(of, after, last, rows)
    }

    fn files(
        &self,
        of: Shelf,
        from: Position,
        to: Position,
    ) -> PortFuture<'_, Result<Vec<LakeFile>, ShelfError>> {
        self.lake.files(of, from, to)
    }

    fn rows<'a>(&'a self, of: Shelf, files: &'a [LakeFile]) -> PortFuture<'a, Result<Vec<Row>, ShelfError>> {
        Box::pin(async move {
            self.asked().await;
            self.lake.rows(of, files).await
        })
    }

    fn keep_manifest<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> PortFuture<'a, Result<(), ShelfError>> {
        self.lake.keep_manifest(path, bytes)
    }

    fn manifest<'a>(&'a self, path: &'a str) -> PortFuture<'a, Result<Vec<u8>, ShelfError>> {
        Box::pin(async move {
            self.asked().await;
            self.lake.manifest(path).await
        })
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
