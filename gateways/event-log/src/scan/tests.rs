//! A group that was not acknowledged, torn in every way that a disk can tear it.

use super::{Scan, Tail};
use crate::format::{to_u64, to_usize};
use crate::frame::{self, payload::Encoder};
use crate::note::NoteSigner;
use crate::recovery;
use crate::simulated_disk::SimulatedDisk;
use crate::storage::{Access, Storage};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{LogError, NewRecord};
use stele_domain::time::Timestamp;
use uuid::Uuid;

const SEGMENT: &str = "00000000000000000001.seg";

/// A log without commits, and its identity.
fn empty_log() -> (SimulatedDisk, Uuid) {
    let disk = SimulatedDisk::new();
    let log = recovery::open(&disk).unwrap().report.log;
    (disk, log)
}

/// The payload of a commit of one record, the `revision`th of its stream.
fn payload(revision: u64, data_bytes: usize) -> Vec<u8> {
    let mut out = vec![];
    let record = NewRecord {
        event_id: EventId(Uuid::from_u128(revision.into())),
        event_type: "test.Torn".into(),
        data: vec![b'x'; data_bytes].into(),
        metadata: [].into(),
    };
    Encoder::begin(&mut out, Timestamp::from_micros(7), 1).record(Some(("torn-1", revision)), &record);
    out
}

/// A segment after a group of commits, beginning at `end` with commit number `first`.
fn with_group(segment: &[u8], log: Uuid, end: usize, first: u64, sizes: &[usize]) -> Vec<u8> {
    let mut group = vec![];
    for (nth, size) in (first..).zip(sizes) {
        frame::append(&mut group, log, 1, to_u64(end), &payload(nth, *size));
    }
    [&segment[..end], &group].concat()
}

fn scan(disk: &SimulatedDisk, log: Uuid) -> Result<(u64, Tail), LogError> {
    let key = String::from_utf8(disk.contents("key").unwrap()).unwrap();
    let signer = NoteSigner::parse(&key).unwrap();
    let verifier = signer.verifier();
    let scan = Scan {
        storage: disk,
        access: Access::Read,
        log,
        verifier,
        being_written: false,
        at_size: None,
        indexes: crate::scan::Indexes::Used,
        positions: 0..=u64::MAX,
        aids: crate::scan::Aids::default(),
    };
    scan.run().map(|scanned| (scanned.index.commits(), scanned.tail))
}

/// The file when only some sectors of what was added to `before` had reached the disk, cut to `len`.
fn torn(before: &[u8], after: &[u8], sectors: u32, len: usize) -> Vec<u8> {
    let mut bytes = before.to_vec();
    bytes.resize(after.len(), 0);
    let first = before.len() / 512;
    for (nth, sector) in (first..after.len().div_ceil(512)).enumerate() {
        if sectors >> nth & 1 == 1 {
            let range = sector * 512..after.len().min((sector + 1) * 512);
            bytes[range.clone()].copy_from_slice(&after[range]);
        }
    }
    bytes.truncate(len.max(before.len()));
    bytes
}

#[test]
fn every_way_to_tear_an_unacknowledged_group_is_cut_and_what_was_before_stays() {
    let (disk, log) = empty_log();
    let header = disk.contents(SEGMENT).unwrap();
    let mut tried = 0;
    // The group begins anywhere in a sector: the commit before it has other sizes.
    for before_size in [10, 300, 330, 350, 361, 362, 380, 391, 400, 440] {
        let before = with_group(&header, log, header.len(), 0, &[before_size]);
        for group in [&[900][..], &[20, 30], &[700, 40, 600], &[2_000], &[35, 36, 37, 38]] {
            let after = with_group(&before, log, before.len(), 1, group);
            let count = after.len().div_ceil(512) - before.len() / 512;
            for sectors in 0..1_u32 << count {
                for len in [after.len(), after.len() - 1, (after.len() - 1) / 512 * 512, before.len() + 13] {
                    let bytes = torn(&before, &after, sectors, len);
                    disk.put(SEGMENT, &bytes);
                    let (commits, tail) = scan(&disk, log).unwrap_or_else(|error| {
                        panic!("{before_size}, {group:?}, sectors {sectors:b}, {len} bytes: {error}")
                    });
                    let all = bytes == after;
                    assert!(commits >= 1 && commits <= 1 + to_u64(group.len()));
                    assert_eq!(commits == 1 + to_u64(group.len()), all, "sectors {sectors:b}, {len} bytes");
                    let something = bytes[before.len()..].iter().any(|byte| *byte != 0);
                    if !something || all {
                        assert_eq!(tail, Tail::Clean);
                    }
                    if something && commits == 1 {
                        // The zeros at the end of the file are no part of what did not finish.
                        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
                        let (offset, left) = (to_u64(before.len()), to_u64(written - before.len()));
                        assert_eq!(tail, Tail::Torn { file: SEGMENT.to_owned(), offset, bytes: left });
                    }
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 2_500, "only {tried} were tried");
}

#[test]
fn a_group_that_a_later_group_proves_durable_is_not_cut() {
    let (disk, log) = empty_log();
    let header = disk.contents(SEGMENT).unwrap();
    let before = with_group(&header, log, header.len(), 0, &[100]);
    let group = with_group(&before, log, before.len(), 1, &[1_800]);
    let after = with_group(&group, log, group.len(), 2, &[50]);
    let count = group.len() / 512 - before.len() / 512;
    for sectors in 0..(1_u32 << count) - 1 {
        // The later commit's sector is there.
        let mut bytes = torn(&before, &group, sectors, group.len());
        bytes.resize(after.len(), 0);
        let tail = group.len() / 512 * 512;
        bytes[tail..].copy_from_slice(&after[tail..]);
        disk.put(SEGMENT, &bytes);
        let found = scan(&disk, log);
        let at = crate::format::frame_start(to_u64(before.len()));
        assert!(
            matches!(&found, Err(LogError::Damaged { offset, .. }) if *offset == at),
            "sectors {sectors:b}: {found:?}"
        );
    }
}

#[test]
fn data_that_looks_like_a_later_commit_proves_nothing() {
    let (disk, log) = empty_log();
    let header = disk.contents(SEGMENT).unwrap();
    let before = with_group(&header, log, header.len(), 0, &[100]);
    // A client appends the bytes of a real segment as data; the write is torn.
    let first = with_group(&before, log, before.len(), 1, &[50]);
    let copied = with_group(&first, log, first.len(), 2, &[60]);
    let mut out = vec![];
    let record = NewRecord {
        event_id: EventId(Uuid::nil()),
        event_type: "test.Copy".into(),
        data: copied[header.len()..].to_vec().repeat(4).into(),
        metadata: [].into(),
    };
    Encoder::begin(&mut out, Timestamp::from_micros(7), 1).record(Some(("torn-1", 1)), &record);
    let mut group = vec![];
    frame::append(&mut group, log, 1, to_u64(before.len()), &out);
    let after = [before.clone(), group].concat();
    for sectors in 0..1_u32 << (after.len().div_ceil(512) - before.len() / 512) {
        disk.put(SEGMENT, &torn(&before, &after, sectors, after.len()));
        let (commits, _) = scan(&disk, log).unwrap();
        assert!(commits <= 2, "sectors {sectors:b}");
    }
}

#[test]
fn zeros_after_the_last_commit_are_free_space() {
    let (disk, log) = empty_log();
    let header = disk.contents(SEGMENT).unwrap();
    let mut bytes = with_group(&header, log, header.len(), 0, &[100, 200]);
    bytes.resize(1 << 20, 0);
    disk.put(SEGMENT, &bytes);
    assert_eq!(scan(&disk, log).unwrap(), (2, Tail::Clean));
    let recovered = recovery::open(&disk).unwrap();
    let end = recovered.index.segments()[0].extent().end;
    assert!(bytes[to_usize(end)..].iter().all(|byte| *byte == 0));
    assert_eq!(disk.list().unwrap().iter().filter(|name| name.starts_with("quarantine")).count(), 0);
}
