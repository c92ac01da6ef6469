//! Tables that belong to another log, and a runner that stays when something is wrong.

use crate::support::{ALL, act, append, empty_log, empty_store, folded, later_clock, log_of, settled_story};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EventLog, Expected, Filter, NewRecord, Position};
use stele_domain::port::read_store::ReadStore;
use stele_projections::compare::{dump, fold_to};
use stele_projections::runner::{Handle, Options, Runner, RunnerError, State};

const SOON: Duration = Duration::from_secs(10);

fn runner(log: &Arc<dyn EventLog>, store: &Arc<dyn ReadStore>) -> (Runner, Handle) {
    let options = Options {
        gather: Duration::ZERO,
        heartbeat: Duration::from_millis(2),
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(2),
        fault_rest: Duration::from_millis(1),
        ..Options::default()
    };
    Runner::new(log.clone(), store.clone(), later_clock(), ALL, options)
}

/// The tables of a log, as a runner leaves them.
async fn tables_of(log: &Arc<dyn EventLog>) -> Arc<dyn ReadStore> {
    let store = empty_store(ALL);
    let (runner, handle) = runner(log, &store);
    handle.drain();
    runner.run().await.unwrap();
    store
}

/// The same facts, of which the last one has another id: a log that went on otherwise.
async fn gone_on_otherwise(log: &dyn EventLog) -> Arc<dyn EventLog> {
    let other = empty_log();
    let head = log.head().await.unwrap();
    let page = log.read_all(Position(1), &Filter::all(), 100).await.unwrap();
    for record in page.records {
        let event_id = if record.position == head { EventId::parse(OTHER).unwrap() } else { record.event_id };
        let (event_type, data, metadata) = (record.event_type, record.data, record.metadata);
        let copy = NewRecord { event_id, event_type, data, metadata };
        other.append(&record.stream, Expected::Any, vec![copy]).await.unwrap();
    }
    other
}

const OTHER: &str = "0a1b2c3d-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_log_that_went_on_otherwise_is_told_from_the_one_that_the_tables_are_of() {
    let log = log_of(&settled_story(0)).await;
    let store = tables_of(&log).await;
    let before = dump(&*store).await.unwrap();
    let other = gone_on_otherwise(&*log).await;
    // Longer than the tables are far: the length alone tells nothing.
    append(&*other, &act("intents.QuoteReceived", 1)).await;
    let (taken, _handle) = runner(&other, &store);
    let refused = taken.run().await;
    let Err(RunnerError::OtherLog { at: Position(15), found: Some(found), .. }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(found.to_string(), OTHER);
    assert!(refused.unwrap_err().to_string().contains("not of this log"));
    assert_eq!(dump(&*store).await.unwrap(), before, "no row of the other log came in");
    let (same, handle) = runner(&log, &store);
    handle.drain();
    same.run().await.unwrap();
}

#[tokio::test]
async fn a_runner_that_stays_goes_on_when_the_cause_of_its_fault_is_gone() {
    let log = log_of(&settled_story(0)[..3]).await;
    let store = empty_store(ALL);
    let whole = log_of(&settled_story(0)).await;
    // Tables of a log that is longer: until ours is as long, it can't be theirs.
    fold_to(&*whole, &*store, ALL, Position(15), |_| {}).await.unwrap();
    let (runner, handle) = runner(&log, &store);
    let staying = tokio::spawn(runner.stay());
    until(&handle, |state| matches!(state, State::Faulted { .. })).await;
    let State::Faulted { why } = handle.status().state else { panic!("it is over already") };
    assert!(why.contains("the log ends at 3"), "{why}");
    for act in &settled_story(0)[3..] {
        append(&*log, act).await;
    }
    let end = append(&*log, &act("intents.QuoteReceived", 1)).await;
    let reached = async {
        while handle.reached(end, SOON).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, reached).await.unwrap();
    handle.stop();
    staying.await.unwrap();
    assert_eq!(handle.status().state, State::Ended);
    assert_eq!(dump(&*store).await.unwrap(), folded(&*log, ALL, &[]).await);
}

#[tokio::test]
async fn a_faulted_runner_that_is_told_to_stop_does_not_finish_its_rest_first() {
    let log = log_of(&settled_story(0)[..3]).await;
    let store = empty_store(ALL);
    fold_to(&*log_of(&settled_story(0)).await, &*store, ALL, Position(15), |_| {}).await.unwrap();
    let rest = Options { fault_rest: Duration::from_hours(1), ..Options::default() };
    let (runner, handle) = Runner::new(log, store, later_clock(), ALL, rest);
    let staying = tokio::spawn(runner.stay());
    until(&handle, |state| matches!(state, State::Faulted { .. })).await;
    handle.stop();
    tokio::time::timeout(SOON, staying).await.unwrap().unwrap();
}

async fn until(handle: &Handle, what: impl Fn(&State) -> bool) {
    let wait = async {
        while !what(&handle.status().state) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("still {:?}", handle.status()));
}
