//! Followers, one and many: each sees every record once and in order, and a crowd is not woken for every commit.

use crate::support::{clock, open, record, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position};
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Options};
use tokio::task::JoinHandle;

/// More than are woken one by one.
const CROWD: u32 = 100;

/// For how long nobody in a crowd is woken again, for each that is in it.
const PAUSE_PER_FOLLOWER: Duration = Duration::from_micros(20);

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

/// A number between 0 and `below`, another one each time.
fn thrown(dice: &mut u64, below: u64) -> u64 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*dice >> 33) % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_is_behind_sees_the_same_in_pages_of_any_size_however_late_each_is_asked_for() {
    let mut dice = 7;
    for _ in 0..20 {
        // Nothing is remembered, so that all of it is read; commits of several records, in several segments.
        let (log, _) = EmbeddedLog::open_on(
            Arc::new(SimulatedDisk::new()),
            Options::new(clock()).with_segment_bytes(8 * 1024).with_cache_bytes(0),
        )
        .unwrap();
        let log = Arc::new(log);
        let mut number = 0;
        let mut more = async |dice: &mut u64, commits: u64| {
            for _ in 0..commits {
                let name = if thrown(dice, 3) == 0 { "order-1" } else { "fill-2" };
                let records: Vec<_> = (0..=thrown(dice, 4)).map(|nth| record(number + nth)).collect();
                number += u64::try_from(records.len()).unwrap();
                log.append(&stream(name), Expected::Any, records).await.unwrap();
            }
        };
        more(&mut dice, 100).await;
        let filter = if thrown(&mut dice, 2) == 0 { Filter::all() } else { Filter::categories(&["order"]) };
        let from = Position(1 + thrown(&mut dice, 20));
        let mut follow = log.follow(from, filter.clone());
        let (mut seen, mut rounds) = (vec![], 0);
        loop {
            let limit = usize::try_from(1 + thrown(&mut dice, 30)).unwrap();
            let page = follow.next(limit).await.unwrap();
            assert!(page.records.len() <= limit);
            let head = log.head().await.unwrap();
            assert_eq!(page.head, head, "a page tells where the log ends when it is handed over");
            seen.extend(page.records);
            if page.next > head {
                break;
            }
            // What comes meanwhile comes behind a page that has been read already.
            if rounds < 10 {
                more(&mut dice, 2).await;
                rounds += 1;
            }
        }
        assert_eq!(seen, log.read_all(from, &filter, usize::MAX).await.unwrap().records);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_was_behind_comes_to_the_end_of_a_log_that_goes_on() {
    // The newest hundred or so are remembered, the others are read.
    let (log, _) = EmbeddedLog::open_on(
        Arc::new(SimulatedDisk::new()),
        Options::new(clock()).with_cache_bytes(64 * 1024),
    )
    .unwrap();
    append(&log, 1..2_001).await;
    let mut follow = log.follow(Position(1), Filter::all());
    let mut number = 2_000;
    loop {
        let page = follow.next(100).await.unwrap();
        if page.caught_up() {
            break;
        }
        number += 1;
        append(&log, number..number + 1).await;
        assert!(number < 2_100, "it never comes to the end");
    }
    // From here on each record is there when it is asked for.
    for _ in 0..10 {
        number += 1;
        append(&log, number..number + 1).await;
        let page = follow.next(100).await.unwrap();
        assert_eq!(page.records.last().unwrap().position, Position(number));
        assert!(page.caught_up());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_wrong_before_anybody_asked_is_forgotten_when_it_has_passed() {
    let disk = SimulatedDisk::new();
    let (log, _) = EmbeddedLog::open_on(
        Arc::new(disk.clone()),
        Options::new(clock()).with_segment_bytes(8 * 1024).with_cache_bytes(0),
    )
    .unwrap();
    append(&log, 1..301).await;
    let mut follow = log.follow(Position(1), Filter::all());
    let mut seen = 0;
    let mut failed = 0;
    while seen < 300 {
        let reads = disk.count(Operation::Read);
        // Some page ahead of the reader fails while they work on the one before.
        disk.inject(Operation::Read, 1, Fault::InputOutput);
        let page = match follow.next(20).await {
            Ok(page) => page,
            Err(error) => {
                // Nothing was read ahead of the first page, and of one that was asked for after an error.
                assert!(matches!(error, LogError::Unreachable(_)), "{error}");
                failed += 1;
                follow.next(20).await.unwrap()
            }
        };
        for record in &page.records {
            seen += 1;
            assert_eq!(record.position, Position(seen));
        }
        assert_eq!(follow.next(0).await.unwrap().next, page.next, "who wants nothing gets nothing at once");
        // The next page is read without anybody asking, and fails or not.
        let begun = Instant::now();
        while seen < 300 && disk.count(Operation::Read) == reads && begun.elapsed() < Duration::from_secs(1) {
            tokio::task::yield_now().await;
        }
    }
    assert!(failed >= 1, "the first page was asked for");
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
