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

/// What a newer build writes: a type that this one has not, or a newer form of one that it has.
async fn newer(log: &dyn EventLog, event_type: &str, schema: u32, stream: &str) -> Position {
    let number = log.head().await.unwrap().next().0.to_string();
    let meta = serde_json::json!({
        "correlation_id": "0a1b2c3d-0000-4000-8000-000000000000", "causation_id": null, "actor": "service:executor",
        "occurred_at": "2026-11-21T10:00:00.000000Z", "schema": schema,
    });
    let record = NewRecord {
        event_id: EventId(stele_domain::ids::derived("newer", &[&number])),
        event_type: event_type.into(),
        data: Arc::from(*b"{\"of\":\"tomorrow\"}"),
        metadata: Arc::from(meta.to_string().into_bytes()),
    };
    let stream = stele_domain::port::event_log::StreamId::new(stream).unwrap();
    log.append(&stream, Expected::Any, vec![record]).await.unwrap().last
}

#[tokio::test]
async fn the_tables_stop_right_before_an_event_of_a_newer_build() {
    for (event_type, schema) in [("trading.Teleported", 1), ("trading.Disarmed", 2)] {
        let log = log_of(&settled_story(0)[..5]).await;
        // Nobody knows the types of others, and nobody stops for them.
        newer(&*log, "weather.Rained", 7, "weather-berlin").await;
        let at = newer(&*log, event_type, schema, "account-solver.near").await;
        append(&*log, &act("intents.QuoteReceived", 1)).await;
        let store = empty_store(ALL);
        let (taken, handle) = runner(&log, &store);
        let stopped = taken.run().await;
        let Err(RunnerError::Newer(newer)) = &stopped else { panic!("{stopped:?}") };
        assert_eq!((newer.at, newer.event_type.as_str()), (at, event_type));
        let State::Faulted { why } = handle.status().state else { panic!("{:?}", handle.status()) };
        for word in [event_type, "at position 7", "account-solver.near", "a newer build wrote it"] {
            assert!(why.contains(word), "{word}: {why}");
        }
        for projection in ALL {
            assert_eq!(
                store.checkpoint(projection.name).await.unwrap().position,
                Position(6),
                "right before it"
            );
        }
        let live = dump(&*store).await.unwrap();
        assert_eq!(live.tables["parked_events"].len(), 0, "it is not parked either");
        // Whoever folds for himself stops there too, and may stop before it.
        let folded = fold_to(&*log, &*empty_store(ALL), ALL, Position(8), |_| {}).await;
        assert!(matches!(folded, Err(stele_projections::compare::CompareError::Newer(_))), "{folded:?}");
        let short = empty_store(ALL);
        fold_to(&*log, &*short, ALL, Position(6), |_| {}).await.unwrap();
        assert_eq!(dump(&*short).await.unwrap(), live);
    }
}

/// The log as the newer build reads it: what this one does not know is a fact like any other.
async fn read_by_the_newer_build(log: &dyn EventLog, at: Position, fact: &NewRecord) -> Arc<dyn EventLog> {
    let newer = empty_log();
    for record in log.read_all(Position(1), &Filter::all(), 100).await.unwrap().records {
        let (mut event_type, mut data, mut metadata) = (record.event_type, record.data, record.metadata);
        if record.position == at {
            (event_type, data, metadata) =
                (fact.event_type.clone(), fact.data.clone(), fact.metadata.clone());
        }
        let copy = NewRecord { event_id: record.event_id, event_type, data, metadata };
        newer.append(&record.stream, Expected::Any, vec![copy]).await.unwrap();
    }
    newer
}

#[tokio::test]
async fn what_a_newer_build_wrote_is_folded_when_that_build_takes_over() {
    let log = log_of(&settled_story(0)[..5]).await;
    let at = newer(&*log, "trading.Teleported", 1, "account-solver.near").await;
    append(&*log, &act("intents.QuoteReceived", 1)).await;
    let store = empty_store(ALL);
    assert!(matches!(runner(&log, &store).0.run().await, Err(RunnerError::Newer(_))));
    let some = log_of(&settled_story(1)[..1]).await;
    let fact = some.read_all(Position(1), &Filter::all(), 1).await.unwrap().records.remove(0);
    let fact = NewRecord {
        event_id: fact.event_id,
        event_type: fact.event_type,
        data: fact.data,
        metadata: fact.metadata,
    };
    let whole = read_by_the_newer_build(&*log, at, &fact).await;
    let (taken, handle) = runner(&whole, &store);
    handle.drain();
    taken.run().await.unwrap();
    assert_eq!(dump(&*store).await.unwrap(), folded(&*whole, ALL, &[]).await);
}

#[tokio::test]
async fn a_projection_whose_rows_are_of_another_version_stops_alone() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let newer = stele_domain::port::read_store::Batch {
        projection: "quotes",
        version: 99,
        expected: Position::START,
        checkpoint: Position(3),
        event_id: None,
        changes: vec![],
        digests: vec![],
    };
    store.apply(newer).await.unwrap();
    let (taken, handle) = runner(&log, &store);
    let running = tokio::spawn(taken.run());
    assert_eq!(handle.reached(Position(15), SOON).await, Ok(Position(15)));
    let status = handle.status();
    for projection in &status.projections {
        if projection.name == "quotes" {
            let fault = projection.fault.clone().unwrap();
            assert!(fault.contains("made by version 99") && fault.contains("rebuild it"), "{fault}");
            assert!(projection.lag_events > 0, "{projection:?}");
        } else {
            assert_eq!(
                (projection.position, &projection.fault),
                (Position(15), &None),
                "{}",
                projection.name
            );
        }
    }
    assert_eq!(store.checkpoint("quotes").await.unwrap().position, Position(3), "nobody touched it");
    handle.stop();
    running.await.unwrap().unwrap();
}
