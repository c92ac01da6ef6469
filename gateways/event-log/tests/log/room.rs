//! Zeros that are kept ready for bursts: whole files of them, taken in turn, made anew, given back when they are in the
//! way or the log ends.

use crate::support::{clock, sized, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{EventLog, Expected, LogError, Position};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions, verify_on};

const SEGMENT: u64 = 64 * 1024;

/// Long after this something hangs.
const SOON: Duration = Duration::from_secs(30);

fn open(disk: &SimulatedDisk, room: u64) -> EmbeddedLog {
    let options = Options::new(clock()).with_segment_bytes(SEGMENT).with_room_bytes(room);
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
}

fn in_line(disk: &SimulatedDisk, room: u64) -> EmbeddedLog {
    let options = Options::new(clock()).with_segment_bytes(SEGMENT).with_room_bytes(room).in_line();
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
}

async fn until_prepared(log: &EmbeddedLog, bytes: u64) {
    let begun = Instant::now();
    while log.prepared_bytes() != bytes {
        assert!(begun.elapsed() < SOON, "{} of {bytes} bytes are prepared", log.prepared_bytes());
        tokio::task::yield_now().await;
    }
}

fn prepared(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("next")).collect()
}

/// Bytes of all files.
fn used(disk: &SimulatedDisk) -> u64 {
    let bytes: usize =
        disk.names().iter().filter_map(|name| disk.contents(name)).map(|bytes| bytes.len()).sum();
    u64::try_from(bytes).unwrap()
}

async fn append(log: &EmbeddedLog, number: u64) -> Result<(), LogError> {
    log.append(&stream("order-1"), Expected::Any, vec![sized(number, 1_000)]).await.map(|_| ())
}

#[tokio::test]
async fn what_is_asked_for_is_ready_before_the_first_append_and_nothing_is_left_of_it_in_the_end() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, 3 * SEGMENT - 1);
    until_prepared(&log, 3 * SEGMENT).await;
    assert_eq!(prepared(&disk), ["next-1.tmp", "next-2.tmp", "next.tmp"]);
    for name in prepared(&disk) {
        let zeros = disk.contents(&name).unwrap();
        assert!(zeros.len() == 65_536 && zeros.iter().all(|byte| *byte == 0), "{name}");
    }
    log.close().await.unwrap();
    assert_eq!((prepared(&disk), log.prepared_bytes()), (vec![], 0));
}

#[tokio::test]
async fn the_least_is_a_file_and_the_most_are_256() {
    for (asked, files) in [(0, 0), (1, 1), (SEGMENT, 1), (SEGMENT + 1, 2), (u64::MAX, 256)] {
        let disk = SimulatedDisk::new();
        let log = open(&disk, asked);
        until_prepared(&log, files * SEGMENT).await;
        assert_eq!(u64::try_from(prepared(&disk).len()).unwrap(), files, "{asked}");
    }
}

/// It is hashed before it is written, and written twice: its leaf is in the tree once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_that_needs_the_room_of_later_ones_is_kept_after_all() {
    const WIDE: u64 = 1024 * 1024;
    let disk = SimulatedDisk::new();
    let options = Options::new(clock()).with_segment_bytes(WIDE).with_room_bytes(2 * WIDE);
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    append(&log, 1).await.unwrap();
    until_prepared(&log, 2 * WIDE).await;
    disk.set_capacity(Some(used(&disk)));
    // More than there are zeros behind the first, and less than a segment.
    let (order, large) = (stream("order-1"), vec![sized(2, 700_000)]);
    let answer = log.append(&order, Expected::Any, large).await.unwrap();
    assert_eq!((answer.last, log.prepared_bytes()), (Position(2), 0), "the room was given up for it");
    append(&log, 3).await.unwrap();
    let verified = verify_on(&disk.copy(), &VerifyOptions::default()).unwrap();
    let ours = Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap();
    assert_eq!((verified.stat.commits, verified.root), (3, ours.root));
    disk.set_capacity(None);
    log.close().await.unwrap();
}

#[tokio::test]
async fn a_log_is_closed_on_a_full_disk_with_what_its_room_took() {
    let disk = SimulatedDisk::new();
    let log = in_line(&disk, 4 * SEGMENT);
    append(&log, 1).await.unwrap();
    disk.set_capacity(Some(used(&disk)));
    log.close().await.unwrap();
    assert_eq!((prepared(&disk), log.prepared_bytes()), (vec![], 0));
    assert_eq!(verify_on(&disk, &VerifyOptions::default()).unwrap().checkpointed, 1);
}

#[tokio::test]
async fn a_burst_takes_the_files_one_after_the_other_and_they_are_made_anew() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, 4 * SEGMENT);
    until_prepared(&log, 4 * SEGMENT).await;
    for number in 1..=600 {
        append(&log, number).await.unwrap();
    }
    assert!(log.stat().segments > 8, "more than there was room for: {:?}", log.stat());
    until_prepared(&log, 4 * SEGMENT).await;
    log.close().await.unwrap();
    drop(log);
    let verified = verify_on(&disk, &VerifyOptions::default()).unwrap();
    assert_eq!((verified.stat.head, verified.checkpointed), (Position(600), 600));
    assert_eq!(open(&disk, 0).head().await.unwrap(), Position(600));
}

#[tokio::test]
async fn what_a_crash_leaves_of_it_is_removed_by_whoever_opens_the_log() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, 3 * SEGMENT);
    until_prepared(&log, 3 * SEGMENT).await;
    append(&log, 1).await.unwrap();
    disk.kill_process();
    drop(log);
    disk.kill_process();
    assert_eq!(prepared(&disk).len(), 3);
    let log = in_line(&disk, 0);
    assert_eq!((prepared(&disk), log.head().await.unwrap()), (vec![], Position(1)));
}

#[tokio::test]
async fn a_disk_that_is_full_gives_the_room_to_commits_and_not_to_zeros() {
    let disk = SimulatedDisk::new();
    let log = in_line(&disk, 4 * SEGMENT);
    append(&log, 1).await.unwrap();
    assert_eq!(log.prepared_bytes(), 4 * SEGMENT);
    disk.set_capacity(Some(used(&disk)));
    // All that is there is written to before anybody is refused.
    let mut number = 1;
    let refused = loop {
        number += 1;
        match append(&log, number).await {
            Ok(()) => assert!(number < 1_000, "a disk that is full takes everything"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, LogError::Full), "{refused:?}");
    assert!(log.stat().bytes > 4 * SEGMENT, "{:?}", log.stat());
    assert_eq!((prepared(&disk), log.prepared_bytes()), (vec![], 0));
    disk.set_capacity(None);
    append(&log, number).await.unwrap();
    assert_eq!(log.head().await.unwrap(), Position(number));
}

#[tokio::test]
async fn a_log_goes_on_without_the_room_that_could_not_be_made() {
    let mut opened = 0;
    for operation in [Operation::Create, Operation::Write, Operation::Sync] {
        for nth in 1..20 {
            let disk = SimulatedDisk::new();
            drop(in_line(&disk, 0));
            disk.inject(operation, nth, Fault::NoRoom);
            let options = Options::new(clock()).with_segment_bytes(SEGMENT).with_room_bytes(3 * SEGMENT);
            let log = EmbeddedLog::open_on(Arc::new(disk.clone()), options.in_line());
            // The first of them are of opening.
            let Ok((log, _)) = log else { continue };
            opened += 1;
            let mut kept = 0;
            for number in 1..=200 {
                // Where the fault meets the commit itself there is room the next time.
                let done = match append(&log, number).await {
                    Err(LogError::Full) => append(&log, number).await,
                    done => done,
                };
                match done {
                    Ok(()) => kept = number,
                    Err(error) => {
                        assert!(operation == Operation::Sync, "{operation:?} {nth}: {error:?}");
                        break;
                    }
                }
            }
            assert!(kept == 200 || operation == Operation::Sync, "{operation:?} {nth}: {kept}");
            drop(log);
            let log = in_line(&disk, 0);
            assert!(log.head().await.unwrap().0 >= kept, "{operation:?} {nth}");
        }
    }
    assert!(opened > 30, "{opened} logs were opened");
}
