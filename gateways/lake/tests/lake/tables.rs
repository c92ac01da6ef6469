//! Tables by themselves: checkpoints, compaction, sweeping, columns that were added, and what the doctor says.

use crate::support::{Faulty, HandClock, grow, log_of, memory, open, publish, told};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stele_blob_store::MemoryBlobs;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::{BlobEntry, BlobError, BlobName, BlobStore, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::table::{Column, ColumnKind, Retention, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::time::Timestamp;
use stele_lake::doctor::{ROUNDS, WRITERS, examine};
use stele_lake::files::{DataFile, Day};
use stele_lake::table::{Appended, Batch, CHECKPOINT_EVERY, LakeTable};
use stele_lake::{LakeError, facts};

const NARROW: Table = Table {
    name: "fact_word",
    doc: "Words.",
    columns: &[COLUMNS[0]],
    key: &["position"],
    indexes: &[],
    retention: Retention::All,
    append_only: true,
};
static NARROW_TABLE: Table = NARROW;
static WIDE_TABLE: Table = Table { columns: COLUMNS, ..NARROW };
static NEVER_EMPTY_TABLE: Table =
    Table { columns: &[COLUMNS[0], column("word", ColumnKind::Text, "A word.")], ..NARROW };
const COLUMNS: &[Column] =
    &[column("position", ColumnKind::Int64, "Where."), optional("word", ColumnKind::Text, "A word.")];

async fn table(store: &Arc<dyn ChangingBlobs>, definition: &'static Table) -> Result<LakeTable, LakeError> {
    LakeTable::open_or_create(Arc::clone(store), HandClock::now_shared(), definition, 1).await
}

fn batch(table: &'static Table, after: u64, last: u64) -> Batch {
    let row = |position: u64| {
        let mut cells = vec![Cell::Int(position as i64)];
        cells.resize(table.columns.len(), Cell::text("word"));
        Row(cells)
    };
    let rows: Vec<Row> = (after + 1..=last).map(row).collect();
    let file = DataFile::of(table, Day::of(Timestamp::from_millis(0)), &rows).unwrap();
    Batch { after: Position(after), last: Position(last), event_id: None, files: vec![file] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_added_once_and_one_that_does_not_follow_is_refused() {
    let store = memory();
    let mut first = table(&store, &NARROW_TABLE).await.unwrap();
    let mut second = table(&store, &NARROW_TABLE).await.unwrap();
    assert_eq!(first.append(&batch(&NARROW_TABLE, 0, 10)).await.unwrap(), Appended::Committed);
    assert_eq!(second.append(&batch(&NARROW_TABLE, 0, 10)).await.unwrap(), Appended::Already);
    let other = second.append(&batch(&NARROW_TABLE, 5, 20)).await.unwrap_err();
    assert!(matches!(other, LakeError::Superseded { at: Position(10), .. }), "{other}");
    assert_eq!(second.digest().unwrap().rows(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_hundreds_of_commits_is_opened_from_its_newest_checkpoint() {
    let store = memory();
    let mut writer = table(&store, &NARROW_TABLE).await.unwrap();
    let commits = CHECKPOINT_EVERY * 3 + 7;
    for at in 0..commits {
        assert_eq!(writer.append(&batch(&NARROW_TABLE, at, at + 1)).await.unwrap(), Appended::Committed);
        writer.checkpoint_if_due().await.unwrap();
    }
    let opened = async |store: &Arc<dyn ChangingBlobs>| {
        let counted = Faulty::counting(Arc::clone(store));
        let through: Arc<dyn ChangingBlobs> = Arc::<Faulty>::clone(&counted);
        let clock: Arc<dyn Clock> = HandClock::now_shared();
        let table = LakeTable::open(through, clock, &NARROW_TABLE).await.unwrap().unwrap();
        assert_eq!(
            (table.version(), table.position(), table.files()),
            (commits, Position(commits), commits as usize)
        );
        assert_eq!(table.digest().unwrap(), writer.digest().unwrap());
        counted.gets.load(Ordering::SeqCst)
    };
    // The hint, the checkpoint, its commit, and what came after.
    assert_eq!(opened(&store).await, 3 + 7);
    let hint = BlobName::new("fact_word/_delta_log/_last_checkpoint").unwrap();
    store.replace(&hint, b"{\"version\":4000}".to_vec()).await.unwrap();
    assert!(opened(&store).await <= 3 + 7 + 1);
    store.remove(&hint).await.unwrap();
    assert!(opened(&store).await <= 3 + 7 + 1);
    let missing = BlobName::new("fact_word/_delta_log/00000000000000000303.json").unwrap();
    store.remove(&missing).await.unwrap();
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let damaged = LakeTable::open(Arc::clone(&store), clock, &NARROW_TABLE).await.err().unwrap();
    assert!(damaged.to_string().contains("00000000000000000303.json"), "{damaged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_makes_few_files_of_many_and_changes_no_row() {
    let log = log_of(0).await;
    let store = memory();
    for nth in 0..20 {
        grow(&log, nth * 20, 20).await;
        publish(&store, &*log).await.unwrap();
    }
    let before = told(&store, &*log).await;
    for fact in facts::ALL {
        let mut table =
            LakeTable::open(Arc::clone(&store), HandClock::now_shared(), fact.table).await.unwrap().unwrap();
        let files = table.files();
        let mut removed = 0;
        while let Some(done) = table.compact(2).await.unwrap() {
            removed += done.removed - done.added;
        }
        assert_eq!(table.files(), files - removed, "{}", fact.table.name);
        assert!(table.files() <= 2 && table.compact(2).await.unwrap().is_none(), "{table:?}");
    }
    assert_eq!(told(&store, &*log).await, before);
    // A writer that had looked before goes on.
    grow(&log, 400, 10).await;
    publish(&store, &*log).await.unwrap();
    told(&store, &*log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_and_a_compaction_at_the_same_time_lose_nothing() {
    let store = memory();
    let mut writer = table(&store, &NARROW_TABLE).await.unwrap();
    for at in 0..20 {
        assert_eq!(writer.append(&batch(&NARROW_TABLE, at, at + 1)).await.unwrap(), Appended::Committed);
    }
    let mut compacting = table(&store, &NARROW_TABLE).await.unwrap();
    let mut second = table(&store, &NARROW_TABLE).await.unwrap();
    assert_eq!(writer.append(&batch(&NARROW_TABLE, 20, 21)).await.unwrap(), Appended::Committed);
    // It had not seen the last commit, and comes after it.
    assert_eq!(compacting.compact(2).await.unwrap().unwrap().rows, 20);
    // What another one has compacted is not compacted again.
    assert_eq!(second.compact(2).await.unwrap(), None);
    assert_eq!(writer.append(&batch(&NARROW_TABLE, 21, 30)).await.unwrap(), Appended::Committed);
    let table = table(&store, &NARROW_TABLE).await.unwrap();
    assert_eq!((table.files(), table.digest().unwrap().rows(), table.position()), (3, 30, Position(30)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_what_counts_no_longer_or_never_did_and_is_old_enough() {
    let store = memory();
    let clock = HandClock::now_shared();
    let shared: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    let mut table = LakeTable::open_or_create(Arc::clone(&store), shared, &NARROW_TABLE, 1).await.unwrap();
    for at in 0..4 {
        assert_eq!(table.append(&batch(&NARROW_TABLE, at, at + 1)).await.unwrap(), Appended::Committed);
    }
    let orphan = batch(&NARROW_TABLE, 4, 9).files.remove(0);
    let name = BlobName::new(&format!("fact_word/{}", orphan.path)).unwrap();
    assert_eq!(store.put(&name, orphan.bytes).await.unwrap(), Put::Kept);
    table.compact(2).await.unwrap().unwrap();
    let young = table.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((young.files, young.young), (0, 5), "nothing younger than an hour is removed");
    clock.pass(3 * 3_600_000);
    let swept = table.sweep(Duration::from_hours(2)).await.unwrap();
    assert_eq!((swept.files, swept.young), (5, 0));
    assert!(matches!(store.head(&name).await, Err(BlobError::Missing { .. })));
    let mut rows = 0;
    for (path, _) in table.paths() {
        table
            .read(path, |some| {
                rows += some.len();
                Ok(())
            })
            .await
            .unwrap();
    }
    assert_eq!(rows, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_may_be_empty_is_added_and_any_other_change_is_refused() {
    let store = memory();
    let mut old = table(&store, &NARROW_TABLE).await.unwrap();
    assert_eq!(old.append(&batch(&NARROW_TABLE, 0, 3)).await.unwrap(), Appended::Committed);
    let refused = table(&store, &NEVER_EMPTY_TABLE).await.err().unwrap();
    assert!(matches!(refused, LakeError::OtherColumns { .. }), "{refused}");
    let mut new = table(&store, &WIDE_TABLE).await.unwrap();
    assert_eq!(new.append(&batch(&WIDE_TABLE, 3, 5)).await.unwrap(), Appended::Committed);
    let mut words = vec![];
    for (path, _) in new.paths() {
        new.read(path, |rows| {
            words.extend(rows.into_iter().map(|row| row.0[1].clone()));
            Ok(())
        })
        .await
        .unwrap();
    }
    assert_eq!(words, [Cell::Null, Cell::Null, Cell::Null, Cell::text("word"), Cell::text("word")]);
    // The build without the column does not write here any more.
    let refused = table(&store, &NARROW_TABLE).await.err().unwrap();
    assert!(refused.to_string().contains("a newer one writes it"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_another_program_has_upgraded_is_refused() {
    let store = memory();
    table(&store, &NARROW_TABLE).await.unwrap();
    let upgrade =
        br#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}"#;
    let name = BlobName::new("fact_word/_delta_log/00000000000000000001.json").unwrap();
    assert_eq!(store.put(&name, upgrade.to_vec()).await.unwrap(), Put::Kept);
    let refused = table(&store, &NARROW_TABLE).await.err().unwrap();
    assert!(matches!(refused, LakeError::Protocol { reader: 3, writer: 7, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_careful_store_in_order_and_says_of_a_careless_one_what_is_wrong() {
    let log = log_of(60).await;
    let store = memory();
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let empty = examine(&store, Arc::clone(&clock), facts::ALL, (WRITERS, ROUNDS)).await.unwrap();
    assert!(empty.is_ok(), "{empty:?}");
    publish(&store, &*log).await.unwrap();
    let full = examine(&store, Arc::clone(&clock), facts::ALL, (WRITERS, ROUNDS)).await.unwrap();
    assert!(
        full.is_ok() && full.findings.iter().any(|finding| finding.detail.contains("position 60")),
        "{full:?}"
    );
    let left = store.list(&BlobName::new("_doctor").unwrap(), None, 10).await.unwrap();
    assert_eq!(left, []);
    let ill = examine(&careless(), clock, facts::ALL, (WRITERS, 2)).await.unwrap();
    let finding = ill.findings.iter().find(|finding| !finding.ok).unwrap();
    assert!(finding.name == "conditional puts" && finding.detail.contains("8 of 8 writers"), "{finding:?}");
    let wrong: Arc<dyn Clock> = HandClock::at(0);
    let late = examine(&store, wrong, facts::ALL, (2, 1)).await.unwrap();
    assert!(late.findings.iter().any(|finding| finding.name == "clock" && !finding.ok), "{late:?}");
    let _ = (open(&store).await.unwrap(), log.head().await.unwrap());
}

/// A store that lets everybody believe that they were the first.
pub fn careless() -> Arc<dyn ChangingBlobs> {
    Arc::new(Careless(MemoryBlobs::default()))
}

/// Where it says that it is.
const URL: &str = "careless:";

struct Careless(MemoryBlobs);

impl BlobStore for Careless {
    fn url(&self) -> &str {
        URL
    }

    fn put<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<Put, BlobError>> {
        Box::pin(async move { self.0.replace(name, bytes).await.map(|()| Put::Kept) })
    }

    fn get<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        self.0.get(name)
    }

    fn get_range<'a>(
        &'a self,
        name: &'a BlobName,
        range: Range<u64>,
    ) -> PortFuture<'a, Result<Vec<u8>, BlobError>> {
        self.0.get_range(name, range)
    }

    fn head<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<u64, BlobError>> {
        self.0.head(name)
    }

    fn list<'a>(
        &'a self,
        under: &'a BlobName,
        after: Option<&'a BlobName>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<BlobEntry>, BlobError>> {
        self.0.list(under, after, limit)
    }
}

impl ChangingBlobs for Careless {
    fn replace<'a>(&'a self, name: &'a BlobName, bytes: Vec<u8>) -> PortFuture<'a, Result<(), BlobError>> {
        self.0.replace(name, bytes)
    }

    fn remove<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<(), BlobError>> {
        self.0.remove(name)
    }

    fn kept_at<'a>(&'a self, name: &'a BlobName) -> PortFuture<'a, Result<Timestamp, BlobError>> {
        self.0.kept_at(name)
    }
}
