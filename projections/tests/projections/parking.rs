//! Events that tables can't take in: parked as facts before the fold goes on without them, once, and never for trouble that
//! passes.

use crate::closed::Closed;
use crate::meddled::{Meddled, Meddling};
use crate::support::{
    ALL, Act, Flaw, NO_LAKE, act, append, clock, empty_log, empty_store, folded, later_clock, log_of,
    settled_story,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::parking::STREAM;
use stele_domain::operations::parking::event::{Event as Fact, EventParked, ParkedRetried, ParkedSkipped};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Direction, EventLog, Expected, NewRecord, Position, Revision, StreamId};
use stele_domain::port::read_store::{Batch, Cell, Change, ReadStore, Row, ScanQuery, Schema, StoreError};
use stele_domain::time::Timestamp;
use stele_projections::audit::{Audit, Findings, Leaving, Live, Verdict};
use stele_projections::compare::dump;
use stele_projections::models::parkings::ParkingState;
use stele_projections::parking::{PARKED_MAX, Parked};
use stele_projections::projection::Registered;
use stele_projections::rebuild::{Asked, Compared, Options as RebuildOptions, Rebuilder};
use stele_projections::runner::{Handle, Options, Runner, State};
use stele_projections::schemas;
use stele_read_store::MemoryStore;

const SOON: Duration = Duration::from_secs(20);

fn options() -> Options {
    Options {
        gather: Duration::ZERO,
        heartbeat: Duration::from_millis(2),
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
        fault_rest: Duration::from_millis(5),
        ..Options::default()
    }
}

/// A store with a check on quotes: it refuses those of some partner, as a database does.
struct Strict {
    inner: Arc<MemoryStore>,
    /// Positions of the events whose rows it refuses.
    refuses: Vec<u64>,
    on: AtomicBool,
    /// How many times it gives no answer before it says anything.
    silent: AtomicU32,
    /// Whether it hangs once it has refused a row alone.
    hangs: AtomicBool,
}

impl Strict {
    fn refusing(refuses: &[u64]) -> Arc<Meddled<Self>> {
        Arc::new(Meddled(Self {
            inner: Arc::new(MemoryStore::new(&schemas(ALL)).unwrap()),
            refuses: refuses.to_vec(),
            on: AtomicBool::new(true),
            silent: AtomicU32::new(0),
            hangs: AtomicBool::new(false),
        }))
    }

    fn refused(&self, batch: &Batch) -> bool {
        let position = |row: &Row| match row.0.first() {
            Some(Cell::Int(at)) => u64::try_from(*at).unwrap(),
            other => panic!("{other:?}"),
        };
        self.on.load(Ordering::SeqCst)
            && batch.changes.iter().any(|change| match change {
                Change::Put { table: "quotes", row } => self.refuses.contains(&position(row)),
                Change::Put { .. } | Change::Delete(_) => false,
            })
    }
}

impl Meddling for Strict {
    fn inner(&self) -> &dyn ReadStore {
        &*self.inner
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self
                .silent
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
            {
                return Err(StoreError::Unavailable("the line is dead".into()));
            }
            let parked = |change: &Change| matches!(change, Change::Put { table: "parked_events", .. });
            if self.hangs.load(Ordering::SeqCst) && batch.changes.iter().any(parked) {
                return std::future::pending().await;
            }
            if self.refused(&batch) {
                return Err(StoreError::Refused {
                    table: "quotes",
                    why: "check \"no_such_partner\"".to_owned(),
                });
            }
            self.inner.apply(batch).await
        })
    }
}

/// A runner that goes on until the test ends.
async fn running(log: &Arc<dyn EventLog>, store: &Arc<Meddled<Strict>>) -> Handle {
    running_of(log, store, ALL).await
}

/// The same, of a build with these projections.
async fn running_of(
    log: &Arc<dyn EventLog>,
    store: &Arc<Meddled<Strict>>,
    projections: &[Registered],
) -> Handle {
    let (runner, handle) = Runner::new(log.clone(), store.clone(), later_clock(), projections, options());
    tokio::spawn(runner.stay());
    // Through silences of the store, and up to the facts that it writes itself on the way.
    let there = async {
        while handle.status().state != State::Live || handle.status().position() < log.head().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, there).await.unwrap_or_else(|_| panic!("still {:?}", handle.status()));
    handle
}

async fn facts(log: &dyn EventLog) -> Vec<EventParked> {
    let stream = StreamId::new(STREAM).unwrap();
    let records = log.read_stream(&stream, Revision(0), Direction::Forward, 1_000).await.unwrap();
    let facts = records.iter().filter_map(|record| {
        let Event::Operations(Operations::Parking(Fact::EventParked(fact))) =
            codec::recorded(record).unwrap().event
        else {
            return None;
        };
        Some(fact)
    });
    facts.collect()
}

/// What a person says at a door.
pub async fn say(log: &dyn EventLog, fact: Fact) {
    let record = said(log, fact).await;
    log.append(&StreamId::new(STREAM).unwrap(), Expected::Any, vec![record]).await.unwrap();
}

/// The same, not written yet.
async fn said(log: &dyn EventLog, fact: Fact) -> NewRecord {
    let number = log.head().await.unwrap().next().0.to_string();
    let meta = Meta {
        correlation_id: CorrelationId(derived("said", &[&number])),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        origin: None,
        occurred_at: Timestamp::from_millis(1_795_199_078_000),
        schema: codec::SCHEMA_VERSION,
    };
    let event = Event::Operations(Operations::Parking(fact));
    codec::to_record(EventId(derived("said", &[&number])), &event, &meta).unwrap()
}

async fn audited(log: &Arc<dyn EventLog>, store: &Arc<dyn ReadStore>) -> Findings {
    let live = Live::take(&**store, ALL, Leaving::ByAge).await.unwrap();
    let room = |schemas: &[Schema]| Ok(Arc::new(MemoryStore::new(schemas)?) as Arc<dyn ReadStore>);
    let audit = Audit {
        log,
        projections: ALL,
        position: None,
        room: &room,
        tell: &|_, _| {},
        lake: NO_LAKE,
        at_once: 2,
    };
    audit.run(Some(&live)).await.unwrap()
}

fn retried(position: u64) -> Fact {
    let (projection, reason) = ("quotes".to_owned(), "the check was taken away".to_owned());
    let at = Timestamp::from_millis(1_795_199_078_000);
    Fact::ParkedRetried(ParkedRetried { projection, version: 1, position: Position(position), reason, at })
}

async fn quotes(count: u8) -> Arc<dyn EventLog> {
    log_of(&(0..count).map(|quote| act("intents.QuoteReceived", quote)).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn rows_that_the_store_refuses_are_found_in_a_large_batch_and_parked_as_facts() {
    let log = quotes(200).await;
    let store = Strict::refusing(&[17, 18, 190]);
    let handle = running(&log, &store).await;
    let parked = facts(&*log).await;
    let told: Vec<_> =
        parked.iter().map(|fact| (fact.projection.as_str(), fact.position.0, fact.attempt)).collect();
    assert_eq!(told, [("quotes", 17, 1), ("quotes", 18, 1), ("quotes", 190, 1)]);
    assert_eq!(parked[0].event_type, "intents.QuoteReceived");
    assert_eq!(parked[0].reason, "table quotes: check \"no_such_partner\"");
    let live = dump(&*store).await.unwrap();
    assert_eq!((live.tables["quotes"].len(), live.tables["demands"].len()), (197, 0));
    assert!(
        live.tables["parked_events"].contains_key("[190,\"quotes\"]"),
        "{:?}",
        live.tables["parked_events"]
    );
    assert_eq!(handle.status().parked, 3);
    assert!(handle.status().projections.iter().all(|projection| projection.fault.is_none()));
    // Whoever folds for himself, into a store that refuses nothing, leaves out what the log says: the audit finds no difference.
    assert_eq!(live, folded(&*log, ALL, &[]).await);
    assert_eq!(live, folded(&*log, ALL, &[16, 17, 100]).await);
    let shown: Arc<dyn ReadStore> = store.clone();
    let found = audited(&log, &shown).await;
    assert_eq!(found.tables().filter(|table| table.verdict != Verdict::Agrees).count(), 0, "{found:#?}");
    let named = found.projections.iter().find(|one| one.projection == "quotes").unwrap();
    let told: Vec<_> = named.parked.iter().map(|there| (there.position.0, there.state)).collect();
    assert_eq!(told, [17, 18, 190].map(|at| (at, ParkingState::Parked)));
    assert!(named.parked[0].reason.contains("no_such_partner"), "{:?}", named.parked[0]);
}

#[tokio::test]
async fn an_event_that_can_not_be_read_is_parked_once_for_every_projection() {
    let log = empty_log();
    append(&*log, &Act { flaw: Flaw::Damaged, ..act("trading.Decided", 0) }).await;
    append(&*log, &act("trading.Decided", 1)).await;
    let store = Strict::refusing(&[]);
    running(&log, &store).await;
    assert_eq!(facts(&*log).await.len(), ALL.len());
    // Another one, over tables of its own, says nothing that was said.
    let other = Strict::refusing(&[]);
    running(&log, &other).await;
    assert_eq!(facts(&*log).await.len(), ALL.len());
    assert_eq!(dump(&*store).await.unwrap(), dump(&*other).await.unwrap());
}

/// It may have come from a newer build, or from a disk that lied: what it meant is not guessed.
#[tokio::test]
async fn half_a_fact_about_parked_events_leaves_nothing_out_and_is_parked_itself() {
    let log = quotes(6).await;
    let (reason, at) = ("not ours".to_owned(), Timestamp::from_millis(1_795_199_078_000));
    let skipped =
        ParkedSkipped { projection: "quotes".to_owned(), version: 1, position: Position(3), reason, at };
    let whole = said(&*log, Fact::ParkedSkipped(skipped)).await;
    let record = NewRecord { data: Arc::from(*b"{\"half\":"), ..whole };
    log.append(&StreamId::new(STREAM).unwrap(), Expected::Any, vec![record]).await.unwrap();
    let store = Strict::refusing(&[]);
    running(&log, &store).await;
    let live = dump(&*store).await.unwrap();
    assert_eq!(live.tables["quotes"].len(), 6);
    let parked: Vec<_> = live.tables["parked_events"].keys().collect();
    assert_eq!((parked.len(), parked[0].starts_with("[7,")), (ALL.len(), true), "{parked:?}");
    assert_eq!(live, folded(&*log, ALL, &[]).await);
    let shown: Arc<dyn ReadStore> = store.clone();
    let found = audited(&log, &shown).await;
    assert_eq!(found.tables().filter(|table| table.verdict != Verdict::Agrees).count(), 0, "{found:#?}");
}

#[tokio::test]
async fn whoever_is_ended_between_parking_and_going_on_has_parked_once() {
    let log = quotes(20).await;
    let store = Strict::refusing(&[7]);
    store.hangs.store(true, Ordering::SeqCst);
    let (runner, _handle) = Runner::new(log.clone(), store.clone(), later_clock(), ALL, options());
    let first = tokio::spawn(runner.stay());
    let written = async {
        while facts(&*log).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, written).await.unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(store.checkpoint("quotes").await.unwrap().position < Position(7), "it has not gone on");
    store.hangs.store(false, Ordering::SeqCst);
    running(&log, &store).await;
    assert_eq!(facts(&*log).await.len(), 1);
    assert_eq!(dump(&*store).await.unwrap(), folded(&*log, ALL, &[]).await);
}

#[tokio::test]
async fn two_runners_that_meet_the_same_event_park_it_once() {
    let log = quotes(60).await;
    let stores = [Strict::refusing(&[7, 31]), Strict::refusing(&[7, 31])];
    tokio::join!(running(&log, &stores[0]), running(&log, &stores[1]));
    let told: Vec<_> = facts(&*log).await.iter().map(|fact| fact.position.0).collect();
    assert_eq!(told, [7, 31]);
}

/// A build before an upgrade and the one after it, which folds the quotes otherwise, over one log.
#[tokio::test]
async fn two_versions_of_a_projection_park_beside_each_other_and_neither_forgets() {
    let log = quotes(60).await;
    let of_version = |version| {
        let mut quotes = *ALL.iter().find(|projection| projection.name == "quotes").unwrap();
        quotes.version = version;
        quotes
    };
    let (old, new) = (of_version(1), of_version(2));
    let left_out = async |quotes: &Registered| {
        let known = Parked::of(&*log).await.unwrap();
        known.left_out(quotes).into_keys().map(|at| at.0).collect::<Vec<_>>()
    };
    running_of(&log, &Strict::refusing(&[7, 31]), &[old]).await;
    running_of(&log, &Strict::refusing(&[7, 44]), &[new]).await;
    assert_eq!((left_out(&old).await, left_out(&new).await), (vec![7, 31], vec![7, 44]));
    // The old build once more, with empty tables and nothing that would refuse a row.
    let store = Strict::refusing(&[]);
    running_of(&log, &store, &[old]).await;
    assert_eq!(facts(&*log).await.len(), 4, "it says nothing that it has said");
    let taken_in = store.scan("quotes", &ScanQuery::newest(100)).await.unwrap().value.rows.len();
    let lacking = store.scan("parked_events", &ScanQuery::newest(100)).await.unwrap().value.rows.len();
    assert_eq!((taken_in, lacking), (58, 2));
}

#[tokio::test]
async fn a_store_that_does_not_answer_parks_nothing() {
    let log = quotes(30).await;
    let store = Strict::refusing(&[]);
    store.silent.store(200, Ordering::SeqCst);
    running(&log, &store).await;
    assert_eq!((facts(&*log).await.len(), log.head().await.unwrap()), (0, Position(30)));
    assert_eq!(dump(&*store).await.unwrap().tables["quotes"].len(), 30);
}

#[tokio::test]
async fn what_is_retried_after_a_fix_is_taken_in_by_a_rebuild_and_parked_again_when_nothing_was_mended() {
    let log = quotes(20).await;
    let store = Strict::refusing(&[7]);
    let handle = running(&log, &store).await;
    let rebuilder = Rebuilder {
        log: log.clone(),
        live: store.clone(),
        tables: store.inner.clone(),
        clock: clock(),
        runner: Some(handle.clone()),
        options: RebuildOptions { batch_records_max: 7, close: 4, ..RebuildOptions::default() },
    };
    let only: Vec<_> = ALL.iter().filter(|projection| projection.name == "quotes").copied().collect();
    let asked =
        Asked { projections: only, by: "a test".to_owned(), from_zero: false, despite_difference: false };
    // While it is parked the tables are what follows from the log.
    let outcome = rebuilder.begin(asked.clone()).await.unwrap().run().await.unwrap().remove(0);
    assert_eq!(outcome.compared, Compared::Equal);
    say(&*log, retried(7)).await;
    store.on.store(false, Ordering::SeqCst);
    handle.reached(log.head().await.unwrap(), SOON).await.unwrap();
    let outcome = rebuilder.begin(asked).await.unwrap().run().await.unwrap().remove(0);
    assert_eq!(outcome.compared, Compared::OtherGaps(vec![Position(7)]));
    assert!(outcome.swap.is_some());
    let live = dump(&*store).await.unwrap();
    assert_eq!((live.tables["quotes"].len(), live.tables["parked_events"].len()), (20, 0));
    assert_eq!(live, folded(&*log, ALL, &[]).await);
    // A fresh start meets it with the check in place again.
    let strict = Strict::refusing(&[7]);
    running(&log, &strict).await;
    let told: Vec<_> = facts(&*log).await.iter().map(|fact| (fact.position.0, fact.attempt)).collect();
    assert_eq!(told, [(7, 1), (7, 2)]);
}

#[tokio::test]
async fn what_is_skipped_stays_out() {
    let log = quotes(9).await;
    let store = Strict::refusing(&[7]);
    let handle = running(&log, &store).await;
    let (projection, reason) = ("quotes".to_owned(), "made up to test us".to_owned());
    let at = Timestamp::from_millis(1_795_199_078_000);
    let skipped = ParkedSkipped { projection, version: 1, position: Position(7), reason, at };
    say(&*log, Fact::ParkedSkipped(skipped)).await;
    handle.reached(log.head().await.unwrap(), SOON).await.unwrap();
    let live = dump(&*store).await.unwrap();
    let said = live.tables["parkings"].values().next().unwrap();
    assert!(said.contains("\"skipped\"") && said.contains("operator:alice"), "{said}");
    assert_eq!(live, folded(&*log, ALL, &[]).await);
}

#[tokio::test]
async fn a_projection_that_parks_too_much_stops_and_the_others_go_on() {
    let log = quotes(200).await;
    let store = Strict::refusing(&(1..=200).collect::<Vec<_>>());
    let handle = running(&log, &store).await;
    let status = handle.status();
    assert_eq!(status.state, State::Live);
    for projection in &status.projections {
        let fault = projection.fault.as_deref();
        if projection.name == "quotes" {
            let why = fault.unwrap();
            assert!(why.contains("stele projections parked") && why.contains("no_such_partner"), "{why}");
        } else {
            assert_eq!(fault, None, "{}", projection.name);
        }
    }
    assert_eq!(facts(&*log).await.len(), PARKED_MAX);
    // A person decides, and it goes on by itself.
    for fact in facts(&*log).await {
        let (EventParked { projection, version, position, at, .. }, reason) = (fact, "made up".to_owned());
        say(&*log, Fact::ParkedSkipped(ParkedSkipped { projection, version, position, reason, at })).await;
    }
    let whole = |handle: &Handle| {
        handle.status().projections.iter().all(|one| one.fault.is_none() && one.lag_events == 0)
    };
    let there = async {
        while !whole(&handle) || handle.status().head < log.head().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, there).await.unwrap_or_else(|_| panic!("still {:?}", handle.status()));
    assert_eq!(facts(&*log).await.len(), 200);
    assert_eq!(dump(&*store).await.unwrap(), folded(&*log, ALL, &[]).await);
}

#[tokio::test]
async fn a_log_that_takes_no_facts_stops_the_projection_before_the_event() {
    // Nothing is left out that the log does not say.
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let closed: Arc<dyn EventLog> = Arc::new(Closed(log.clone()));
    append(&*log, &Act { flaw: Flaw::Damaged, ..act("trading.Decided", 9) }).await;
    let head = log.head().await.unwrap();
    let (runner, handle) = Runner::new(closed, store.clone(), later_clock(), ALL, options());
    assert!(runner.run().await.is_err());
    let State::Faulted { why } = handle.status().state else { panic!("{:?}", handle.status()) };
    assert!(why.contains("can't go on without writing down what it leaves out"), "{why}");
    assert!(store.checkpoint("quotes").await.unwrap().position < head);
}
