//! Bits flip, sectors vanish, files are swapped or lost: each is refused by name, and nothing is changed.

use crate::support::{open, record, sized, stream, try_open};
use std::collections::BTreeMap;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, NewRecord, Position, Record};
use stele_event_log::note::NoteVerifier;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, VerifyError, VerifyOptions, verify_on};

/// A log of a few commits whose process died after the last one was acknowledged.
async fn log_ending_with(last: Vec<NewRecord>) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    for number in 1..5 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    log.append(&stream("order-2"), Expected::NoStream, last).await.unwrap();
    disk.kill_process();
    disk
}

/// A log of several segments, closed.
async fn log_of_segments() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    for number in 1..40 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 500)]).await.unwrap();
    }
    log.close().await.unwrap();
    disk
}

fn everything(disk: &SimulatedDisk) -> BTreeMap<String, Vec<u8>> {
    // Index files follow from segments, and are made again at any time.
    let names = disk.names().into_iter().filter(|name| !name.contains("idx"));
    names.map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

fn flipped(disk: &SimulatedDisk, name: &str, bit: usize) -> SimulatedDisk {
    let copy = disk.copy();
    let mut bytes = copy.contents(name).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    copy.put(name, &bytes);
    copy
}

/// Opening and verifying both refuse, naming the file, and change nothing; returns the offset.
fn refused(disk: &SimulatedDisk, file: &str, why: &str) -> u64 {
    let before = everything(disk);
    let Err(LogError::Damaged { file: named, offset, .. }) = try_open(disk) else {
        panic!("{why}: opened");
    };
    assert_eq!(named, file, "{why}");
    assert!(everything(disk) == before, "{why}: something was changed");
    match verify_on(disk, &VerifyOptions::default()) {
        Err(VerifyError::Damaged { file: named, offset: at, .. }) => {
            assert_eq!((named.as_str(), at), (file, offset));
        }
        other => panic!("{why}: {other:?}"),
    }
    offset
}

/// A segment without the free space behind its last commit.
fn written(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    let mut bytes = disk.contents(name).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    bytes
}

fn segment_names(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.strip_suffix(".seg").is_some()).collect()
}

#[tokio::test]
async fn every_flipped_bit_of_the_last_acknowledged_commit_is_refused() {
    let zeros = NewRecord { data: vec![0; 1_100].into(), metadata: [].into(), ..record(9) };
    for last in [vec![sized(9, 600)], vec![zeros], vec![sized(9, 470)]] {
        let disk = log_ending_with(last).await;
        let [name] = segment_names(&disk).try_into().unwrap();
        let bytes = written(&disk, &name);
        let begin = bytes.windows(4).rposition(|four| four[0] == 0xd7 && four[1] == 1).unwrap() - 4;
        assert!(bytes.len() > begin + 500, "the last commit is at {begin} of {}", bytes.len());
        for bit in begin * 8..bytes.len() * 8 {
            let offset = refused(&flipped(&disk, &name, bit), &name, &format!("bit {bit}"));
            assert_eq!(offset, u64::try_from(begin).unwrap(), "bit {bit}");
        }
    }
}

/// All records of a log that has been opened.
async fn content(log: &EmbeddedLog) -> Result<Vec<Record>, LogError> {
    log.read_all(Position(1), &Filter::all(), usize::MAX).await.map(|page| page.records)
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_named_by_verify_and_refused_or_changes_nothing_that_is_read() {
    let disk = log_of_segments().await;
    let records = content(&open(&disk.copy())).await.unwrap();
    let mut opened = 0;
    for name in disk.names() {
        let bits = disk.contents(&name).unwrap().len() * 8;
        // A stride that is prime to everything visits all bytes of small files and all parts of large ones.
        for bit in (0..bits).step_by(if bits < 20_000 { 7 } else { 127 }) {
            let damaged = flipped(&disk, &name, bit);
            let named = |file: &str, offset: u64| {
                assert_eq!(file, name, "bit {bit}");
                let at = u64::try_from(bit / 8).unwrap();
                assert!(offset <= at, "bit {bit} of {name} is named at {offset}");
            };
            match verify_on(&damaged, &VerifyOptions::default()) {
                Err(VerifyError::Damaged { file, offset, .. } | VerifyError::Index { file, offset, .. }) => {
                    named(&file, offset);
                }
                Ok(report) => panic!("bit {bit} of {name}: {report:?}"),
                Err(other) => panic!("bit {bit} of {name}: {other}"),
            }
            match try_open(&damaged) {
                Err(LogError::Damaged { file, offset, .. }) => named(&file, offset),
                Err(other) => panic!("bit {bit} of {name}: {other}"),
                Ok((log, _)) => match content(&log).await {
                    Ok(read) => assert!(read == records, "bit {bit} of {name} changed what is read"),
                    Err(LogError::Damaged { file, offset, .. }) => named(&file, offset),
                    Err(other) => panic!("bit {bit} of {name}: {other}"),
                },
            }
            opened += 1;
        }
    }
    assert!(opened > 3_000, "only {opened} bits were flipped");
}

#[tokio::test]
async fn a_part_of_the_log_is_verified_by_itself_and_damage_elsewhere_is_not_looked_at() {
    let disk = log_of_segments().await;
    let names = segment_names(&disk);
    let first = |nth: usize| names.get(nth).map_or(40, |name| name[..20].parse().unwrap());
    let check = |disk: &SimulatedDisk, from: u64, to: u64| {
        let (from, to) = (Some(Position(from)), Some(Position(to)));
        verify_on(disk, &VerifyOptions { from, to, ..VerifyOptions::default() })
    };
    let whole = verify_on(&disk, &VerifyOptions::default()).unwrap();
    assert_eq!(check(&disk, 0, u64::MAX).unwrap(), whole);
    assert_eq!(whole.part, None);
    assert_eq!(check(&disk, first(names.len() - 1), 1_000).unwrap().root, whole.root);
    for nth in 0..names.len() {
        let (begin, end) = (first(nth), first(nth + 1));
        let part = check(&disk, begin, end - 1).unwrap();
        assert_eq!(
            (part.stat.segments, part.stat.events, part.stat.head),
            (1, end - begin, Position(end - 1))
        );
        assert_eq!(part.part, Some(Position(begin)..=Position(end - 1)));
        for (other, name) in names.iter().enumerate() {
            let damaged = flipped(&disk, name, 8 * 4_300);
            match check(&damaged, begin, end - 1) {
                Ok(_) => assert_ne!(other, nth),
                Err(VerifyError::Damaged { file, .. }) => assert_eq!((other, &file), (nth, name)),
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_part_that_lost_something_is_named_by_what_follows_it() {
    let disk = log_of_segments().await;
    let names = segment_names(&disk);
    assert!(names.len() > 3);
    let first = |nth: usize| names[nth][..20].parse::<u64>().unwrap();
    let check = |disk: &SimulatedDisk, from: u64, to: u64| {
        let (from, to) = (Some(Position(from)), Some(Position(to)));
        verify_on(disk, &VerifyOptions { from, to, ..VerifyOptions::default() })
    };
    // The last commit of a sealed segment is cut off, and the index file that would know of it is gone.
    let cut = disk.copy();
    cut.take(&names[0].replace(".seg", ".idx"));
    let bytes = written(&cut, &names[0]);
    let frame = (0..bytes.len() - 1).rev().find(|at| bytes[*at..].starts_with(&[0xd7, 1])).unwrap() - 4;
    cut.put(&names[0], &bytes[..frame]);
    match check(&cut, 1, 1) {
        Err(VerifyError::Damaged { file, offset: 0, .. }) => assert_eq!(file, names[1]),
        other => panic!("{other:?}"),
    }
    // A whole segment is missing: the first, and one in the middle.
    for lost in [0, 1] {
        let without = disk.copy();
        without.take(&names[lost]);
        match check(&without, first(lost), first(lost)) {
            Err(VerifyError::Damaged { file, .. }) => assert_eq!(file, names[lost + 1]),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn to_verify_no_position_at_all_is_refused() {
    let disk = log_of_segments().await;
    let options =
        VerifyOptions { from: Some(Position(9)), to: Some(Position(8)), ..VerifyOptions::default() };
    let refused = verify_on(&disk, &options);
    assert!(matches!(refused, Err(VerifyError::Nowhere { from: 9, to: 8 })), "{refused:?}");
}

#[tokio::test]
async fn index_files_that_are_lost_foreign_or_old_are_made_again() {
    let disk = log_of_segments().await;
    let names: Vec<String> = disk.names().into_iter().filter(|name| name.contains(".idx")).collect();
    assert_eq!(names.len() + 1, segment_names(&disk).len(), "every sealed segment has an index");
    let other = log_of_segments().await;
    let records = content(&open(&disk.copy())).await.unwrap();
    for name in &names {
        let right = disk.contents(name).unwrap();
        let foreign = other.contents(name).unwrap();
        let neighbour = disk.contents(names.iter().find(|other| *other != name).unwrap()).unwrap();
        for there in [None, Some(foreign), Some(neighbour), Some(right[..2_000].to_vec()), Some(vec![])] {
            let copy = disk.copy();
            match &there {
                Some(bytes) => copy.put(name, bytes),
                None => copy.take(name),
            }
            let verified = verify_on(&copy, &VerifyOptions::default());
            match verified {
                Err(VerifyError::Index { file, .. }) => assert!(there.is_some() && file == *name, "{file}"),
                other => assert!(there.is_none() && other.is_ok(), "{name}: {other:?}"),
            }
            let log = open(&copy);
            assert_eq!(content(&log).await.unwrap(), records);
            log.append(&stream("order-1"), Expected::Any, vec![record(900)]).await.unwrap();
            log.close().await.unwrap();
            verify_on(&copy, &VerifyOptions::default()).unwrap();
            assert_eq!(copy.contents(name).unwrap(), right, "{name} is another one");
        }
    }
}

#[tokio::test]
async fn a_damaged_segment_is_named_before_any_index_file() {
    let disk = log_of_segments().await;
    let names = segment_names(&disk);
    let index = names[0].replace(".seg", ".idx");
    for bit in [8 * 100, 8 * 2_000] {
        let damaged = flipped(&disk, &index, bit);
        let told = verify_on(&damaged, &VerifyOptions::default());
        assert!(matches!(&told, Err(VerifyError::Index { file, .. }) if *file == index), "{told:?}");
        // An index follows from its segment; what is wrong with a later segment is worse.
        let both = flipped(&damaged, &names[1], 8 * 4_300);
        let told = verify_on(&both, &VerifyOptions::default());
        assert!(matches!(&told, Err(VerifyError::Damaged { file, .. }) if *file == names[1]), "{told:?}");
    }
}

#[tokio::test]
async fn an_index_that_covers_commits_that_are_gone_is_no_index_that_is_merely_wrong() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.append(&stream("order-1"), Expected::Any, vec![sized(1, 500)]).await.unwrap();
    log.close().await.unwrap();
    let older = disk.copy();
    let log = open(&disk);
    for number in 2..40 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 500)]).await.unwrap();
    }
    log.close().await.unwrap();
    verify_on(&older, &VerifyOptions::default()).unwrap();
    let index = segment_names(&disk)[0].replace(".seg", ".idx");
    // The log is put back as it was, and what was written beside it since stays there.
    older.put(&index, &disk.contents(&index).unwrap());
    let told = verify_on(&older, &VerifyOptions::default());
    let Err(VerifyError::Damaged { file, what, .. }) = &told else { panic!("{told:?}") };
    assert!(*file == index && what.contains("has lost them"), "{told:?}");
}

#[tokio::test]
async fn a_sector_that_vanished_from_a_commit_before_the_last_is_refused() {
    let disk = log_ending_with(vec![sized(9, 2_000)]).await;
    let log = open(&disk);
    log.append(&stream("order-1"), Expected::Any, vec![record(10)]).await.unwrap();
    disk.kill_process();
    drop(log);
    let [name] = segment_names(&disk).try_into().unwrap();
    let bytes = written(&disk, &name);
    // All sectors from the first commit's to the one before the last commit's.
    for sector in 8..(bytes.len() - 200) / 512 {
        let damaged = disk.copy();
        let mut bytes = bytes.clone();
        bytes[sector * 512..(sector + 1) * 512].fill(0);
        damaged.put(&name, &bytes);
        refused(&damaged, &name, &format!("sector {sector}"));
    }
}

#[tokio::test]
async fn after_a_clean_end_even_a_vanished_tail_is_refused() {
    let disk = log_of_segments().await;
    let names = segment_names(&disk);
    let last = names.last().unwrap();
    let bytes = disk.contents(last).unwrap();
    for len in [4_096, bytes.len() - 700, bytes.len() - 1] {
        let cut = disk.copy();
        cut.put(last, &bytes[..len]);
        refused(&cut, last, &format!("cut to {len}"));
    }
    let without = disk.copy();
    without.take(last);
    refused(&without, &names[names.len() - 2], "the last segment is lost");
    let without = disk.copy();
    without.take(&names[1]);
    refused(&without, &names[2], "the second segment is lost");
}

#[tokio::test]
async fn a_sealed_segment_that_lost_its_last_commits_is_named() {
    let disk = log_of_segments().await;
    let names = segment_names(&disk);
    let bytes = disk.contents(&names[0]).unwrap();
    let cut = bytes.windows(4).rposition(|four| four[0] == 0xd7 && four[1] == 1).unwrap() - 4;
    disk.put(&names[0], &bytes[..cut]);
    let before = everything(&disk);
    let Err(LogError::Damaged { file, what, .. }) = try_open(&disk) else {
        panic!("opened");
    };
    // The next segment's name says which positions should have been before it.
    assert_eq!(file, names[1], "{what}");
    assert!(what.contains("missing"), "{what}");
    assert!(everything(&disk) == before);
}

#[tokio::test]
async fn foreign_and_lost_files_are_named() {
    let (disk, other) = (log_of_segments().await, log_of_segments().await);
    let names = segment_names(&disk);
    let foreign = disk.copy();
    foreign.put(&names[1], &other.contents(&names[1]).unwrap());
    refused(&foreign, &names[1], "a segment of another log");
    let foreign = disk.copy();
    foreign.put("checkpoints", &other.contents("checkpoints").unwrap());
    refused(&foreign, "checkpoints", "checkpoints of another log");
    let odd = disk.copy();
    odd.put("1.seg", b"");
    refused(&odd, "1.seg", "a segment that is named like none");

    let without = |name: &str| {
        let copy = disk.copy();
        copy.take(name);
        match try_open(&copy) {
            Err(LogError::Damaged { file, .. }) => file,
            Err(other) => panic!("without {name}: {other}"),
            Ok(_) => panic!("without {name}: opened"),
        }
    };
    assert_eq!(without("key"), "key");
    assert_eq!(without("checkpoints"), "checkpoints");
    let copy = disk.copy();
    copy.take("key.pub");
    drop(open(&copy));
    assert_eq!(copy.contents("key.pub"), disk.contents("key.pub"), "the public key follows from the key");
}

#[tokio::test]
async fn damage_that_comes_while_the_log_is_open_is_refused_by_reads_and_the_rest_goes_on() {
    use stele_domain::port::event_log::{Direction, Revision};
    let disk = SimulatedDisk::new();
    let options = crate::support::options().with_cache_bytes(0);
    let (log, _) = stele_event_log::EmbeddedLog::open_on(std::sync::Arc::new(disk.clone()), options).unwrap();
    for number in 0..40 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 500)]).await.unwrap();
    }
    let name = &segment_names(&disk)[0];
    disk.flip_bit(name, 5_000 * 8);
    let page = log.read_all(Position(1), &Filter::all(), 100).await;
    assert!(matches!(&page, Err(LogError::Damaged { file, .. }) if file == name), "{page:?}");
    let read = log.read_stream(&stream("order-1"), Revision(0), Direction::Forward, 100).await;
    assert!(matches!(read, Err(LogError::Damaged { .. })), "{read:?}");
    let last = log.read_stream(&stream("order-1"), Revision(u64::MAX), Direction::Backward, 5).await.unwrap();
    assert_eq!(last.len(), 5);
    log.append(&stream("order-1"), Expected::Any, vec![record(1_000)]).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_brought_along_does_not_make_up_for_the_one_of_the_log() {
    let (disk, other) = (log_of_segments().await, log_of_segments().await);
    let key = NoteVerifier::parse(&String::from_utf8(disk.contents("key.pub").unwrap()).unwrap()).unwrap();
    let with_the_key = |disk: &SimulatedDisk| {
        verify_on(disk, &VerifyOptions { key: Some(key.clone()), ..VerifyOptions::default() })
    };
    with_the_key(&disk).unwrap();
    let copy = disk.copy();
    copy.take("key.pub");
    let told = with_the_key(&copy);
    assert!(matches!(&told, Err(VerifyError::NotALog { file, .. }) if file == "key.pub"), "{told:?}");
    for wrong in [other.contents("key.pub").unwrap(), b"no key\n".to_vec()] {
        copy.put("key.pub", &wrong);
        let told = with_the_key(&copy);
        assert!(
            matches!(&told, Err(VerifyError::Damaged { file, offset: 0, .. }) if file == "key.pub"),
            "{told:?}"
        );
    }
}
