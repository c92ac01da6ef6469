//! How a log ends when it is closed: what the next one who opens it would have to read is sealed, when it is much, and
//! nothing is lost where there is no room for that.

use crate::support::{clock, sized, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position, Record};
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, OpenReport, Options, VerifyOptions, verify_on};

/// From how many bytes of commits on the last segment is sealed here.
const SEALED_FROM: u64 = 64 * 1024;

fn open(disk: &SimulatedDisk) -> (EmbeddedLog, OpenReport) {
    let options = Options::new(clock()).sealed_at_close_from(SEALED_FROM);
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap()
}

async fn append(log: &EmbeddedLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 1_000)]).await.unwrap();
    }
}

fn with_ending(disk: &SimulatedDisk, ending: &str) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(ending)).collect()
}

async fn all(log: &EmbeddedLog) -> Vec<Record> {
    log.read_all(Position(1), &Filter::all(), usize::MAX).await.unwrap().records
}

/// Opens a log that was closed; how many reads that took.
fn reads_of_open(disk: &SimulatedDisk) -> (u64, EmbeddedLog, OpenReport) {
    let before = disk.count(Operation::Read);
    let (log, report) = open(disk);
    (disk.count(Operation::Read) - before, log, report)
}

#[tokio::test]
async fn a_log_that_is_closed_with_much_in_its_last_segment_is_opened_without_reading_it() {
    let mut reads = vec![];
    for sealed_from in [SEALED_FROM, u64::MAX] {
        let disk = SimulatedDisk::new();
        let options = Options::new(clock()).sealed_at_close_from(sealed_from);
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        // It is read a mebibyte at a time.
        append(&log, 1..6_001).await;
        let told = all(&log).await;
        log.close().await.unwrap();
        drop(log);
        let sealed = usize::from(sealed_from == SEALED_FROM);
        assert_eq!(
            (with_ending(&disk, ".seg").len(), with_ending(&disk, ".idx").len()),
            (1 + sealed, sealed)
        );
        let (count, log, report) = reads_of_open(&disk);
        reads.push(count);
        assert_eq!((report.head, report.cut), (Position(6_000), None));
        assert_eq!(all(&log).await, told);
    }
    // The first of them is of the file alone, in either case.
    assert!(reads[0] < reads[1], "{reads:?}");
}

#[tokio::test]
async fn four_mebibytes_are_sealed_where_nothing_else_is_asked_for() {
    // Of commits of about a kilobyte: FORMAT.md and the options promise the bound.
    for (count, segments) in [(3_500, 1), (4_500, 2)] {
        let disk = SimulatedDisk::new();
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), Options::new(clock())).unwrap();
        append(&log, 1..count + 1).await;
        log.close().await.unwrap();
        assert_eq!(with_ending(&disk, ".seg").len(), segments, "{count} commits");
    }
}

#[tokio::test]
async fn a_log_into_which_little_was_written_begins_no_segment_however_often_it_is_opened() {
    let disk = SimulatedDisk::new();
    for round in 0..4_u64 {
        let (log, report) = open(&disk);
        assert_eq!(report.segments, if round == 0 { 1 } else { 2 });
        let count = if round == 0 { 100 } else { 2 };
        append(&log, round * 1_000..round * 1_000 + count).await;
        log.close().await.unwrap();
    }
    assert_eq!(verify_on(&disk, &VerifyOptions::default()).unwrap().stat.events, 106);
}

#[tokio::test]
async fn an_empty_log_is_closed_well_whatever_is_sealed() {
    let disk = SimulatedDisk::new();
    for _ in 0..3 {
        let options = Options::new(clock()).sealed_at_close_from(0);
        let (log, report) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        assert_eq!(report.segments, 1);
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn room_that_is_being_prepared_for_the_next_segment_is_gone_when_the_log_is_closed() {
    for _ in 0..10 {
        let disk = SimulatedDisk::new();
        let options = Options::new(clock()).with_segment_bytes(2 << 20).sealed_at_close_from(SEALED_FROM);
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        append(&log, 1..401).await;
        assert_eq!(with_ending(&disk, ".tmp").len(), 1);
        log.close().await.unwrap();
        assert_eq!(with_ending(&disk, ".tmp"), [""; 0]);
        assert_eq!(verify_on(&disk, &VerifyOptions::default()).unwrap().stat.segments, 2);
    }
}

#[tokio::test]
async fn a_log_for_whose_next_segment_there_is_no_room_is_closed_all_the_same() {
    let mut segments = BTreeSet::new();
    // From no room at all to room for all that closing writes.
    for room in (0..40_u64).map(|nth| nth * 512) {
        let disk = SimulatedDisk::new();
        let (log, _) = open(&disk);
        append(&log, 1..101).await;
        let names = disk.names();
        let used: usize = names.iter().filter_map(|name| disk.contents(name)).map(|file| file.len()).sum();
        disk.set_capacity(Some(u64::try_from(used).unwrap() + room));
        let told = all(&log).await;
        let closed = log.close().await;
        drop(log);
        disk.set_capacity(None);
        assert!(
            matches!((&closed, room), (Ok(()), 512..) | (Err(LogError::Full), 0)),
            "with {room} bytes of room: {closed:?}"
        );
        let verified = verify_on(&disk, &VerifyOptions::default()).unwrap();
        assert_eq!(verified.stat.events, 100, "with {room} bytes of room");
        segments.insert(verified.stat.segments);
        let (log, _) = open(&disk);
        assert_eq!(all(&log).await, told, "with {room} bytes of room");
        append(&log, 101..103).await;
        log.close().await.unwrap();
    }
    assert_eq!(segments, BTreeSet::from([1, 2]), "some had room for it and some had none");
}

#[tokio::test]
async fn a_disk_that_refuses_the_next_segment_is_no_reason_not_to_close() {
    // The file of the segment, its name, the index of the one before, and the names of both.
    let created = [(Operation::Create, 1), (Operation::Create, 2)];
    for (operation, nth) in created.into_iter().chain([(Operation::Rename, 1), (Operation::SyncDirectory, 1)])
    {
        let disk = SimulatedDisk::new();
        let (log, _) = open(&disk);
        append(&log, 1..101).await;
        disk.inject(operation, nth, Fault::InputOutput);
        let told = all(&log).await;
        log.close().await.unwrap();
        drop(log);
        let (log, _) = open(&disk);
        assert_eq!(all(&log).await, told, "{operation:?} {nth} failed");
    }
}
