//! Events whose rows PostgreSQL refuses: found, parked as facts, left out by everybody, and taken in after a fix.

use crate::runners::{clock, options, same_as_folded};
use crate::server::{Database, server};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::operations::alert::event::{AlertRaised, Event as Alert, Kind};
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::parking::event::{Event as Fact, ParkedRetried};
use stele_domain::operations::parking::{Phase, STREAM};
use stele_domain::port::event_log::{EventLog, Expected, Position, StreamId};
use stele_domain::port::read_store::{ReadStore, ScanQuery};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_projections::parking::Parked;
use stele_projections::rebuild::{Asked, Compared, Options as RebuildOptions, Rebuilder};
use stele_projections::runner::{Handle, Options, Runner, State};
use stele_projections::{models, schemas};
use stele_read_store::PostgresStore;

const NOW: Timestamp = Timestamp::from_millis(1_795_199_078_000);

/// Keeps a fact, and says where it stands.
async fn append(log: &dyn EventLog, stream: &str, event: &Operations) -> Position {
    let number = log.head().await.unwrap().next().0.to_string();
    let id = derived("test", &[&number]);
    let meta = Meta {
        correlation_id: CorrelationId(id),
        causation_id: None,
        command: None,
        actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
        occurred_at: NOW,
        schema: codec::SCHEMA_VERSION,
        origin: None,
    };
    let record = codec::to_record(EventId(id), &Event::Operations(event.clone()), &meta).unwrap();
    log.append(&StreamId::new(stream).unwrap(), Expected::Any, vec![record]).await.unwrap().last
}

fn raised(detail: &str) -> Operations {
    let detail = detail.to_owned();
    Operations::Alert(Alert::AlertRaised(AlertRaised { kind: Kind::RelayDown, detail, cause: None, at: NOW }))
}

async fn alerts(log: &dyn EventLog, count: u32, poison: &[u32], text: &str) {
    for number in 0..count {
        let text = if poison.contains(&number) { text.to_owned() } else { format!("alert {number}") };
        append(log, "alert-relay_down", &raised(&text)).await;
    }
}

async fn running(log: &Arc<dyn EventLog>, database: &Database) -> (Arc<PostgresStore>, Handle) {
    let store = Arc::new(database.store(&schemas(models::ALL)).await);
    let options = Options { gather: Duration::ZERO, heartbeat: Duration::from_millis(5), ..options() };
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), models::ALL, options);
    tokio::spawn(runner.stay());
    caught_up(log, &handle).await;
    (store, handle)
}

async fn caught_up(log: &Arc<dyn EventLog>, handle: &Handle) {
    let there = async {
        while handle.status().state != State::Live || handle.status().position() < log.head().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let there = tokio::time::timeout(Duration::from_mins(1), there).await;
    there.unwrap_or_else(|_| panic!("still {:?}", handle.status()));
}

async fn parked(log: &dyn EventLog) -> Vec<(String, u64, Phase, String)> {
    let known = Parked::of(log).await.unwrap();
    let all = known.state().all();
    all.map(|(name, _, at, entry)| (name.to_owned(), at.0, entry.phase, entry.reason.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgresql_refuses_is_found_in_a_large_batch_and_parked_and_the_rest_goes_on() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    alerts(&*log, 300, &[40, 41, 299], "a word that is too long for the column").await;
    let database = server().await.database().await;
    // Somebody has changed the table by hand: the server says so of every row, with a class of its own.
    let narrow = "CREATE FUNCTION read_model.narrow(text) RETURNS boolean LANGUAGE sql IMMUTABLE \
         AS $$ SELECT length($1) / (CASE WHEN length($1) > 20 THEN 0 ELSE 1 END) >= 0 $$; \
         ALTER TABLE read_model.alert_history ADD CONSTRAINT narrow CHECK (read_model.narrow(detail))";
    crate::server::run(&database.owner_url(), narrow).await.unwrap();
    let (store, handle) = running(&log, &database).await;
    let told: Vec<_> = parked(&*log).await;
    let places: Vec<_> = told.iter().map(|(name, at, phase, _)| (name.as_str(), *at, *phase)).collect();
    let expected = [41, 42, 300].map(|at| ("alerts", at, Phase::Parked));
    assert_eq!(places, expected);
    assert!(told.iter().all(|(.., why)| why.starts_with("table alert")), "{told:?}");
    // Memory could hold them, and leaves them out all the same: the log says so.
    same_as_folded(&*log, &store).await;
    assert!(handle.status().projections.iter().all(|one| one.fault.is_none()), "{:?}", handle.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_violates_a_check_is_parked_and_taken_in_by_a_rebuild_when_the_check_is_gone() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(clock()));
    alerts(&*log, 50, &[20], "wrong").await;
    let database = server().await.database().await;
    let check = "ALTER TABLE read_model.alert_history ADD CONSTRAINT plausible CHECK (detail <> 'wrong')";
    crate::server::run(&database.owner_url(), check).await.unwrap();
    let (store, handle) = running(&log, &database).await;
    let told = parked(&*log).await;
    assert_eq!((told.len(), told[0].1, told[0].2), (1, 21, Phase::Parked), "{told:?}");
    assert!(told[0].3.contains("plausible"), "{}", told[0].3);
    same_as_folded(&*log, &store).await;

    let away = "ALTER TABLE read_model.alert_history DROP CONSTRAINT plausible";
    crate::server::run(&database.owner_url(), away).await.unwrap();
    let (projection, reason) = ("alerts".to_owned(), "the check was wrong".to_owned());
    let retried = ParkedRetried { projection, version: 1, position: Position(21), reason, at: NOW };
    append(&*log, STREAM, &Operations::Parking(Fact::ParkedRetried(retried))).await;
    caught_up(&log, &handle).await;
    let rebuilder = Rebuilder {
        log: log.clone(),
        live: store.clone(),
        tables: store.clone(),
        clock: clock(),
        runner: Some(handle.clone()),
        options: RebuildOptions { batch_records_max: 16, close: 8, ..RebuildOptions::default() },
    };
    let only: Vec<_> = models::ALL.iter().filter(|projection| projection.name == "alerts").copied().collect();
    let asked =
        Asked { projections: only, by: "a test".to_owned(), from_zero: false, despite_difference: false };
    let outcome = rebuilder.begin(asked).await.unwrap().run().await.unwrap().remove(0);
    assert_eq!(outcome.compared, Compared::OtherGaps(vec![Position(21)]));
    assert!(outcome.swap.is_some(), "{outcome:?}");
    let history = store.scan("alert_history", &ScanQuery::newest(100)).await.unwrap();
    assert_eq!(history.value.rows.len(), 50);
    same_as_folded(&*log, &store).await;
}
