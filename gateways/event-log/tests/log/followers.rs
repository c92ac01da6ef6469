//! Followers, one and many: each sees every record once and in order, and a crowd is not woken for every commit.

use crate::support::{clock, open, record, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{EventLog, Expected, Filter, Position};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, Options};
use tokio::task::JoinHandle;

/// More than are woken one by one.
const CROWD: u32 = 100;

/// For how long nobody in a crowd is woken again, for each that is in it.
const PAUSE_PER_FOLLOWER: Duration = Duration::from_micros(10);

const APPENDS: u64 = 2_000;

/// Follows from the beginning until there are as many records as this; how many pages that took.
fn follow(log: &Arc<EmbeddedLog>, until: u64) -> JoinHandle<u64> {
    let mut follow = log.follow(Position(1), Filter::all());
    tokio::spawn(async move {
        let (mut seen, mut pages) = (0, 0);
        while seen < until {
            let page = follow.next(1_000).await.unwrap();
            for record in &page.records {
                seen += 1;
                assert_eq!(record.position, Position(seen));
            }
            pages += 1;
        }
        pages
    })
}

async fn append(log: &EmbeddedLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
}

fn beside() -> Arc<EmbeddedLog> {
    let (log, _) = EmbeddedLog::open_on(Arc::new(SimulatedDisk::new()), Options::new(clock())).unwrap();
    Arc::new(log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_sees_every_record_and_is_not_woken_for_every_commit() {
    let log = beside();
    let crowd: Vec<_> = (0..CROWD).map(|_| follow(&log, APPENDS)).collect();
    let begun = Instant::now();
    append(&log, 1..APPENDS + 1).await;
    let mut most = 0;
    for follower in crowd {
        most = most.max(follower.await.unwrap());
    }
    let pauses = begun.elapsed().as_micros() / (PAUSE_PER_FOLLOWER * CROWD).as_micros();
    // What was there when it began to follow, what it was woken for, and what came with neither.
    assert!(u128::from(most) <= pauses + 3, "{most} pages in {pauses} pauses");
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_come_and_go_leave_nobody_waiting_for_the_last_record() {
    let log = beside();
    let lasting: Vec<_> = (0..4).map(|_| follow(&log, 400)).collect();
    for round in 0..10 {
        let first = round * 40 + 1;
        let passing: Vec<_> = (0..CROWD).map(|_| follow(&log, first + 19)).collect();
        append(&log, first..first + 20).await;
        for follower in passing {
            follower.await.unwrap();
        }
        append(&log, first + 20..first + 40).await;
    }
    for follower in lasting {
        follower.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_told_of_the_last_record_although_the_log_ends_behind_it() {
    for _ in 0..50 {
        let log = beside();
        let crowd: Vec<_> = (0..20).map(|_| follow(&log, 30)).collect();
        append(&log, 1..31).await;
        log.close().await.unwrap();
        drop(log);
        for follower in crowd {
            follower.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_log_that_does_everything_in_line_wakes_a_crowd_too() {
    let log = Arc::new(open(&SimulatedDisk::new()));
    let crowd: Vec<_> = (0..CROWD).map(|_| follow(&log, 50)).collect();
    append(&log, 1..51).await;
    for follower in crowd {
        follower.await.unwrap();
    }
}
