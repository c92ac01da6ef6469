//! The runner and its bad luck.

use crate::meddled::{Meddled, Meddling};
use crate::support::{
    ALL, act, append, clock, empty_log, empty_store, folded, later_clock, log_of, settled_story,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{Batch, ReadStore, Row, RowKey, StoreError};
use stele_projections::FoldError;
use stele_projections::compare::{dump, fold_to};
use stele_projections::runner::{Handle, Options, Runner, RunnerError, State, Waited};
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(10);

fn options() -> Options {
    Options {
        batch_records_max: 3,
        catch_up_records_max: 3,
        gather: Duration::ZERO,
        heartbeat: Duration::from_millis(2),
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
        fault_rest: Duration::from_millis(1),
    }
}

fn run(log: &Arc<dyn EventLog>, store: &Arc<dyn ReadStore>) -> (JoinHandle<Result<(), RunnerError>>, Handle) {
    let (runner, handle) = Runner::new(log.clone(), store.clone(), later_clock(), ALL, options());
    (tokio::spawn(runner.run()), handle)
}

/// Waits until the runner says so.
async fn until(handle: &Handle, what: impl Fn(&State) -> bool) {
    let wait = async {
        while !what(&handle.status().state) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("still {:?}", handle.status()));
}

#[tokio::test]
async fn a_live_runner_follows_the_log() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (running, handle) = run(&log, &store);
    assert_eq!(handle.reached(Position(15), SOON).await, Ok(Position(15)));
    let more = append(&*log, &act("intents.QuoteReceived", 1)).await;
    assert_eq!(handle.reached(more, SOON).await, Ok(Position(16)));
    until(&handle, |state| *state == State::Live).await;
    let status = handle.status();
    assert_eq!((status.head, status.parked), (Position(16), 0));
    assert!(
        status.projections.iter().all(|p| p.position == Position(16) && p.lag_events == 0 && p.lag_ms == 0)
    );
    handle.stop();
    running.await.unwrap().unwrap();
    assert_eq!(handle.status().state, State::Ended);
}

#[tokio::test]
async fn a_runner_that_is_paused_before_its_first_look_says_so_and_goes_on_when_told() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), later_clock(), ALL, options());
    handle.pause();
    let running = tokio::spawn(runner.run());
    until(&handle, |state| *state == State::Paused).await;
    let waited = handle.reached(Position(15), SOON).await;
    assert_eq!(waited, Err(Waited::Unavailable { at: Position::START, state: State::Paused }));
    handle.resume();
    assert_eq!(handle.reached(Position(15), SOON).await, Ok(Position(15)));
    until(&handle, |state| *state == State::Live).await;
    handle.stop();
    running.await.unwrap().unwrap();
}

/// On one thread, so that the wish comes while the runner waits for its store and looks at no wish.
#[tokio::test]
async fn a_runner_that_is_paused_while_it_folds_a_page_says_so_after_it() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), later_clock(), ALL, options());
    let hold = handle.hold().await;
    let running = tokio::spawn(runner.run());
    until(&handle, |state| *state == State::CatchingUp).await;
    // The first page is read and waits for its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    handle.pause();
    drop(hold);
    until(&handle, |state| *state == State::Paused).await;
    let at = handle.status().position();
    assert!(at < Position(15), "three records at a time, and no page after the one that was folded: {at}");
    handle.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_paused_runner_folds_nothing_and_shows_its_lag() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (running, handle) = run(&log, &store);
    handle.reached(Position(15), SOON).await.unwrap();
    handle.pause();
    until(&handle, |state| *state == State::Paused).await;
    append(&*log, &act("intents.QuoteReceived", 1)).await;
    while handle.status().head < Position(16) {
        tokio::task::yield_now().await;
    }
    let status = handle.status();
    assert_eq!(status.position(), Position(15));
    assert!(status.projections.iter().all(|p| p.lag_events == 1 && p.lag_ms > 0), "{status:?}");
    let waited = handle.reached(Position(16), SOON).await;
    assert_eq!(waited, Err(Waited::Unavailable { at: Position(15), state: State::Paused }));
    handle.resume();
    assert_eq!(handle.reached(Position(16), SOON).await, Ok(Position(16)));
    handle.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_draining_runner_folds_what_is_there_and_ends() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), ALL, options());
    handle.drain();
    runner.run().await.unwrap();
    assert_eq!(handle.status().position(), Position(15));
    let gone = handle.reached(Position(99), SOON).await;
    assert_eq!(gone, Err(Waited::Unavailable { at: Position(15), state: State::Ended }));
}

#[tokio::test]
async fn a_wait_for_more_than_there_is_ends_in_time() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (running, handle) = run(&log, &store);
    handle.reached(Position(15), SOON).await.unwrap();
    let waited = handle.reached(Position(99), Duration::from_millis(5)).await;
    assert_eq!(waited, Err(Waited::Behind { asked: Position(99), at: Position(15) }));
    running.abort();
    assert!(running.await.is_err());
    let waited = handle.reached(Position(99), SOON).await;
    assert!(matches!(waited, Err(Waited::Unavailable { .. })), "a dead runner is not waited for: {waited:?}");
}

#[tokio::test]
async fn a_heartbeat_comes_when_nothing_happens() {
    let log = empty_log();
    let store = empty_store(ALL);
    let (running, handle) = run(&log, &store);
    until(&handle, |state| *state == State::Live).await;
    let first = handle.status().heartbeat_at;
    let beats = async {
        while handle.status().heartbeat_at == first {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, beats).await.unwrap();
    handle.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn of_two_runners_the_one_that_is_overtaken_stops() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (running, handle) = run(&log, &store);
    handle.reached(Position(15), SOON).await.unwrap();
    handle.pause();
    until(&handle, |state| *state == State::Paused).await;
    let more = append(&*log, &act("intents.QuoteReceived", 1)).await;
    // Somebody else takes the projections on.
    fold_to(&*log, &*store, ALL, more, |_| {}).await.unwrap();
    handle.resume();
    let outcome = running.await.unwrap();
    let Err(RunnerError::Fold(FoldError::Keep { source, .. })) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(source, StoreError::Conflict { actual: Position(16), .. }), "{source:?}");
    assert!(matches!(handle.status().state, State::Faulted { .. }));
    assert_eq!(dump(&*store).await.unwrap(), folded(&*log, ALL, &[]).await, "and nothing is folded twice");
}

#[tokio::test]
async fn tables_of_another_log_are_not_taken_up() {
    let long = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    fold_to(&*long, &*store, ALL, Position(15), |_| {}).await.unwrap();
    let short = log_of(&settled_story(0)[..3]).await;
    let (running, _handle) = run(&short, &store);
    let outcome = running.await.unwrap();
    assert!(
        matches!(outcome, Err(RunnerError::AheadOfLog { at: Position(15), head: Position(3), .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_runner_goes_on_where_the_last_one_ended() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    for end in [Position(15), Position(16)] {
        let (running, handle) = run(&log, &store);
        handle.reached(end, SOON).await.unwrap();
        handle.stop();
        running.await.unwrap().unwrap();
        append(&*log, &act("trading.Decided", 2)).await;
    }
    fold_to(&*log, &*store, ALL, Position(17), |_| {}).await.unwrap();
    assert_eq!(dump(&*store).await.unwrap(), folded(&*log, ALL, &[]).await);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_again_and_no_batch_is_kept_twice() {
    for lost_after in [false, true] {
        let log = log_of(&settled_story(0)).await;
        let inner = empty_store(ALL);
        let flaky = Arc::new(Meddled(Flaky {
            inner: inner.clone(),
            calls: AtomicU32::new(0),
            silences: AtomicU32::new(0),
            lost_after,
        }));
        let store: Arc<dyn ReadStore> = flaky.clone();
        let (running, handle) = run(&log, &store);
        let reached = async {
            while handle.reached(Position(15), SOON).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, reached).await.unwrap();
        until(&handle, |state| *state == State::Live).await;
        handle.stop();
        running.await.unwrap().unwrap();
        let silences = flaky.silences.load(Ordering::Relaxed);
        assert!(silences > 30, "the store was silent only {silences} times");
        let live = dump(&*inner).await.unwrap();
        assert_eq!(live, folded(&*log, ALL, &[]).await, "answers lost after the fact: {lost_after}");
    }
}

/// A store behind a bad line: most batches get no answer, before or after they were kept.
struct Flaky {
    inner: Arc<dyn ReadStore>,
    calls: AtomicU32,
    silences: AtomicU32,
    lost_after: bool,
}

impl Flaky {
    /// Another number with every call, without a period that a runner which tries again could fall into.
    fn luck(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed).wrapping_mul(2_654_435_761) >> 16
    }

    fn silence(&self) -> StoreError {
        self.silences.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable("the line is dead".into())
    }
}

impl Meddling for Flaky {
    fn inner(&self) -> &dyn ReadStore {
        &*self.inner
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        if self.luck() % 5 == 1 {
            return Box::pin(async { Err(self.silence()) });
        }
        self.inner.load(keys)
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        if self.luck() % 3 == 2 {
            return self.inner.apply(batch);
        }
        Box::pin(async move {
            if self.lost_after {
                self.inner.apply(batch).await?;
            }
            Err(self.silence())
        })
    }
}
