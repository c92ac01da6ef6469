//! The past: what is answered as of a position is what a fold that stops there makes, however the states lie.

use crate::support::{ALL, Act, append, block_on, clock, empty_log, empty_store, log_of, settled_story};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::{
    Checkpoint, Digest, PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError,
};
use stele_domain::port::state_store::{Histories, StateStore};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_projections::compare::{Dump, dump, fold_to};
use stele_projections::digest::Digests;
use stele_projections::past::{
    AsOf, Keeper, KeeperOptions, Opened, Opener, Past, PastError, PastOptions, position,
};
use stele_projections::schemas;
use stele_read_store::{Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// So few that logs of some hundred events have them thinned again and again.
const STATES_MAX: usize = 8;

/// A log, tables that are up to date, and past states that are being kept.
struct Kept {
    past: Arc<Past>,
    states: RunStore,
    end: watch::Sender<bool>,
    keeping: JoinHandle<()>,
}

pub fn runs(directory: &Path) -> RunStore {
    let options = RunOptions {
        memory_bytes: RUN_MEMORY_BYTES_MIN,
        histories: Histories::PassBy,
        states: States::Every,
        orders: Orders::All,
    };
    RunStore::open(directory, &schemas(ALL), options).unwrap()
}

impl Kept {
    /// Keeps a state every so many events, until they have come as far as they can.
    async fn open(
        log: &Arc<dyn EventLog>,
        directory: &Path,
        every_events: u64,
        histories: Histories,
        options: PastOptions,
    ) -> Self {
        let live = empty_store(ALL);
        let head = log.head().await.unwrap();
        fold_to(&**log, &*live, ALL, head, |_| {}).await.unwrap();
        let past = Past::new(Arc::clone(log), live, histories, ALL, options);
        let states = runs(directory);
        let opened = states.clone();
        let open: Opener = Arc::new(move |how| {
            assert_eq!(how, Opened::AsTheyAre);
            Ok(Arc::new(opened.clone()) as Arc<dyn StateStore>)
        });
        let options = KeeperOptions {
            every_events,
            rest_percent: 0,
            states_max: STATES_MAX,
            ..KeeperOptions::default()
        };
        let (keeper, end) = Keeper::new(Arc::clone(&past), open, options);
        let keeping = tokio::spawn(keeper.run());
        let last = Position(head.0 / every_events * every_events);
        states.reached(ALL[0].name, last).await.unwrap();
        until_open(&past).await;
        Self { past, states, end, keeping }
    }

    async fn end(self) {
        self.end.send(true).unwrap();
        self.keeping.await.unwrap();
    }
}

async fn until_open(past: &Past) {
    while matches!(past.states(), Err(PastError::NotOpen)) {
        tokio::task::yield_now().await;
    }
}

/// A fold from zero that stops there.
pub async fn rebuilt(log: &dyn EventLog, position: Position) -> Arc<dyn ReadStore> {
    let store = empty_store(ALL);
    fold_to(log, &*store, ALL, position, |_| {}).await.unwrap();
    store
}

/// The first differing answer of two stores, for whatever can be asked of them.
pub async fn difference(one: &dyn ReadStore, other: &dyn ReadStore) -> Option<String> {
    let (left, right): (Dump, Dump) = (dump(one).await.unwrap(), dump(other).await.unwrap());
    if left.position != right.position {
        return Some(format!("positions {:?} and {:?}", left.position, right.position));
    }
    for (table, rows) in &left.tables {
        if right.tables.get(table) != Some(rows) {
            return Some(format!("{table}: {rows:?} and {:?}", right.tables.get(table)));
        }
    }
    for table in one.schemas().iter().flat_map(|schema| schema.tables) {
        for query in [ScanQuery::newest(3), ScanQuery::newest(3).reversed(), ScanQuery::by_key(2).reversed()]
        {
            let (left, right) =
                (walked(one, table.name, &query).await, walked(other, table.name, &query).await);
            if left != right {
                return Some(format!("{} by {query:?}: {left:?} and {right:?}", table.name));
            }
        }
    }
    for projection in ALL {
        let (left, right) = (one.digests(projection.name).await, other.digests(projection.name).await);
        let digests = |stored: Result<(Checkpoint, Vec<Digest>), StoreError>| {
            Digests::of(projection, stored.unwrap().1).unwrap()
        };
        if digests(left) != digests(right) {
            return Some(format!("digests of {}", projection.name));
        }
    }
    None
}

async fn walked(store: &dyn ReadStore, table: &str, query: &ScanQuery) -> (Vec<Row>, Position, u64) {
    let mut query = query.clone();
    let mut rows = vec![];
    loop {
        let answer = store.scan(table, &query).await.unwrap();
        rows.extend(answer.value.rows);
        if answer.value.next.is_none() {
            return (rows, answer.as_of, answer.cut_rows);
        }
        query.after = answer.value.next;
    }
}

#[test]
fn as_of_any_position_is_what_a_rebuild_that_stops_there_makes() {
    fn law(acts: Vec<Act>, every: u8, at: u16) -> bool {
        let every = u64::from(every % 24) + 1;
        block_on(async move {
            let log = log_of(&acts).await;
            let head = log.head().await.unwrap().0;
            let position = Position(u64::from(at) % (head + 1));
            let directory = TempDir::new().unwrap();
            let kept =
                Kept::open(&log, directory.path(), every, Histories::PassBy, PastOptions::default()).await;
            let past = kept.past.at(position).await.unwrap();
            let found = difference(&*past, &*rebuilt(&*log, position).await).await;
            assert!(kept.past.kept().await.unwrap().len() <= STATES_MAX, "they were thinned");
            kept.end().await;
            if let Some(words) = &found {
                println!("as of {position} of {head}, a state every {every}: {words}");
            }
            found.is_none()
        })
    }
    quickcheck::QuickCheck::new().tests(12).quickcheck(law as fn(Vec<Act>, u8, u16) -> bool);
}

#[test]
fn histories_that_are_kept_nowhere_have_what_was_folded_and_count_the_rest() {
    fn law(acts: Vec<Act>, every: u8, at: u16) -> bool {
        let every = u64::from(every % 24) + 1;
        block_on(async move {
            let log = log_of(&acts).await;
            let position = Position(u64::from(at) % (log.head().await.unwrap().0 + 1));
            let directory = TempDir::new().unwrap();
            let options = PastOptions { history_events_min: every, ..PastOptions::default() };
            let kept = Kept::open(&log, directory.path(), every, Histories::Keep, options).await;
            let (past, whole) = (kept.past.at(position).await.unwrap(), rebuilt(&*log, position).await);
            let mut all = true;
            for table in past.schemas().iter().flat_map(|schema| schema.tables) {
                let query = ScanQuery::newest(PAGE_ROWS_MAX);
                let (found, at, cut) = walked(&*past, table.name, &query).await;
                let (expected, _, _) = walked(&*whole, table.name, &query).await;
                let (rows, missing) = (found.len(), expected.len() - found.len());
                all &= at == position && found[..] == expected[..rows];
                all &= u64::try_from(missing).unwrap() == cut && (table.append_only || cut == 0);
                // At least one whole stretch before the position is there.
                let first = i64::try_from(position.0.saturating_sub(every)).unwrap();
                all &= expected[rows..].iter().all(|row| table.position_of(row) <= first);
            }
            kept.end().await;
            all
        })
    }
    quickcheck::QuickCheck::new().tests(8).quickcheck(law as fn(Vec<Act>, u8, u16) -> bool);
}

pub fn stories(quotes: u8) -> Vec<Act> {
    (0..quotes).flat_map(settled_story).collect()
}

#[tokio::test]
async fn a_keeper_goes_on_where_the_one_before_it_ended_and_its_digests_are_those_of_a_rebuild() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(2)).await;
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, PastOptions::default()).await;
    assert_eq!(kept.past.kept().await.unwrap(), [10, 20, 30].map(Position));
    kept.end().await;
    for act in stories(1) {
        append(&*log, &act).await;
    }
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, PastOptions::default()).await;
    assert_eq!(kept.past.kept().await.unwrap(), [10, 20, 30, 40].map(Position));
    for at in kept.past.kept().await.unwrap() {
        let whole = rebuilt(&*log, at).await;
        let of_all = kept.past.states().unwrap().digests_at(at).await.unwrap();
        assert_eq!(of_all.len(), ALL.len());
        for (projection, of) in ALL.iter().zip(of_all) {
            let (found, expected) = (of.digests, whole.digests(projection.name).await.unwrap().1);
            assert_eq!(of.projection, projection.name);
            let digests = |stored| Digests::of(projection, stored).unwrap();
            assert_eq!(digests(found), digests(expected), "{} at {at}", of.projection);
        }
    }
    let nowhere = kept.past.states().unwrap().digests_at(Position(11)).await;
    assert!(matches!(nowhere, Err(StoreError::Invalid(_))), "{nowhere:?}");
    kept.end().await;
}

/// The states of one log are no states of another one, and no answer about it.
#[tokio::test]
async fn states_of_another_log_are_thrown_away_and_made_anew() {
    let directory = TempDir::new().unwrap();
    let one = log_of(&stories(2)).await;
    Kept::open(&one, directory.path(), 10, Histories::PassBy, PastOptions::default()).await.end().await;

    let mut acts = stories(2);
    acts.rotate_left(3);
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    // The ids of records are made from their places: one more in front makes them others.
    for act in acts.iter().take(1).chain(&acts) {
        append(&*log, act).await;
    }
    let other: Arc<dyn EventLog> = Arc::new(Renamed(log));
    let opens = Opens::anew(directory.path());
    let mut opened = opens.how.subscribe();
    let (past, end, keeping) = opens.keep(&other, 10);
    opened.wait_for(|all| all[..] == [Opened::AsTheyAre, Opened::Anew]).await.unwrap();
    until_open(&past).await;
    let view = past.at(Position(25)).await.unwrap();
    let whole = rebuilt(&*other, Position(25)).await;
    assert_eq!(difference(&*view, &*whole).await, None);
    end.send(true).unwrap();
    keeping.await.unwrap();
}

/// Opens states in a directory, thrown away or not, and remembers which.
pub struct Opens {
    path: PathBuf,
    how: watch::Sender<Vec<Opened>>,
}

impl Opens {
    pub fn anew(path: &Path) -> Self {
        Self { path: path.to_owned(), how: watch::Sender::new(vec![]) }
    }

    pub fn how(&self) -> Vec<Opened> {
        self.how.borrow().clone()
    }

    /// Keeps a state every so many events of this log.
    pub fn keep(
        &self,
        log: &Arc<dyn EventLog>,
        every_events: u64,
    ) -> (Arc<Past>, watch::Sender<bool>, JoinHandle<()>) {
        let past = Past::new(Arc::clone(log), empty_store(ALL), Histories::Keep, ALL, PastOptions::default());
        let (path, told) = (self.path.clone(), self.how.clone());
        let open: Opener = Arc::new(move |how| {
            told.send_modify(|all| all.push(how));
            if how == Opened::Anew {
                RunStore::remove(&path).map_err(|error| (error.to_string(), error.is_mended_by_removal()))?;
            }
            Ok(Arc::new(runs(&path)) as Arc<dyn StateStore>)
        });
        let options = KeeperOptions { every_events, rest_percent: 0, ..KeeperOptions::default() };
        let (keeper, end) = Keeper::new(Arc::clone(&past), open, options);
        (past, end, tokio::spawn(keeper.run()))
    }
}

/// The same log under other event ids.
struct Renamed(Arc<dyn EventLog>);

mod renamed {
    use super::Renamed;
    use stele_domain::ids::{EventId, derived};
    use stele_domain::port::PortFuture;
    use stele_domain::port::event_log::{
        Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
        Position, Record, Revision, StreamId,
    };

    impl EventLog for Renamed {
        fn append<'a>(
            &'a self,
            stream: &'a StreamId,
            expected: Expected,
            records: Vec<NewRecord>,
        ) -> PortFuture<'a, Result<Appended, LogError>> {
            self.0.append(stream, expected, records)
        }

        fn read_stream<'a>(
            &'a self,
            stream: &'a StreamId,
            from: Revision,
            direction: Direction,
            limit: usize,
        ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
            self.0.read_stream(stream, from, direction, limit)
        }

        fn read_all<'a>(
            &'a self,
            from: Position,
            filter: &'a Filter,
            limit: usize,
        ) -> PortFuture<'a, Result<Page, LogError>> {
            Box::pin(async move {
                let mut page = self.0.read_all(from, filter, limit).await?;
                for record in &mut page.records {
                    record.event_id = EventId(derived("other", &[&record.position.to_string()]));
                }
                Ok(page)
            })
        }

        fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
            self.0.head()
        }

        fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
            self.0.follow(from, filter)
        }

        fn multi_stream(&self) -> Option<&dyn MultiStream> {
            None
        }
    }
}

#[tokio::test]
async fn a_position_past_the_head_and_a_time_to_come_are_refused() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(1)).await;
    let head = log.head().await.unwrap();
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, PastOptions::default()).await;
    let beyond = kept.past.at(head.next()).await.err().unwrap();
    assert!(matches!(beyond, PastError::BeyondHead { head: at, .. } if at == head), "{beyond:?}");
    let now = Timestamp::from_millis(1_795_199_900_000);
    let later = Timestamp::from_micros(now.micros() + 1);
    let future = kept.past.position(AsOf::Time(later), now).await.unwrap_err();
    assert!(matches!(future, PastError::Future { .. }), "{future:?}");
    assert_eq!(kept.past.position(AsOf::Time(now), now).await.unwrap(), head);
    kept.end().await;
}

#[test]
fn a_time_means_the_last_record_that_was_written_down_by_then() {
    fn law(records: u8, at: u8) -> bool {
        block_on(async move {
            let log = empty_log();
            for act in stories(3).iter().take(usize::from(records % 40)) {
                append(&*log, act).await;
            }
            let head = log.head().await.unwrap();
            let page = log.read_all(Position(1), &Filter::all(), 100).await.unwrap();
            let now = Timestamp::from_millis(1_795_199_900_000);
            let start = Timestamp::from_millis(1_795_199_078_000);
            let base = page.records.first().map_or(start, |record| record.recorded_at);
            // From before the first one to after the last one, on each and between each two.
            let time = Timestamp::from_micros(base.micros() + (i64::from(at) - 20) * 500);
            let expected = page.records.iter().filter(|record| record.recorded_at <= time).count();
            let found = position(&*log, AsOf::Time(time), now).await.unwrap();
            assert_eq!(page.records.len(), usize::try_from(head.0).unwrap());
            found == Position(u64::try_from(expected).unwrap())
        })
    }
    quickcheck::QuickCheck::new().tests(200).quickcheck(law as fn(u8, u8) -> bool);
}

#[test]
fn what_is_no_position_and_no_time_is_none() {
    assert_eq!(AsOf::parse("17"), Some(AsOf::Position(Position(17))));
    let time = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
    assert_eq!(AsOf::parse("2026-11-21T10:00:00Z"), Some(AsOf::Time(time)));
    assert_eq!(AsOf::parse("2026-11-21T11:00:00+01:00"), Some(AsOf::Time(time)));
    for nothing in ["", "-1", "+1", "17.0", "yesterday", "2026-11-21", "99999999999999999999", " 1"] {
        assert_eq!(AsOf::parse(nothing), None, "{nothing:?}");
    }
}

#[tokio::test]
async fn who_asks_when_too_many_are_waiting_is_told_so_at_once_and_a_folded_state_is_remembered() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(3)).await;
    let options = PastOptions { folds_max: 1, waiting_max: 0, ..PastOptions::default() };
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, options).await;
    // A machine that is busy elsewhere may be done with the first before the second is asked.
    let mut told = false;
    for at in (1..40).step_by(2).map(Position) {
        let (one, other) = tokio::join!(kept.past.at(at), kept.past.at(at.next()));
        assert!(one.is_ok());
        told |= other.err().inspect(|error| assert!(matches!(error, PastError::Busy), "{error:?}")).is_some();
    }
    assert!(told, "there is room for one");
    let (one, again) = (kept.past.at(Position(7)).await.unwrap(), kept.past.at(Position(7)).await.unwrap());
    assert!(Arc::ptr_eq(&one, &again));
    let refused = one.apply(stele_domain::port::read_store::Batch {
        projection: ALL[0].name,
        version: 1,
        expected: Position(7),
        checkpoint: Position(8),
        event_id: None,
        changes: vec![],
        digests: vec![],
    });
    assert!(matches!(refused.await, Err(StoreError::Invalid(_))), "a past state does not change");
    kept.end().await;
}

/// The one that was asked for last stays, however little room there is.
#[tokio::test]
async fn as_many_states_are_remembered_as_there_is_room_for() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(3)).await;
    let options = PastOptions { cache_bytes_max: 1, ..PastOptions::default() };
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, options).await;
    let seven = kept.past.at(Position(7)).await.unwrap();
    assert!(Arc::ptr_eq(&seven, &kept.past.at(Position(7)).await.unwrap()));
    kept.past.at(Position(8)).await.unwrap();
    assert!(!Arc::ptr_eq(&seven, &kept.past.at(Position(7)).await.unwrap()), "it had to make room");
    kept.end().await;
}

#[tokio::test]
async fn tables_that_are_behind_are_waited_for_and_then_said() {
    let directory = TempDir::new().unwrap();
    let log = log_of(&stories(1)).await;
    let options = PastOptions { tables_wait_max: Duration::from_millis(20), ..PastOptions::default() };
    let kept = Kept::open(&log, directory.path(), 10, Histories::PassBy, options).await;
    for act in stories(1) {
        append(&*log, &act).await;
    }
    let behind = kept.past.at(Position(20)).await.err().unwrap();
    assert!(matches!(behind, PastError::TablesBehind { at: Position(15), .. }), "{behind:?}");
    assert!(kept.past.at(Position(15)).await.is_ok());
    assert_eq!(kept.states.checkpoint(ALL[0].name).await.unwrap().version, ALL[0].version);
    kept.end().await;
}
