//! A credential that is taken back while somebody reads by it.

use crate::support::{Owner, clock, record, stream};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position};
use stele_event_log::MemoryLog;
use tokio::time::timeout;

/// A silent reading looks every two seconds.
const SECONDS: Duration = Duration::from_secs(10);

async fn append(log: &MemoryLog, number: u64) {
    log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_ends_within_seconds_when_its_key_is_taken_back_though_nothing_comes() {
    let log = Arc::new(MemoryLog::new(clock()));
    append(&log, 1).await;
    let owner = Owner::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let mut reading = owner.client("executor").follow(Position::START, Filter::all());
    assert_eq!(reading.next(10).await.unwrap().records.len(), 1);
    owner.take_back("executor");
    let end = timeout(SECONDS, reading.next(10)).await.expect("it ends").unwrap_err();
    let LogError::Denied(words) = &end else { panic!("{end:?}") };
    assert!(!end.is_transient() && words.contains("taken back"), "{words}");
    // Nor does it begin anew.
    assert!(matches!(timeout(SECONDS, reading.next(10)).await, Ok(Err(LogError::Denied(_)))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_comes_after_a_key_was_taken_back_is_read_by_it() {
    let log = Arc::new(MemoryLog::new(clock()));
    append(&log, 1).await;
    let owner = Owner::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let mut reading = owner.client("executor").follow(Position::START, Filter::all());
    let mut others = owner.client("strategy").follow(Position::START, Filter::all());
    assert_eq!(reading.next(10).await.unwrap().records.len(), 1);
    assert_eq!(others.next(10).await.unwrap().records.len(), 1);
    owner.take_back("executor");
    append(&log, 2).await;
    let end = timeout(SECONDS, reading.next(10)).await.expect("it ends");
    assert!(matches!(end, Err(LogError::Denied(_))), "{end:?}");
    let page = timeout(SECONDS, others.next(10)).await.expect("others read on").unwrap();
    assert_eq!(page.records.len(), 1);
}
