//! The one suite, with a socket between the caller and the log.

use crate::suite;
use crate::support::{Owner, clock, runtime_log};
use std::sync::Arc;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, MemoryLog, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_memory_log_keeps_every_rule() {
    suite::every_rule(|| runtime_log(Arc::new(MemoryLog::new(clock())))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_embedded_log_keeps_every_rule() {
    suite::every_rule(|| {
        let disk = Arc::new(SimulatedDisk::new());
        runtime_log(Arc::new(EmbeddedLog::open_on(disk, Options::new(clock())).unwrap().0))
    })
    .await;
}

#[tokio::test]
async fn several_streams_at_once_are_not_offered() {
    let owner = Owner::of(Arc::new(MemoryLog::new(clock())));
    assert!(stele_domain::port::event_log::EventLog::multi_stream(&owner.client("market")).is_none());
}
