//! Both implementations against the one suite, and against each other.

mod alike;

use crate::suite;
use crate::support::{clock, options};
use std::sync::Arc;
use stele_domain::port::event_log::EventLog;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, MemoryLog, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_log_keeps_every_rule() {
    suite::every_rule(|| Arc::new(MemoryLog::new(clock()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_keeps_every_rule() {
    suite::every_rule(|| open(Options::new(clock()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_keeps_every_rule_with_small_segments_and_no_cache() {
    suite::every_rule(|| open(options().with_cache_bytes(0))).await;
}

#[tokio::test]
async fn the_embedded_log_keeps_every_rule_on_a_real_disk_and_one_thread() {
    let directory = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    suite::every_rule(|| {
        let nth = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let path = directory.path().join("deep").join(nth.to_string());
        Arc::new(EmbeddedLog::open(&path, Options::new(clock())).unwrap().0)
    })
    .await;
}

fn open(options: Options) -> Arc<dyn EventLog> {
    Arc::new(EmbeddedLog::open_on(Arc::new(SimulatedDisk::new()), options).unwrap().0)
}
