//! Bits flip in every file of the data directories that desks leave behind: `stele log verify` names the file and the place,
//! or the log tells the same as before.
//!
//! `FLIPS=10000` says how many, `SEED=…` where chance begins.

use crate::disks::a_log;
use crate::support::{World, command, run};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use stele_event_log::{
    EmbeddedLog, ExportError, ExportOptions, Options, VerifyError, VerifyOptions, export, verify,
};

/// Bits that are flipped in a normal run, half of them in each of two directories.
const FLIPS: u64 = 2_000;
/// The same with `ops/test --long`.
const FLIPS_LONG: u64 = 10_000;
/// Of so many flips one is told to the real binary, too.
const BINARY_EVERY: u64 = 23;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
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

/// A file one bit of which is another one, until this is dropped.
struct Flipped {
    path: PathBuf,
    whole: Vec<u8>,
}

impl Flipped {
    fn begin(path: &Path, bit: usize) -> Self {
        let whole = std::fs::read(path).unwrap();
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(path, damaged).unwrap();
        Self { path: path.to_owned(), whole }
    }
}

impl Drop for Flipped {
    fn drop(&mut self) {
        std::fs::write(&self.path, &self.whole).unwrap();
    }
}

/// Where states of the past are, in a data directory. They follow from the log: `verify` doesn't look there, and a flipped bit is
/// the matter of whoever opens them, who names it and makes them anew (the store of runs has a test of that for each of its
/// files).
const STATES: &str = "states";

/// Every file of a directory that has any bits.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() && entry.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All that a log tells, as bytes.
fn told(log: &Path) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut lines = vec![];
        match export(log, &ExportOptions::default(), &mut lines) {
            // A process that another test starts has our files open for a moment, and their locks with them.
            Err(ExportError::Owned) if Instant::now() < until => std::thread::yield_now(),
            told => {
                told.unwrap();
                return lines;
            }
        }
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

/// A directory, and what became of bits that flipped in it: how often each file was named, and how often it told the same.
struct Ground<'w> {
    world: &'w World,
    data: PathBuf,
    right: Vec<u8>,
    outcomes: BTreeMap<String, (u64, u64)>,
}

impl Ground<'_> {
    fn log(&self) -> PathBuf {
        self.data.join("log")
    }

    /// Whether a flip of that file was named by the library; it must be named, or change nothing.
    fn is_named(&self, file: &str, bit: usize) -> bool {
        match verify(&self.log(), &VerifyOptions::default()) {
            Err(
                VerifyError::Damaged { file: named, offset, .. }
                | VerifyError::Index { file: named, offset, .. },
            ) => {
                assert_eq!(named, file, "bit {bit}");
                assert!(
                    offset <= u64::try_from(bit / 8).unwrap(),
                    "bit {bit} of {file} is named at {offset}"
                );
                true
            }
            Err(other) => panic!("bit {bit} of {file}: {other}"),
            Ok(_) => {
                assert!(told(&self.log()) == self.right, "bit {bit} of {file} changed what is told");
                if file == "LOCK" {
                    self.a_copy_is_opened();
                }
                false
            }
        }
    }

    /// A start on a copy of the log as it is now takes no offence.
    fn a_copy_is_opened(&self) {
        let copy = tempfile::tempdir().unwrap();
        for file in files(&self.log()) {
            std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
        }
        let options = Options::new(Arc::new(Still)).with_segment_bytes(8_192);
        let (log, _) = EmbeddedLog::open(copy.path(), options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(log.close()).unwrap();
        assert!(told(copy.path()) == self.right);
    }

    /// Whether the real binary names the file; when it does, with the place and the exit code of damage.
    fn is_named_by_the_binary(&self, file: &str, bit: usize) -> bool {
        let run = run(command(self.world.path(), &["log", "verify", self.log().to_str().unwrap()]));
        if run.code == 0 {
            return false;
        }
        let named = run.code == 8 && run.stderr.contains(file) && run.stderr.contains("at byte");
        assert!(named, "bit {bit} of {file}: {run:?}");
        true
    }

    fn flip(&mut self, count: u64, dice: &mut Dice) {
        let files = files(&self.data);
        for nth in 0..count {
            let path = &files[usize::try_from(nth).unwrap() % files.len()];
            let bit = dice.below(usize::try_from(path.metadata().unwrap().len()).unwrap() * 8);
            let of_states = path.starts_with(self.data.join(STATES));
            let file = if of_states { STATES } else { path.file_name().unwrap().to_str().unwrap() };
            let flipped = Flipped::begin(path, bit);
            let named = if path.parent() == Some(&self.log()) {
                let named = self.is_named(file, bit);
                let round = nth / u64::try_from(files.len()).unwrap();
                if (nth + round) % BINARY_EVERY == 0 {
                    assert_eq!(self.is_named_by_the_binary(file, bit), named, "bit {bit} of {file}");
                }
                named
            } else {
                self.is_named_by_the_binary(file, bit)
            };
            drop(flipped);
            let outcome = self.outcomes.entry(file.to_owned()).or_default();
            *if named { &mut outcome.0 } else { &mut outcome.1 } += 1;
        }
        assert!(told(&self.log()) == self.right);
    }
}

#[test]
fn a_flipped_bit_in_any_file_of_a_data_directory_is_named_or_changes_nothing() {
    let long = std::env::var_os("STELE_LONG").is_some();
    let (count, seed) = (number("FLIPS", if long { FLIPS_LONG } else { FLIPS }), number("SEED", 20_261_121));
    let mut dice = Dice(seed);
    for killed in [false, true] {
        let (world, data) = a_log();
        // Keys have a secret of their own, which a directory has as soon as there are any.
        let mut desk = world.serve();
        world.key("viewer", "eve");
        desk.signalled(if killed { "KILL" } else { "TERM" });
        let right = told(&data.join("log"));
        let mut ground = Ground { world: &world, data, right, outcomes: BTreeMap::new() };
        ground.flip(count / 2, &mut dice);
        println!(
            "{} flips from seed {seed}, a desk that was {}; named and harmless: {:?}",
            count / 2,
            if killed { "killed" } else { "stopped" },
            ground.outcomes
        );
        let last = ground.outcomes.keys().rfind(|file| file.strip_suffix(".seg").is_some()).unwrap().clone();
        let each = ground.outcomes.values().map(|(named, harmless)| named + harmless).min().unwrap();
        assert!(each > 20, "{each} flips of each file prove nothing");
        for must in ["LOCK", "checkpoints", "key", "key.pub", "keys.pepper", "00000000000000000001.idx"] {
            assert!(
                ground.outcomes.contains_key(must),
                "a data directory has no {must}: {:?}",
                ground.outcomes
            );
        }
        for (file, (named, harmless)) in &ground.outcomes {
            // The owner's number is a courtesy, and what is prepared for later is zeros.
            let says_nothing = file == "LOCK" || file == STATES || file.strip_suffix(".tmp").is_some();
            let has_room = killed && *file == last;
            assert!(!says_nothing || *named == 0, "{file}: {named}, {harmless}");
            assert!(says_nothing || has_room || *harmless == 0, "{file}: {named}, {harmless}");
        }
    }
}
