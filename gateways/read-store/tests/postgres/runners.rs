//! Runners over PostgreSQL: one at a time, through restarts of the server, to the same rows as in memory.

use crate::server::{own_server, server};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use stele_domain::codec;
use stele_domain::event::Meta;
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, Position, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_projections::compare::{dump, fold_to};
use stele_projections::runner::{Options, Runner, RunnerError};
use stele_projections::{models, schemas};
use stele_read_store::{MemoryStore, PostgresStore};

struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(1_795_199_078_000)))
}

pub async fn append(log: &dyn EventLog, number: u64) {
    let samples = codec::samples();
    let event = &samples[usize::try_from(number).unwrap() % samples.len()];
    let event_id = EventId(derived("test", &[&number.to_string()]));
    let meta = Meta {
        correlation_id: CorrelationId(event_id.0),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        occurred_at: Timestamp::from_millis(1_795_199_078_000),
        schema: codec::SCHEMA_VERSION,
        origin: None,
    };
    let record = codec::to_record(event_id, event, &meta).unwrap();
    log.append(&StreamId::new("account-solver.near").unwrap(), Expected::Any, vec![record]).await.unwrap();
}

pub fn options() -> Options {
    Options {
        retry_first: Duration::from_millis(10),
        retry_max: Duration::from_millis(200),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runners_on_one_projection_one_stops_and_nothing_is_doubled() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    let database = server().await.database().await;
    let stores: [Arc<PostgresStore>; 2] = [
        Arc::new(database.store(&schemas(models::ALL)).await),
        Arc::new(database.store(&schemas(models::ALL)).await),
    ];
    let runs = stores.clone().map(|store| {
        let (runner, handle) = Runner::new(log.clone(), store, clock(), models::ALL, options());
        (tokio::spawn(runner.run()), handle)
    });
    let mut number = 0;
    let [(one, one_told), (other, other_told)] = runs;
    // Whoever comes second to a page is told, sooner or later.
    while !one.is_finished() && !other.is_finished() {
        append(&*log, number).await;
        number += 1;
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        append(&*log, number).await;
        number += 1;
    }
    one_told.drain();
    other_told.drain();
    let ends = [one.await.unwrap(), other.await.unwrap()];
    let stopped: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(!stopped.is_empty(), "{ends:?}");
    for error in stopped {
        let RunnerError::Fold(fold) = error else { panic!("{error:?}") };
        let said = std::error::Error::source(fold).unwrap().to_string();
        assert!(said.contains("another runner is at work"), "{said}");
    }

    // Whoever is left, or a third one, brings the tables to the head.
    let (runner, handle) = Runner::new(log.clone(), stores[0].clone(), clock(), models::ALL, options());
    handle.drain();
    runner.run().await.unwrap();
    same_as_folded(&*log, &stores[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_went_back_is_folded_again_from_there() {
    let database = server().await.database().await;
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    let store = Arc::new(database.store(&schemas(models::ALL)).await);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), models::ALL, options());
    let running = tokio::spawn(runner.run());
    for number in 0..100 {
        append(&*log, number).await;
    }
    handle.reached(Position(100), Duration::from_mins(1)).await.unwrap();
    // What a crash does to the last batches, done to all of some projections.
    for projection in models::ALL.iter().take(5) {
        let tables: Vec<&str> = projection.tables.iter().map(|table| table.name).collect();
        let back = format!("SELECT read_model.start_over('{}', '{{{}}}')", projection.name, tables.join(","));
        database.run("stele_app", &back).await.unwrap();
    }
    append(&*log, 100).await;
    handle.drain();
    running.await.unwrap().unwrap();
    same_as_folded(&*log, &store).await;
}

pub async fn same_as_folded(log: &dyn EventLog, store: &PostgresStore) {
    let memory = MemoryStore::new(&schemas(models::ALL)).unwrap();
    fold_to(log, &memory, models::ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    let (memory, live) = (dump(&memory).await.unwrap(), dump(store).await.unwrap());
    let comparison = live.compare(&memory).unwrap();
    assert_eq!(comparison.rows_different, 0, "{:#?}", comparison.differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_leaves_no_gap_and_no_double() {
    let server = Arc::new(own_server().await);
    let database = server.database().await;
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    let store = Arc::new(database.store(&schemas(models::ALL)).await);
    let few = Options { batch_records_max: 4, catch_up_records_max: 4, ..options() };
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), models::ALL, few);
    let running = tokio::spawn(runner.run());
    let mut number = 0;
    for _ in 0..3 {
        for _ in 0..200 {
            append(&*log, number).await;
            number += 1;
        }
        let some = Position(number / 2);
        let began = Instant::now();
        while handle.status().position() < some {
            assert!(began.elapsed() < Duration::from_mins(1), "{:?}", handle.status());
            tokio::task::yield_now().await;
        }
        // In the middle of the rest.
        server.kill();
    }
    handle.drain();
    running.await.unwrap().unwrap();
    same_as_folded(&*log, &store).await;
    // Trouble that passes is nobody's fault, whatever was being written.
    assert_eq!(log.head().await.unwrap(), Position(number), "something was parked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_dies_in_the_middle_of_three_hundred_batches_leaves_no_gap_and_no_double() {
    let database = server().await.database().await;
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    for number in 0..600 {
        append(&*log, number).await;
    }
    let two = Options { batch_records_max: 2, catch_up_records_max: 2, ..options() };
    for dies_at in [60, 150, 300, 420, 540] {
        let store = Arc::new(database.store(&schemas(models::ALL)).await);
        let (runner, handle) = Runner::new(log.clone(), store, clock(), models::ALL, two.clone());
        let running = tokio::spawn(runner.run());
        let began = Instant::now();
        while handle.status().position() < Position(dies_at) {
            assert!(began.elapsed() < Duration::from_mins(1), "{:?}", handle.status());
            tokio::task::yield_now().await;
        }
        // Its connection goes with it, whatever it was in the middle of.
        running.abort();
        let _ = running.await;
    }
    let store = Arc::new(database.store(&schemas(models::ALL)).await);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), models::ALL, two);
    handle.drain();
    runner.run().await.unwrap();
    same_as_folded(&*log, &store).await;
}
