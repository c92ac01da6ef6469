//! Bits flip in every file that a log has, at random places: `verify` names the file and the place, or the flip is
//! harmless, which is shown by what the log tells afterwards.
//!
//! `FLIPS=10000` says how many, `SEED=…` where chance begins.

use crate::archive::manifest_of;
use crate::support::{options, record, sized, stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::event_log::{
    EventLog, Expected, Filter, LogError, NewRecord, Position, Record, StreamAppend,
};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, VerifyError, VerifyOptions, verify_on};

/// Bits that are flipped in a normal run, spread over three logs; a third as many in one that was archived.
const FLIPS: u64 = 1_500;
/// The same with `ops/test --long`.
const FLIPS_LONG: u64 = 12_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

fn flips() -> u64 {
    number("FLIPS", if std::env::var_os("STELE_LONG").is_some() { FLIPS_LONG } else { FLIPS })
}

/// Numbers that look like chance (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(count).unwrap()).unwrap()
    }
}

fn cold(disk: &SimulatedDisk) -> Result<EmbeddedLog, LogError> {
    let options = options().with_cache_bytes(0);
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).map(|(log, _)| log)
}

async fn fill(log: &EmbeddedLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let zeros = NewRecord { data: vec![0; 1_100].into(), ..record(number * 3) };
        let records = match number % 5 {
            0 => vec![zeros],
            1 => vec![record(number * 3), record(number * 3 + 1)],
            _ => vec![sized(number * 3, 400)],
        };
        let part =
            |name: &str, records| StreamAppend { stream: stream(name), expected: Expected::Any, records };
        let parts = vec![
            part(&format!("order-{}", number % 7), records),
            part("desk-1", vec![record(number * 3 + 2)]),
        ];
        log.multi_stream().unwrap().append_many(parts).await.unwrap();
    }
}

/// A log of several segments that ended well.
async fn closed() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = cold(&disk).unwrap();
    fill(&log, 0..45).await;
    log.close().await.unwrap();
    disk
}

/// A log whose process died, with room prepared behind its last commit and for the next segment.
async fn died() -> SimulatedDisk {
    let disk = closed().await;
    let log = cold(&disk).unwrap();
    fill(&log, 45..60).await;
    disk.kill_process();
    assert!(disk.names().contains(&"next.tmp".to_owned()), "{:?}", disk.names());
    disk
}

/// A log whose machine lost power in the middle of a write, twice: with what was cut after the first time kept aside, and a
/// write that did not finish.
async fn torn() -> SimulatedDisk {
    let disk = closed().await;
    for number in [9_000, 9_001] {
        let log = cold(&disk).unwrap();
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 3_000)]).await.unwrap();
        disk.kill_process();
        drop(log);
        // One of its sectors never came to the medium.
        let last = segments(&disk).pop().unwrap();
        let mut bytes = disk.contents(&last).unwrap();
        let mark = bytes.windows(2).rposition(|two| *two == [0xd7, 1]).unwrap();
        let sector = (mark / 512 + 2) * 512;
        bytes[sector..sector + 512].fill(0);
        disk.put(&last, &bytes);
    }
    assert!(disk.names().iter().any(|name| name.starts_with("quarantine-")), "{:?}", disk.names());
    assert!(verify_on(&disk, &VerifyOptions::default()).unwrap().unfinished_bytes > 0);
    disk
}

/// A log that was just about to remove the segments that it has archived, and whose newest checkpoint a witness has
/// cosigned.
async fn archived() -> SimulatedDisk {
    let disk = closed().await;
    let manifest = manifest_of(&disk).await;
    disk.put("archive", &manifest);
    let checkpoint = cold(&disk.copy()).unwrap().checkpoint().unwrap();
    let cosigned = format!("{checkpoint}\u{2014} witness.example/1 {}\n", "A".repeat(104));
    disk.put("cosigned", cosigned.as_bytes());
    disk
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.strip_suffix(".seg").is_some()).collect()
}

/// All that a log tells of itself: whoever opens it finds the same.
async fn content(disk: &SimulatedDisk) -> Result<Vec<Record>, LogError> {
    let log = cold(disk)?;
    log.read_all(Position(1), &Filter::all(), usize::MAX).await.map(|page| page.records)
}

/// What kind of file a name is of.
fn kind(name: &str, last: &str) -> &'static str {
    match name {
        "key" => "key",
        "key.pub" => "key.pub",
        "checkpoints" => "checkpoints",
        "archive" => "manifest of the archive",
        "cosigned" => "cosigned checkpoint",
        "next.tmp" => "room for the next segment",
        _ if name == last => "last segment",
        _ if name.strip_suffix(".seg").is_some() => "sealed segment",
        _ if name.strip_suffix(".idx").is_some() => "index",
        _ if name.starts_with("quarantine-") => "quarantine",
        _ => panic!("a log has no {name}"),
    }
}

/// How many flips were named and how many were harmless, by kind of file.
type Outcomes = BTreeMap<&'static str, (u64, u64)>;

/// Flips bits of one log, file after file, and holds each against what the log told before.
async fn flip(disk: &SimulatedDisk, count: u64, dice: &mut Dice, outcomes: &mut Outcomes) {
    let records = content(&disk.copy()).await.unwrap();
    let names = disk.names();
    let last = segments(disk).pop().unwrap();
    for nth in 0..count {
        let name = &names[usize::try_from(nth).unwrap() % names.len()];
        let bit = dice.below(disk.contents(name).unwrap().len() * 8);
        let damaged = disk.copy();
        damaged.flip_bit(name, bit);
        let outcome = outcomes.entry(kind(name, &last)).or_default();
        match verify_on(&damaged, &VerifyOptions::default()) {
            Err(VerifyError::Damaged { file, offset, .. } | VerifyError::Index { file, offset, .. }) => {
                assert_eq!(&file, name, "bit {bit} of {name}");
                assert!(
                    offset <= u64::try_from(bit / 8).unwrap(),
                    "bit {bit} of {name} is named at {offset}"
                );
                outcome.0 += 1;
            }
            Ok(_) => {
                let told = content(&damaged).await;
                assert!(told.as_ref().is_ok_and(|told| *told == records), "bit {bit} of {name}: {told:?}");
                // The next start has mended or removed it, whatever it was.
                verify_on(&damaged, &VerifyOptions::default()).unwrap();
                outcome.1 += 1;
            }
            Err(other) => panic!("bit {bit} of {name}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_is_named_with_its_place_or_changes_nothing() {
    let (count, seed) = (flips(), number("SEED", 20_261_121));
    let mut dice = Dice(seed);
    let mut outcomes = Outcomes::new();
    for disk in [closed().await, died().await, torn().await] {
        flip(&disk, count / 3, &mut dice, &mut outcomes).await;
    }
    flip(&archived().await, count / 3, &mut dice, &mut outcomes).await;
    println!("{count} flips from seed {seed}, named and harmless by file: {outcomes:?}");
    for (kind, (named, harmless)) in &outcomes {
        match *kind {
            // Every bit of these says something.
            "key" | "key.pub" | "checkpoints" | "sealed segment" | "index" | "manifest of the archive" => {
                assert!(*named > count / 100 && *harmless == 0, "{kind}: {named}, {harmless}");
            }
            // Nobody reads these here, and a start removes one of them. What a witness has said follows from nothing that
            // is in the directory: it is believed by whoever has the key of the witness.
            "quarantine" | "room for the next segment" | "cosigned checkpoint" => {
                assert!(*named == 0 && *harmless > count / 100, "{kind}: {named}, {harmless}");
            }
            // Its commits say something, and the free space behind them nothing.
            "last segment" => assert!(*named > count / 100 && *harmless > 0, "{kind}: {named}, {harmless}"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(outcomes.len(), 10, "{outcomes:?}");
}
