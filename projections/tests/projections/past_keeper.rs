//! The keeper of past states and its bad luck: what passes closes nothing, and states are thrown away neither under those who
//! read them nor for what was found in others.

use crate::distant::Distant;
use crate::meddled::{Meddled, Meddling};
use crate::parking::say;
use crate::past::{difference, rebuilt, runs, stories};
use crate::past_parked::{positions_of, quote_parked};
use crate::support::{ALL, append, empty_store, log_of};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{Answer, Batch, Page, ReadStore, ScanQuery, Schema, StoreError};
use stele_domain::port::state_store::{DigestsOf, Fork, Histories, StateStore};
use stele_projections::past::{Keeper, KeeperOptions, Opened, Opener, Past, PastOptions};
use stele_read_store::RunStore;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(20);

/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);

/// Where a keeper opens its states, each time that they are thrown away in a folder of their own; and what goes wrong there.
struct Place {
    directory: TempDir,
    /// How they were opened so far, and whether somebody was reading then.
    opened: watch::Sender<Vec<(Opened, bool)>>,
    somebody_reads: AtomicBool,
    /// By opening: whether what is read of it is damaged from now on.
    rotten: Mutex<Vec<Arc<AtomicBool>>>,
    /// Whether no state is found, and how often that was said.
    away: AtomicBool,
    missed: watch::Sender<u32>,
    /// How many states are kept without an answer.
    unanswered: AtomicU32,
    /// How many writes fail, so that no other one is taken before the states are opened again.
    failing: AtomicU32,
}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            directory: TempDir::new().unwrap(),
            opened: watch::Sender::new(vec![]),
            somebody_reads: AtomicBool::new(false),
            rotten: Mutex::default(),
            away: AtomicBool::new(false),
            missed: watch::Sender::new(0),
            unanswered: AtomicU32::new(0),
            failing: AtomicU32::new(0),
        })
    }

    fn open(self: &Arc<Self>, how: Opened) -> Arc<dyn StateStore> {
        let somebody_reads = self.somebody_reads.load(Ordering::SeqCst);
        self.opened.send_modify(|all| all.push((how, somebody_reads)));
        let thrown_away = self.how().iter().filter(|how| **how == Opened::Anew).count();
        let rotten = Arc::new(AtomicBool::new(false));
        self.rotten.lock().unwrap().push(Arc::clone(&rotten));
        Arc::new(States {
            runs: runs(&self.directory.path().join(thrown_away.to_string())),
            place: Arc::clone(self),
            rotten,
            shut: AtomicBool::new(false),
        })
    }

    /// Keeps a state every ten events of this log.
    fn keep(self: &Arc<Self>, log: &Arc<dyn EventLog>, options: &KeeperOptions) -> Kept {
        let past = Past::new(Arc::clone(log), empty_store(ALL), Histories::Keep, ALL, PastOptions::default());
        let place = Arc::clone(self);
        let open: Opener = Arc::new(move |how| Ok(place.open(how)));
        let options = KeeperOptions { every_events: 10, rest_percent: 0, ..options.clone() };
        let (keeper, end) = Keeper::new(Arc::clone(&past), open, options);
        Kept { past, end, keeping: tokio::spawn(keeper.run()) }
    }

    fn how(&self) -> Vec<Opened> {
        self.opened.borrow().iter().map(|(how, _)| *how).collect()
    }

    /// Waits until they were opened so often.
    async fn until_opened(&self, times: usize) {
        let mut opened = self.opened.subscribe();
        tokio::time::timeout(SOON, opened.wait_for(|all| all.len() >= times)).await.unwrap().unwrap();
    }

    /// From now on, the states of one opening are damaged.
    fn rot(&self, opening: usize) {
        self.rotten.lock().unwrap()[opening].store(true, Ordering::SeqCst);
    }
}

/// A keeper at work, and whom the past is asked of.
struct Kept {
    past: Arc<Past>,
    end: watch::Sender<bool>,
    keeping: JoinHandle<()>,
}

impl Kept {
    /// Waits until these states are there.
    async fn until(&self, positions: &[u64]) {
        let expected: Vec<Position> = positions.iter().copied().map(Position).collect();
        let there = async {
            while self.past.kept().await.ok().as_ref() != Some(&expected) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, there).await.unwrap();
    }

    /// Waits until they are not shown any more.
    async fn until_closed(&self) {
        let closed = async {
            while self.past.states().is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, closed).await.unwrap();
    }

    /// What is said as of a position is what a fold that stops there makes.
    async fn agrees(&self, log: &dyn EventLog, at: u64) {
        let view = self.past.at(Position(at)).await.unwrap();
        assert_eq!(difference(&*view, &*rebuilt(log, Position(at)).await).await, None, "as of {at}");
    }

    async fn end(self) {
        self.end.send(true).unwrap();
        tokio::time::timeout(SOON, self.keeping).await.unwrap().unwrap();
    }
}

/// Tries again at once, and waits for readers for as long as they like.
fn quick() -> KeeperOptions {
    KeeperOptions {
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
        readers_wait_max: LONG,
        ..KeeperOptions::default()
    }
}

/// The states of one opening.
struct States {
    runs: RunStore,
    place: Arc<Place>,
    rotten: Arc<AtomicBool>,
    shut: AtomicBool,
}

/// One less of what goes wrong a few times; false when that is over.
fn once_more(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl StateStore for States {
    fn schemas(&self) -> &[Schema] {
        StateStore::schemas(&self.runs)
    }

    fn kept(&self) -> PortFuture<'_, Result<Vec<Position>, StoreError>> {
        self.runs.kept()
    }

    fn digests_at(&self, position: Position) -> PortFuture<'_, Result<Vec<DigestsOf>, StoreError>> {
        self.runs.digests_at(position)
    }

    fn fork(
        &self,
        position: Position,
        histories: Histories,
    ) -> PortFuture<'_, Result<Arc<dyn Fork>, StoreError>> {
        Box::pin(async move {
            if self.place.away.load(Ordering::SeqCst) {
                self.place.missed.send_modify(|times| *times += 1);
                return Err(StoreError::Unavailable("the disk is away".into()));
            }
            let fork = self.runs.fork(position, histories).await?;
            let rotten = Arc::clone(&self.rotten);
            Ok(Arc::new(Meddled(Rotting { fork, rotten })) as Arc<dyn Fork>)
        })
    }

    fn keep(&self, changes: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if once_more(&self.place.failing) {
                self.shut.store(true, Ordering::SeqCst);
            }
            if !self.is_writable() {
                return Err(StoreError::Unavailable("no room on the disk".into()));
            }
            self.runs.keep(changes).await?;
            if once_more(&self.place.unanswered) {
                return Err(StoreError::Unavailable("the answer got lost".into()));
            }
            Ok(())
        })
    }

    fn is_writable(&self) -> bool {
        !self.shut.load(Ordering::SeqCst)
    }

    fn forget(&self, positions: Vec<Position>) -> PortFuture<'_, Result<(), StoreError>> {
        self.runs.forget(positions)
    }

    fn disk_bytes(&self) -> PortFuture<'_, Result<u64, StoreError>> {
        self.runs.disk_bytes()
    }
}

/// A state that may be damaged one day.
struct Rotting {
    fork: Arc<dyn Fork>,
    rotten: Arc<AtomicBool>,
}

impl Meddling for Rotting {
    fn inner(&self) -> &dyn ReadStore {
        &*self.fork
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.fork.apply(batch)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        if self.rotten.load(Ordering::SeqCst) {
            let damaged = StoreError::Damaged("a file is gone".to_owned());
            return Box::pin(std::future::ready(Err(damaged)));
        }
        self.fork.scan(table, query)
    }
}

impl Fork for Meddled<Rotting> {
    fn changes(&self) -> Result<Vec<Batch>, StoreError> {
        self.fork.changes()
    }

    fn bytes(&self) -> usize {
        self.fork.bytes()
    }
}

/// Something new is said of an event that the states have: they are worth nothing any more.
async fn condemn(log: &dyn EventLog) {
    let first = positions_of(log, "intents.QuoteReceived").await[0];
    assert!(first <= 10, "it is in every state");
    say(log, quote_parked(first)).await;
}

#[tokio::test]
async fn a_log_that_is_away_for_a_while_closes_nothing() {
    let near = log_of(&stories(2)).await;
    let (away, interrupted) = (watch::Sender::new(false), watch::Sender::new(0));
    let distant = Arc::new(Distant { log: Arc::clone(&near), away, interrupted });
    let log: Arc<dyn EventLog> = Arc::<Distant>::clone(&distant);
    let place = Place::new();
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;

    distant.away.send_replace(true);
    let mut interrupted = distant.interrupted.subscribe();
    tokio::time::timeout(SOON, interrupted.wait_for(|times| *times >= 5)).await.unwrap().unwrap();
    assert!(kept.past.states().is_ok(), "they stand open");
    distant.away.send_replace(false);

    for act in stories(1) {
        append(&*near, &act).await;
    }
    kept.until(&[10, 20, 30, 40]).await;
    kept.agrees(&*near, 37).await;
    assert_eq!(place.how(), [Opened::AsTheyAre]);
    // What was said meanwhile, or is said from now on, is heard by the readings that were begun anew.
    condemn(&*near).await;
    place.until_opened(2).await;
    kept.until(&[10, 20, 30, 40]).await;
    kept.agrees(&*near, 37).await;
    assert_eq!(place.how(), [Opened::AsTheyAre, Opened::Anew]);
    kept.end().await;
}

/// A fact that was written down while nobody could be told of it.
#[tokio::test]
async fn what_is_said_while_the_log_is_away_is_heard_when_it_is_back() {
    let near = log_of(&stories(2)).await;
    let (away, interrupted) = (watch::Sender::new(false), watch::Sender::new(0));
    let distant = Arc::new(Distant { log: Arc::clone(&near), away, interrupted });
    let log: Arc<dyn EventLog> = Arc::<Distant>::clone(&distant);
    let place = Place::new();
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;

    distant.away.send_replace(true);
    let mut interrupted = distant.interrupted.subscribe();
    tokio::time::timeout(SOON, interrupted.wait_for(|times| *times >= 1)).await.unwrap().unwrap();
    condemn(&*near).await;
    tokio::time::timeout(SOON, interrupted.wait_for(|times| *times >= 5)).await.unwrap().unwrap();
    assert_eq!(place.how(), [Opened::AsTheyAre]);
    distant.away.send_replace(false);

    place.until_opened(2).await;
    kept.until(&[10, 20, 30]).await;
    kept.agrees(&*near, 25).await;
    assert_eq!(place.how(), [Opened::AsTheyAre, Opened::Anew]);
    kept.end().await;
}

#[tokio::test]
async fn who_asks_while_the_keeper_waits_is_answered_and_what_is_said_meanwhile_is_heard() {
    let log = log_of(&stories(2)).await;
    let place = Place::new();
    let kept = place.keep(&log, &KeeperOptions { retry_first: LONG, retry_max: LONG, ..quick() });
    kept.until(&[10, 20, 30]).await;

    place.away.store(true, Ordering::SeqCst);
    for act in stories(1) {
        append(&*log, &act).await;
    }
    let mut missed = place.missed.subscribe();
    tokio::time::timeout(SOON, missed.wait_for(|times| *times >= 1)).await.unwrap().unwrap();
    place.away.store(false, Ordering::SeqCst);
    // It tries again in an hour.
    kept.agrees(&*log, 37).await;
    assert_eq!(kept.past.kept().await.unwrap(), [10, 20, 30].map(Position));
    assert_eq!(place.how(), [Opened::AsTheyAre]);

    condemn(&*log).await;
    place.until_opened(2).await;
    kept.until(&[10, 20, 30, 40]).await;
    kept.agrees(&*log, 37).await;
    assert_eq!(place.how(), [Opened::AsTheyAre, Opened::Anew]);
    kept.end().await;
}

#[tokio::test]
async fn a_keeper_that_waits_ends_when_it_is_told() {
    let log = log_of(&stories(2)).await;
    let place = Place::new();
    place.unanswered.store(1, Ordering::SeqCst);
    let kept = place.keep(&log, &KeeperOptions { retry_first: LONG, retry_max: LONG, ..quick() });
    kept.until(&[10]).await;
    kept.end().await;

    // And so does one that waits for a reader.
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;
    let view = kept.past.at(Position(25)).await.unwrap();
    condemn(&*log).await;
    kept.until_closed().await;
    kept.end().await;
    drop(view);
    assert_eq!(place.how(), [Opened::AsTheyAre; 2]);
}

/// What was kept without an answer is there: who went on as if it were not would take the states for somebody else's.
#[tokio::test]
async fn states_whose_keeping_was_not_answered_are_found_and_go_on() {
    let log = log_of(&stories(2)).await;
    let place = Place::new();
    place.unanswered.store(2, Ordering::SeqCst);
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;
    kept.agrees(&*log, 30).await;
    assert_eq!(place.unanswered.load(Ordering::SeqCst), 0);
    assert_eq!(place.how(), [Opened::AsTheyAre]);
    kept.end().await;
}

#[tokio::test]
async fn states_that_take_nothing_more_are_opened_again_and_not_thrown_away() {
    let log = log_of(&stories(2)).await;
    let place = Place::new();
    place.failing.store(1, Ordering::SeqCst);
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;
    kept.agrees(&*log, 25).await;
    assert_eq!(place.how(), [Opened::AsTheyAre; 2]);
    kept.end().await;
}

#[tokio::test]
async fn states_that_somebody_reads_are_thrown_away_when_they_are_done_and_not_before() {
    let log = log_of(&stories(2)).await;
    let before = rebuilt(&*log, Position(25)).await;
    let place = Place::new();
    let kept = place.keep(&log, &quick());
    kept.until(&[10, 20, 30]).await;
    let view = kept.past.at(Position(25)).await.unwrap();
    place.somebody_reads.store(true, Ordering::SeqCst);

    condemn(&*log).await;
    kept.until_closed().await;
    for _ in 0..3 {
        assert_eq!(difference(&*view, &*before).await, None, "it is what it was when it was asked for");
    }
    assert_eq!(place.how(), [Opened::AsTheyAre]);

    place.somebody_reads.store(false, Ordering::SeqCst);
    drop(view);
    place.until_opened(2).await;
    assert_eq!(*place.opened.borrow(), [(Opened::AsTheyAre, false), (Opened::Anew, false)]);
    kept.until(&[10, 20, 30]).await;
    kept.agrees(&*log, 25).await;
    kept.end().await;
}

#[tokio::test]
async fn what_is_found_in_states_that_are_thrown_away_is_not_said_of_those_after_them() {
    let log = log_of(&stories(2)).await;
    let place = Place::new();
    let kept = place.keep(&log, &KeeperOptions { readers_wait_max: Duration::ZERO, ..quick() });
    kept.until(&[10, 20, 30]).await;
    let old = kept.past.at(Position(25)).await.unwrap();
    condemn(&*log).await;
    place.until_opened(2).await;
    kept.until(&[10, 20, 30]).await;

    let query = ScanQuery::newest(1);
    place.rot(0);
    let found = old.scan("quotes", &query).await;
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "it passes, and no table is damaged: {found:?}"
    );
    for act in stories(1) {
        append(&*log, &act).await;
    }
    kept.until(&[10, 20, 30, 40]).await;
    assert_eq!(place.how(), [Opened::AsTheyAre, Opened::Anew], "the new ones are sound");
    kept.agrees(&*log, 25).await;

    // What is found in them is said of them.
    let new = kept.past.at(Position(26)).await.unwrap();
    place.rot(1);
    let found = new.scan("quotes", &query).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    place.until_opened(3).await;
    kept.until(&[10, 20, 30, 40]).await;
    kept.agrees(&*log, 26).await;
    assert_eq!(place.how(), [Opened::AsTheyAre, Opened::Anew, Opened::Anew]);
    kept.end().await;
}
