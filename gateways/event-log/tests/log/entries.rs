//! Reading without copying says what reading says.

use crate::support::{open, options, record, sized, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, NewRecord, Position, Record};
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Entries, Options};

/// Commits of all kinds: small, masked, longer than what is read at a time, with several records.
async fn varied(log: &EmbeddedLog) {
    let zeros = NewRecord { data: vec![0; 3_000].into(), ..record(50) };
    let large = NewRecord { data: vec![b'l'; 1_500_000].into(), ..record(51) };
    for offer in [vec![record(1), record(2)], vec![zeros], vec![large], vec![record(3)]] {
        log.append(&stream("order-1"), Expected::Any, offer).await.unwrap();
    }
    for number in 100..160 {
        let name = format!("order-{}", number % 7);
        log.append(&stream(&name), Expected::Any, vec![sized(number, 400)]).await.unwrap();
    }
}

async fn rest(entries: &mut Entries) -> Result<Vec<Record>, LogError> {
    let mut records = vec![];
    while let Some(chunk) = entries.next().await? {
        for entry in chunk.entries() {
            let entry = entry?;
            assert_eq!((&entry.data_bytes()[..], &entry.metadata_bytes()[..]), (entry.data, entry.metadata));
            records.push(entry.record()?);
        }
        assert_eq!(chunk.next(), entries.position());
    }
    Ok(records)
}

#[tokio::test]
async fn entries_are_what_a_page_has_from_every_position_and_across_segments() {
    for options in [options(), Options::new(crate::support::clock()).in_line()] {
        let disk = SimulatedDisk::new();
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        varied(&log).await;
        let head = log.head().await.unwrap();
        for from in 0..=head.0 + 1 {
            let page = log.read_all(Position(from), &Filter::all(), usize::MAX).await.unwrap();
            let mut entries = log.entries(Position(from));
            assert!(rest(&mut entries).await.unwrap() == page.records, "from {from}");
        }
    }
}

#[tokio::test]
async fn a_reading_that_reached_the_head_goes_on_with_what_comes() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    varied(&log).await;
    let mut entries = log.entries(Position(1));
    let mut kept = vec![];
    kept.extend(entries.next().await.unwrap());
    rest(&mut entries).await.unwrap();
    for number in 200..260 {
        log.append(&stream("late-1"), Expected::Any, vec![sized(number, 300)]).await.unwrap();
        let records = rest(&mut entries).await.unwrap();
        assert_eq!(
            records.iter().map(|record| record.event_id).collect::<Vec<_>>(),
            [record(number).event_id]
        );
    }
    // A chunk that was kept still holds what it held.
    let first = kept[0].entries().next().unwrap().unwrap().event_id;
    assert_eq!(first, record(1).event_id);
}

#[tokio::test]
async fn a_damaged_commit_is_refused_and_a_failed_read_is_tried_again() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    varied(&log).await;
    let mut entries = log.entries(Position(1));
    disk.inject(Operation::Read, 1, Fault::InputOutput);
    assert!(entries.next().await.is_err());
    let records = rest(&mut entries).await.unwrap();
    assert_eq!(records.len(), 65);
    let whole = disk.contents("00000000000000000001.seg").unwrap();
    let mut refused = 0;
    for byte in (4_096..whole.iter().rposition(|byte| *byte != 0).unwrap()).step_by(5) {
        disk.flip_bit("00000000000000000001.seg", byte * 8);
        match rest(&mut log.entries(Position(1))).await {
            Err(LogError::Damaged { .. }) => refused += 1,
            // Between commits lie zeros that nobody reads.
            Ok(read) => assert!(read == records, "byte {byte}"),
            Err(other) => panic!("byte {byte}: {other}"),
        }
        disk.flip_bit("00000000000000000001.seg", byte * 8);
    }
    assert!(refused > 600, "only {refused} were refused");
}
