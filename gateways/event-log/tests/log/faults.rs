//! The disk fails or fills up under a running log.

use crate::support::{
    clock, offer, open, options, record, settled, sized, stream, try_open, until_one_waits,
};
use std::sync::Arc;
use stele_domain::port::event_log::{Direction, EventLog, Expected, Filter, LogError, Position, Revision};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions, verify_on};

/// The first segment.
const FIRST: &str = "00000000000000000001.seg";

/// A log that prepares no room after the first append, for a while: what is injected hits appends.
fn open_wide(disk: &SimulatedDisk) -> EmbeddedLog {
    let options = Options::new(clock()).with_segment_bytes(1024 * 1024).in_line();
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
}

async fn put(log: &EmbeddedLog, number: u64) -> Result<Position, LogError> {
    let answer = log.append(&stream("order-1"), Expected::Any, vec![sized(number, 300)]).await;
    answer.map(|answer| answer.last)
}

async fn count(log: &EmbeddedLog) -> usize {
    log.read_all(Position(1), &Filter::all(), usize::MAX).await.unwrap().records.len()
}

#[tokio::test]
async fn a_failed_fsync_or_write_stops_the_log_for_good_and_reads_go_on() {
    for operation in [Operation::Sync, Operation::Write] {
        let disk = SimulatedDisk::new();
        let log = open_wide(&disk);
        put(&log, 1).await.unwrap();
        disk.inject(operation, 1, Fault::InputOutput);
        for number in 2..5 {
            let error = put(&log, number).await.unwrap_err();
            assert!(matches!(&error, LogError::Stopped(why) if why.contains("input/output")), "{error}");
            assert!(!error.is_transient());
        }
        assert_eq!(log.head().await.unwrap(), Position(1));
        assert_eq!(count(&log).await, 1);
        let read = log.read_stream(&stream("order-1"), Revision(0), Direction::Forward, 9).await.unwrap();
        assert_eq!(read.len(), 1);
        assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
        // After a restart it goes on.
        drop(log);
        let log = open(&disk);
        put(&log, 10).await.unwrap();
    }
}

fn used(disk: &SimulatedDisk) -> usize {
    disk.names().iter().map(|name| disk.contents(name).unwrap().len()).sum()
}

fn commits_of(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    let mut bytes = disk.contents(name).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    bytes
}

#[tokio::test]
async fn a_full_disk_refuses_appends_until_there_is_room_again() {
    let disk = SimulatedDisk::new();
    let log = open_wide(&disk);
    put(&log, 1).await.unwrap();
    let before = commits_of(&disk, FIRST);
    disk.set_capacity(Some(u64::try_from(used(&disk)).unwrap()));
    // Larger than the room that was prepared, which is given back.
    let large = log.append(&stream("order-1"), Expected::Any, vec![sized(2, 400_000)]).await;
    assert!(matches!(large, Err(LogError::Full)), "{large:?}");
    assert_eq!(disk.contents(FIRST).unwrap(), before);
    let mut kept = 1;
    for spare in [0, 1, 100, 511, 512] {
        disk.set_capacity(Some(u64::try_from(used(&disk) + spare).unwrap()));
        let answer = put(&log, 2).await;
        if spare < 400 {
            assert!(matches!(answer, Err(LogError::Full)), "{spare} bytes to spare: {answer:?}");
            assert_eq!(disk.contents(FIRST).unwrap(), before);
            assert_eq!(count(&log).await, 1);
        } else {
            kept += usize::from(answer.is_ok());
        }
    }
    assert!(kept > 1, "what there was room for was refused");
    disk.set_capacity(None);
    put(&log, 3).await.unwrap();
    let head = log.head().await.unwrap();
    disk.kill_process();
    drop(log);
    let (log, report) = try_open(&disk).unwrap();
    assert_eq!((report.cut, log.head().await.unwrap()), (None, head));
}

/// One for which two wait is hashed before it is written, by a thread that another group asks next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_that_is_refused_leaves_no_leaf_behind() {
    let disk = SimulatedDisk::new();
    let options = Options::new(clock()).with_segment_bytes(1024 * 1024);
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    let log = Arc::new(log);
    put(&log, 1).await.unwrap();
    let large = async |number, bytes| {
        let answer = log.append(&stream("order-1"), Expected::Any, vec![sized(number, bytes)]).await;
        answer.map(|answer| answer.last)
    };
    for round in 1..6 {
        settled(&log).await;
        let held = disk.hold_syncs_of(".seg");
        let small = offer(&log, "order-1", round * 10 + 1, 300);
        let held = until_one_waits(held).await;
        // What is written over is there; nothing becomes longer, whatever is given back.
        disk.set_capacity(Some(0));
        let (one, two, ()) =
            tokio::join!(large(round * 10 + 2, 600_000), large(round * 10 + 3, 600_000), async {
                drop(held);
            });
        // The sync that waited may have been one of zeros: then the small one is among the others.
        drop(small.await.unwrap());
        assert!([one, two].iter().all(|refused| matches!(refused, Err(LogError::Full))));
        disk.set_capacity(None);
        let last = log.head().await.unwrap();
        assert_eq!(large(round * 10 + 4, 60_000).await.unwrap(), last.next());
        assert_eq!(put(&log, round * 10 + 5).await.unwrap(), last.next().next());
        // The same tree is made of what is on the disk.
        let verified = verify_on(&disk.copy(), &VerifyOptions::default()).unwrap();
        let ours = Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap();
        assert_eq!((verified.stat.commits, verified.root), (ours.size, ours.root), "round {round}");
    }
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_up_while_room_is_prepared_refuses_nothing_that_fits() {
    for spare in [0, 1, 600, 5_000, 20_000] {
        let disk = SimulatedDisk::new();
        let options = Options::new(clock()).with_segment_bytes(600 * 1024).in_line();
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        put(&log, 1).await.unwrap();
        // From here on there is no room for zeros behind the prepared ones, nor for a prepared segment.
        disk.set_capacity(Some(u64::try_from(used(&disk) + spare).unwrap()));
        let mut number = 1;
        while log.stat().bytes < 200 * 1024 {
            number += 1;
            put(&log, number).await.unwrap();
        }
        disk.set_capacity(None);
        while log.stat().segments < 3 {
            number += 1;
            put(&log, number).await.unwrap();
        }
        disk.kill_process();
        drop(log);
        let (log, report) = try_open(&disk).unwrap();
        assert_eq!((report.cut, log.head().await.unwrap()), (None, Position(number)), "{spare} to spare");
    }
}

/// Appends until more room has been prepared, or `most` times; returns how many times.
async fn put_until_room_is_prepared(disk: &SimulatedDisk, log: &EmbeddedLog, most: u64) -> u64 {
    put(log, 1).await.unwrap();
    let before = disk.contents(FIRST).unwrap().len();
    let mut number = 1;
    while number < most && disk.contents(FIRST).unwrap().len() == before {
        number += 1;
        put(log, number).await.unwrap();
        settled(log).await;
    }
    number
}

#[tokio::test]
async fn a_failure_while_room_is_prepared_stops_the_log_and_loses_nothing() {
    let disk = SimulatedDisk::new();
    let kept = put_until_room_is_prepared(&disk, &open_wide(&disk), u64::MAX).await;
    assert!(kept > 100, "room was prepared after {kept} appends");
    for operation in [Operation::Write, Operation::Sync] {
        let disk = SimulatedDisk::new();
        let log = open_wide(&disk);
        put_until_room_is_prepared(&disk, &log, kept - 1).await;
        // The first one is the append's own.
        disk.inject(operation, 2, Fault::InputOutput);
        put(&log, kept).await.unwrap();
        let stopped = put(&log, kept + 1).await.unwrap_err();
        assert!(matches!(&stopped, LogError::Stopped(why) if why.contains("input/output")), "{stopped}");
        for seed in 0..8 {
            let (_, report) = try_open(&disk.after_power_loss(seed)).unwrap();
            assert_eq!((report.head, report.cut), (Position(kept), None), "{operation:?}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_when_a_segment_is_sealed_refuses_until_there_is_room_again() {
    // Wherever in the sealing the room ends: the checkpoint, the new file's header.
    for room in (0..6_000).step_by(256) {
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        let mut number = 0;
        while log.stat().bytes < 8 * 1_024 - 400 {
            number += 1;
            put(&log, number).await.unwrap();
        }
        disk.set_capacity(Some(u64::try_from(used(&disk) + room).unwrap()));
        let mut refused = 0;
        while refused < 2 {
            match put(&log, number + 1).await {
                Ok(_) => number += 1,
                Err(LogError::Full) => refused += 1,
                Err(other) => panic!("with room for {room} bytes: {other}"),
            }
        }
        disk.set_capacity(None);
        let head = put(&log, number + 1).await.unwrap();
        assert_eq!(head, Position(number + 1));
        disk.kill_process();
        drop(log);
        let (log, report) = try_open(&disk).unwrap();
        assert_eq!((report.cut, log.head().await.unwrap()), (None, head), "with room for {room} bytes");
    }
}

#[tokio::test]
async fn a_write_that_cannot_be_taken_back_stops_the_log() {
    let disk = SimulatedDisk::new();
    let log = open_wide(&disk);
    put(&log, 1).await.unwrap();
    disk.inject(Operation::Write, 1, Fault::NoRoom);
    disk.inject(Operation::SetLen, 1, Fault::InputOutput);
    let error = put(&log, 2).await.unwrap_err();
    assert!(matches!(&error, LogError::Stopped(why) if why.contains("cutting")), "{error}");
}

#[tokio::test]
async fn short_and_interrupted_operations_are_carried_on() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    for nth in 1..=3 {
        disk.inject(Operation::Write, nth, Fault::Short);
    }
    disk.inject(Operation::Write, 5, Fault::Interrupted);
    for number in 1..5 {
        put(&log, number).await.unwrap();
    }
    disk.kill_process();
    drop(log);
    disk.inject(Operation::Read, 4, Fault::Short);
    disk.inject(Operation::Read, 5, Fault::Interrupted);
    let log = open(&disk);
    assert_eq!(count(&log).await, 4);
}

#[tokio::test]
async fn a_read_that_fails_is_an_error_that_passes() {
    let disk = SimulatedDisk::new();
    let options = options().with_cache_bytes(0);
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    put(&log, 1).await.unwrap();
    disk.inject(Operation::Read, 1, Fault::InputOutput);
    let error = log.read_all(Position(1), &Filter::all(), 10).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let mut follow = log.follow(Position(1), Filter::all());
    disk.inject(Operation::Read, 1, Fault::InputOutput);
    assert!(follow.next(10).await.is_err());
    assert_eq!(
        follow.next(10).await.unwrap().records.len(),
        1,
        "the follower tries again from the same place"
    );
}

#[tokio::test]
async fn opening_on_a_disk_that_fails_anywhere_says_so_and_the_next_try_succeeds() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    for number in 1..40 {
        put(&log, number).await.unwrap();
    }
    disk.kill_process();
    drop(log);
    for operation in
        [Operation::Read, Operation::Write, Operation::Sync, Operation::SetLen, Operation::SyncDirectory]
    {
        for nth in 1..30 {
            let copy = disk.copy();
            copy.inject(operation, nth, Fault::InputOutput);
            let Err(error) = try_open(&copy) else {
                break;
            };
            assert!(matches!(error, LogError::Unreachable(_)), "{operation:?} {nth}: {error}");
            let (log, report) = try_open(&copy).unwrap();
            assert_eq!((report.cut, report.head), (None, Position(39)), "{operation:?} {nth}");
            drop(log);
            verify_on(&copy, &VerifyOptions::default()).unwrap();
        }
    }
}

#[tokio::test]
async fn an_answer_that_rests_on_a_group_that_failed_is_not_given() {
    // Of the same append offered many times at once, some would be told "already there", which it then is not.
    for round in 0..20 {
        let disk = SimulatedDisk::new();
        let log = Arc::new(open(&disk));
        disk.inject(Operation::Write, 1 + round % 2, Fault::NoRoom);
        let mut offers = vec![];
        for _ in 0..12 {
            let log = Arc::clone(&log);
            offers.push(tokio::spawn(async move {
                log.append(&stream("order-1"), Expected::NoStream, vec![record(1)]).await
            }));
        }
        let mut answers = vec![];
        for offer in offers {
            answers.push(offer.await.unwrap());
        }
        let told = answers.iter().filter(|answer| answer.is_ok()).count();
        let head = log.head().await.unwrap();
        assert_eq!(told > 0, head == Position(1), "{answers:?}");
    }
}

#[tokio::test]
async fn the_recorded_time_never_goes_back() {
    let disk = SimulatedDisk::new();
    let ticking = clock();
    ticking.set(5_000_000);
    let (log, _) =
        EmbeddedLog::open_on(Arc::new(disk.clone()), stele_event_log::Options::new(ticking.clone())).unwrap();
    put(&log, 1).await.unwrap();
    ticking.set(1_000_000);
    put(&log, 2).await.unwrap();
    drop(log);
    // The clock of the next process is behind as well.
    let log = open(&disk);
    put(&log, 3).await.unwrap();
    let records = log.read_all(Position(1), &Filter::all(), 10).await.unwrap().records;
    let times: Vec<i64> = records.iter().map(|record| record.recorded_at.micros()).collect();
    assert!(times.is_sorted() && times[0] >= 5_000_000, "{times:?}");
}

#[tokio::test]
async fn a_closed_log_reads_and_takes_nothing_more() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    put(&log, 1).await.unwrap();
    log.close().await.unwrap();
    assert!(matches!(put(&log, 2).await, Err(LogError::Stopped(_))));
    assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
    assert_eq!(count(&log).await, 1);
    // The directory is free before the closed log is dropped.
    let next = open(&disk);
    put(&next, 3).await.unwrap();
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let disk = SimulatedDisk::new();
    let first = open(&disk);
    let second = try_open(&disk).map(|_| ());
    assert!(matches!(second, Err(LogError::Owned { .. })), "{second:?}");
    drop(first);
    open(&disk);
}

#[tokio::test]
async fn room_that_could_not_be_removed_is_not_in_the_way_of_the_room_that_is_prepared_next() {
    let disk = SimulatedDisk::new();
    let options = Options::new(clock()).with_segment_bytes(64 * 1024).in_line();
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    put(&log, 1).await.unwrap();
    settled(&log).await;
    // There is room for a part of the next segment, and then that part can't be removed.
    disk.set_capacity(Some(u64::try_from(used(&disk) + 10_000).unwrap()));
    disk.inject(Operation::Remove, 1, Fault::InputOutput);
    let prepared = || disk.contents("next.tmp").map(|zeros| zeros.len());
    let mut number = 1;
    while prepared().is_none() {
        number += 1;
        put(&log, number).await.unwrap();
        settled(&log).await;
    }
    assert_eq!(prepared(), Some(10_000));
    disk.set_capacity(None);
    while log.stat().segments < 2 || log.stat().bytes < 64 * 1024 + 16 * 1024 {
        number += 1;
        put(&log, number).await.unwrap();
    }
    settled(&log).await;
    assert_eq!((log.stat().segments, prepared()), (2, Some(64 * 1024)));
}

/// Sealed segments, and those of them that have an index file.
fn sealed_and_indexed(disk: &SimulatedDisk) -> (usize, usize) {
    let names = disk.names();
    let of = |suffix| names.iter().filter(|name| name.strip_suffix(suffix).is_some()).count();
    (of(".seg") - 1, of(".idx"))
}

fn cases() -> impl Iterator<Item = (Operation, u64)> {
    [Operation::Create, Operation::Rename]
        .into_iter()
        .flat_map(|operation| (1..6).map(move |nth| (operation, nth)))
}

#[tokio::test]
async fn an_index_file_that_could_not_be_made_is_made_with_the_next_one() {
    let mut without = 0;
    for (operation, nth) in cases() {
        for fault in [Fault::NoRoom, Fault::InputOutput] {
            let disk = SimulatedDisk::new();
            let log = open(&disk);
            disk.inject(operation, nth, fault);
            let (mut once_without, mut stopped) = (false, false);
            for number in 1..120 {
                // It may have been the segment for which there was no room: then there is, the next time.
                let kept = match put(&log, number).await {
                    Err(LogError::Full) => put(&log, number).await,
                    kept => kept,
                };
                stopped = kept.is_err();
                if stopped {
                    break;
                }
                settled(&log).await;
                let (sealed, indexed) = sealed_and_indexed(&disk);
                once_without |= indexed < sealed;
            }
            if stopped {
                // It was a segment that could not be made at all.
                continue;
            }
            log.close().await.unwrap();
            let (sealed, indexed) = sealed_and_indexed(&disk);
            assert!(sealed > 3 && indexed == sealed, "{operation:?} {nth}: {indexed} of {sealed}");
            without += u32::from(once_without);
        }
    }
    assert!(without > 0, "no index file ever failed");
}
