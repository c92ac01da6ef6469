//! The past where PostgreSQL keeps the histories: the same answers as from a fold that stops there.

use crate::equality::log;
use crate::server::server;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{Cursor, ReadStore, Row, ScanQuery};
use stele_domain::port::state_store::{Histories, StateStore};
use stele_projections::compare::{dump, fold_to};
use stele_projections::past::{Keeper, KeeperOptions, Opener, Past, PastError, PastOptions};
use stele_projections::{models, schemas};
use stele_read_store::{MemoryStore, Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Every row in pages of two, each cursor on its way through text.
async fn walked(store: &dyn ReadStore, table: &str, query: &ScanQuery) -> (Vec<Row>, u64) {
    let mut query = query.clone();
    let mut rows = vec![];
    loop {
        let answer = store.scan(table, &query).await.unwrap();
        rows.extend(answer.value.rows);
        let Some(next) = answer.value.next else { return (rows, answer.cut_rows) };
        let table = models::table(table).unwrap();
        query.after = Some(Cursor::parse(table, &next.to_text()).unwrap());
    }
}

/// Past states that are kept every twenty events, as far as the log goes.
struct Kept {
    past: Arc<Past>,
    end: watch::Sender<bool>,
    keeping: JoinHandle<()>,
    _directory: TempDir,
}

impl Kept {
    async fn of(log: &Arc<dyn EventLog>, live: &Arc<dyn ReadStore>) -> Self {
        let head = log.head().await.unwrap();
        fold_to(&**log, &**live, models::ALL, head, |_| {}).await.unwrap();
        let directory = TempDir::new().unwrap();
        let options = RunOptions {
            memory_bytes: RUN_MEMORY_BYTES_MIN,
            histories: Histories::PassBy,
            states: States::Every,
            orders: Orders::All,
        };
        let states = RunStore::open(directory.path(), &schemas(models::ALL), options).unwrap();
        let (log, live) = (Arc::clone(log), Arc::clone(live));
        let past = Past::new(log, live, Histories::PassBy, models::ALL, PastOptions::default());
        let opened = states.clone();
        let open: Opener = Arc::new(move |_| Ok(Arc::new(opened.clone()) as Arc<dyn StateStore>));
        let options = KeeperOptions { every_events: 20, rest_percent: 0, ..KeeperOptions::default() };
        let (keeper, end) = Keeper::new(Arc::clone(&past), open, options);
        let keeping = tokio::spawn(keeper.run());
        states.reached("decisions", Position(head.0 / 20 * 20)).await.unwrap();
        while matches!(past.states(), Err(PastError::NotOpen)) {
            tokio::task::yield_now().await;
        }
        Self { past, end, keeping, _directory: directory }
    }

    async fn end(self) {
        self.end.send(true).unwrap();
        self.keeping.await.unwrap();
    }
}

/// A fold from zero that stops there.
async fn folded(log: &dyn EventLog, position: Position) -> MemoryStore {
    let memory = MemoryStore::new(&schemas(models::ALL)).unwrap();
    fold_to(log, &memory, models::ALL, position, |_| {}).await.unwrap();
    memory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_of_a_position_postgresql_answers_as_a_fold_that_stops_there() {
    let log = log().await;
    let head = log.head().await.unwrap();
    let database = server().await.database().await;
    let live: Arc<dyn ReadStore> = Arc::new(database.store(&schemas(models::ALL)).await);
    let kept = Kept::of(&log, &live).await;
    for at in [0, 1, 19, 20, 21, 57, head.0 / 2, head.0 - 1, head.0] {
        let view = kept.past.at(Position(at)).await.unwrap();
        let memory = folded(&*log, Position(at)).await;
        let comparison = dump(&*view).await.unwrap().compare(&dump(&memory).await.unwrap()).unwrap();
        assert_eq!(comparison.rows_different, 0, "as of {at}: {:#?}", comparison.differences);
        for table in models::tables() {
            for query in [ScanQuery::newest(2), ScanQuery::newest(2).reversed()] {
                let (found, expected) =
                    (walked(&*view, table.name, &query).await, walked(&memory, table.name, &query).await);
                assert_eq!(found, expected, "{} as of {at}", table.name);
            }
            let newest = memory.scan(table.name, &ScanQuery::newest(1)).await.unwrap().value;
            if let Some(row) = newest.rows.first() {
                let key = table.key_of(row);
                let found = view.get(table.name, &key).await.unwrap();
                assert_eq!((found.value.as_ref(), found.as_of), (Some(row), Position(at)), "{}", table.name);
            }
        }
    }
    // As of the end of the log, the past is what the live tables say.
    let view = kept.past.at(head).await.unwrap();
    let comparison = dump(&*live).await.unwrap().compare(&dump(&*view).await.unwrap()).unwrap();
    assert_eq!((comparison.rows_different, comparison.position), (0, head));
    kept.end().await;
}

/// What tiering does in the end, to every partition that has newer rows behind it: too small ones here to go to a lake.
const OLD_ONES_LEAVE: &str = "DO $$ DECLARE one read_model.partitions; has_newer boolean; its_rows bigint; BEGIN
    FOR one IN SELECT p.* FROM read_model.partitions AS p ORDER BY p.table_name, p.from_position LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM read_model.%I WHERE position >= %s)', one.table_name, one.to_position)
            INTO has_newer;
        CONTINUE WHEN NOT has_newer;
        EXECUTE format('SELECT count(*) FROM read_model.%I', one.partition_name) INTO its_rows;
        EXECUTE format('DROP TABLE read_model.%I', one.partition_name);
        DELETE FROM read_model.partitions AS p WHERE p.partition_name = one.partition_name;
        UPDATE read_model.storage_policy AS p SET cut_rows = p.cut_rows + its_rows WHERE p.table_name = one.table_name;
    END LOOP;
END $$";

/// What retention has taken is counted as of each position: no more than there was then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_retention_has_taken_are_counted_as_of_each_position() {
    let log = log().await;
    let head = log.head().await.unwrap();
    let database = server().await.database().await;
    database
        .run("stele_owner", "UPDATE read_model.storage_policy SET partition_span = 10, keep_rows = 1")
        .await
        .unwrap();
    let live: Arc<dyn ReadStore> = Arc::new(database.store(&schemas(models::ALL)).await);
    let kept = Kept::of(&log, &live).await;
    database.run("stele_owner", OLD_ONES_LEAVE).await.unwrap();
    let mut all_gone = 0;
    for at in [1, 20, head.0 / 3, head.0 / 2, head.0] {
        let (view, memory) = (kept.past.at(Position(at)).await.unwrap(), folded(&*log, Position(at)).await);
        for table in models::tables() {
            let query = ScanQuery::newest(2);
            let (found, cut) = walked(&*view, table.name, &query).await;
            let (expected, _) = walked(&memory, table.name, &query).await;
            let taken = expected.len() - found.len();
            assert_eq!(found[..], expected[..found.len()], "{} as of {at}: the oldest went", table.name);
            assert_eq!(cut, u64::try_from(taken).unwrap(), "{} as of {at}", table.name);
            all_gone += u64::from(found.is_empty() && cut > 0);
        }
    }
    assert!(all_gone > 0, "no history was cut as a whole");
    kept.end().await;
}
