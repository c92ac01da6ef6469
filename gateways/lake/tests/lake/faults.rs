//! What breaks in the middle of a publish leaves the same rows behind as a publish that nothing happened to.

use crate::support::{Fault, Faulty, log_of, memory, publish, told, verified};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_lake::verify::Difference;

/// Events of the log: two rounds of all there are, over two days.
const EVENTS: usize = 110;

async fn clean() -> (Vec<(&'static str, u64, u64, String)>, u64) {
    let log = log_of(EVENTS).await;
    let counted = Faulty::counting(memory());
    let store: Arc<dyn ChangingBlobs> = Arc::<Faulty>::clone(&counted);
    publish(&store, &*log).await.unwrap();
    (told(&store, &*log).await, counted.changes.load(Ordering::SeqCst))
}

async fn every_change(fault: Fault) {
    let (right, changes) = clean().await;
    assert!(changes > 60, "{changes}");
    let log = log_of(EVENTS).await;
    for at in 0..changes {
        let inner = memory();
        let faulty: Arc<dyn ChangingBlobs> = Faulty::new(Arc::clone(&inner), at, fault);
        let first = publish(&faulty, &*log).await;
        assert!(first.is_err(), "change {at} went well");
        // What is visible now is right as far as it goes: no row without its commit, none twice. Tables whose commit was
        // still to come are behind the others, and said to be.
        for table in verified(&inner, &*log).await {
            let behind = |found: &Difference| matches!(found, Difference::Behind { .. });
            assert!(table.differences.iter().all(behind), "{fault:?} at change {at}: {table:?}");
        }
        publish(&inner, &*log).await.unwrap();
        assert_eq!(told(&inner, &*log).await, right, "{fault:?} at change {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_in_front_of_any_change_leaves_no_row_too_few_and_none_twice() {
    every_change(Fault::DiesBefore).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_after_any_change_leaves_no_row_too_few_and_none_twice() {
    every_change(Fault::DiesAfter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_leaves_no_row_too_few_and_none_twice() {
    every_change(Fault::AnswerLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_at_any_change_passes_and_leaves_nothing_half() {
    let (right, changes) = clean().await;
    let log = log_of(EVENTS).await;
    for at in 0..changes {
        let inner = memory();
        let faulty: Arc<dyn ChangingBlobs> = Faulty::new(Arc::clone(&inner), at, Fault::Full);
        let error = publish(&faulty, &*log).await.unwrap_err();
        assert!(error.is_transient() && error.name() == "full", "{error:?}");
        publish(&faulty, &*log).await.unwrap();
        assert_eq!(told(&inner, &*log).await, right, "change {at}");
    }
}
