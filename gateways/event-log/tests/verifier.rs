//! The verifier of `tests/verifier`, which is written in Python from `FORMAT.md` alone, and `verify`: what either says of
//! whole logs and of damaged ones, the other says too.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, StreamAppend, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::NoteSigner;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::tree::Frontier;
use stele_event_log::{EmbeddedLog, Options, VerifyError, VerifyOptions, VerifyReport, verify, verify_on};
use tempfile::TempDir;
use uuid::Uuid;

/// Bits that are flipped, one in each copy of a log.
const FLIPS: usize = 300;
/// The same with `ops/test --long`.
const FLIPS_LONG: usize = 10_000;
/// Copies that are looked at by one run of the other verifier.
const COPIES: usize = 250;

/// A clock that goes on by a millisecond whenever it is looked at.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

fn open(disk: &SimulatedDisk) -> EmbeddedLog {
    open_with(disk, 8 * 1024)
}

fn open_with(disk: &SimulatedDisk, segment_bytes: u64) -> EmbeddedLog {
    let options = Options::new(Arc::new(Ticking::default())).with_segment_bytes(segment_bytes).in_line();
    EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
}

fn record(number: u128, data: Vec<u8>) -> NewRecord {
    NewRecord {
        event_id: EventId(Uuid::from_u128(number)),
        event_type: "trading.Decided".into(),
        data: data.into(),
        metadata: br#"{"actor":"system:test"}"#.as_slice().into(),
    }
}

fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

/// Everything that the format has: batches, several streams in a commit, names beyond ASCII, more streams than an index
/// repeats in its first part, and payloads of zeros, which are masked.
async fn fill(log: &EmbeddedLog, commits: std::ops::Range<u128>) {
    for commit in commits {
        let data = match commit % 7 {
            0 => vec![0; 1_500],
            1 => (0..=255).collect(),
            _ => format!(r#"{{"commit":{commit}}}"#).into_bytes(),
        };
        let name = format!("order-{}", commit % 90);
        let records = vec![record(commit * 10, data), record(commit * 10 + 1, b"{}".to_vec())];
        let other = vec![record(commit * 10 + 2, b"\x00\xff".to_vec())];
        let part =
            |name: &str, records| StreamAppend { stream: stream(name), expected: Expected::Any, records };
        let parts = vec![part(&name, records), part("caf\u{e9}-\u{2014}", other)];
        log.multi_stream().unwrap().append_many(parts).await.unwrap();
    }
}

/// A log of several segments that ended well.
async fn ended() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    fill(&log, 1..110).await;
    log.close().await.unwrap();
    disk
}

/// A small one, whose process died with room prepared behind its last commit and for the next segment.
async fn prepared() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    fill(&log, 1..30).await;
    disk.kill_process();
    drop(log);
    assert!(disk.names().contains(&"next.tmp".to_owned()), "{:?}", disk.names());
    disk
}

/// The same, whose process died.
async fn died() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    fill(&log, 1..20).await;
    disk.kill_process();
    disk
}

/// Logs as directories, each under a name that says what was done to it.
struct Ground {
    directory: TempDir,
    names: Vec<String>,
}

impl Ground {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), names: vec![] }
    }

    fn put(&mut self, name: &str, disk: &SimulatedDisk) {
        let directory = self.path(name);
        std::fs::create_dir(&directory).unwrap();
        for file in disk.names() {
            std::fs::write(directory.join(&file), disk.contents(&file).unwrap()).unwrap();
        }
        self.names.push(name.to_owned());
    }

    /// A copy in which one file is another one.
    fn changed(&mut self, name: &str, disk: &SimulatedDisk, file: &str, contents: Option<Vec<u8>>) {
        let copy = disk.copy();
        match contents {
            Some(contents) => copy.put(file, &contents),
            None => copy.take(file),
        }
        self.put(name, &copy);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What both verifiers say, log by log.
    fn told(&self, against: Option<&str>) -> Vec<(String, String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("target/tools/verifier/bin/python");
        assert!(python.exists(), "the Python verifier is not installed here: run ops/install/verifier");
        let mut command = Command::new(python);
        command.arg(root.join("tests/verifier/verify.py"));
        if let Some(note) = against {
            let file = self.directory.path().join("against.txt");
            std::fs::write(&file, note).unwrap();
            command.arg("--against").arg(file);
        }
        let output = command.args(self.names.iter().map(|name| self.path(name))).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(lines.lines().count(), self.names.len(), "{complaints}");
        let options = VerifyOptions { against: against.map(str::to_owned), ..VerifyOptions::default() };
        let own = |name: &String| said(&verify(&self.path(name), &options));
        let both = self.names.iter().zip(lines.lines());
        both.map(|(name, line)| (name.clone(), own(name), heard(line))).collect()
    }

    /// Both say the same of every log; returns what they say.
    fn agreed(&self, against: Option<&str>) -> Vec<(String, String)> {
        let told = self.told(against);
        let apart: Vec<_> = told.iter().filter(|(_, own, python)| own != python).collect();
        assert!(apart.is_empty(), "{} of {} differ: {apart:#?}", apart.len(), told.len());
        told.into_iter().map(|(name, own, _)| (name, own)).collect()
    }
}

/// What `verify` says, in few words. Where in an index file it is wrong is left out: a reader that looks at the checksum
/// of its pages names the page, one that makes it anew names the byte.
fn said(verified: &Result<VerifyReport, VerifyError>) -> String {
    match verified {
        Ok(report) => format!(
            "verified: {} events in {} commits of {} streams, {} segments, root {}, {} checkpoints, {} unfinished",
            report.stat.events,
            report.stat.commits,
            report.stat.streams,
            report.stat.segments,
            hex(&report.root),
            report.checkpoints,
            report.unfinished_bytes,
        ),
        Err(VerifyError::Damaged { file, offset, .. } | VerifyError::Index { file, offset, .. }) => {
            damaged(file, *offset)
        }
        Err(VerifyError::Truncated { signed, found }) => format!("cut: {signed} signed, {found} there"),
        Err(VerifyError::Rewritten { signed }) => format!("rewritten: {signed} signed"),
        Err(VerifyError::Checkpoint(_)) => "no checkpoint of this log".to_owned(),
        Err(VerifyError::NotALog { .. }) => "no log".to_owned(),
        Err(other) => panic!("{other}"),
    }
}

/// What the other verifier says, in the same words.
fn heard(line: &str) -> String {
    let field = |name: &str| {
        let rest = line.split_once(&format!("\"{name}\": ")).map(|(_, rest)| rest).unwrap_or_default();
        rest.trim_start_matches('"').split(['"', ',', '}']).next().unwrap_or_default().to_owned()
    };
    match field("verdict").as_str() {
        "verified" => format!(
            "verified: {} events in {} commits of {} streams, {} segments, root {}, {} checkpoints, {} unfinished",
            field("events"),
            field("commits"),
            field("streams"),
            field("segments"),
            field("root"),
            field("checkpoints"),
            field("unfinished_bytes"),
        ),
        "damaged" => damaged(&field("file"), field("offset").parse().unwrap()),
        "contradicted" => {
            let what = line.split_once("\"what\": \"").map_or("", |(_, rest)| rest);
            let numbers: Vec<&str> =
                what.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).collect();
            match (what.split(':').next(), &numbers[..]) {
                (Some("the log was cut"), [signed, found]) => format!("cut: {signed} signed, {found} there"),
                (Some("the log was rewritten"), [signed]) => format!("rewritten: {signed} signed"),
                _ => "no checkpoint of this log".to_owned(),
            }
        }
        other => other.to_owned(),
    }
}

fn damaged(file: &str, offset: u64) -> String {
    if file.strip_suffix(".idx").is_some() {
        format!("damaged: {file}")
    } else {
        format!("damaged: {file} at byte {offset}")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn of_kind(disk: &SimulatedDisk, end: &str) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(end)).collect()
}

#[tokio::test]
async fn whole_logs_are_whole_to_both() {
    let mut ground = Ground::new();
    let empty = SimulatedDisk::new();
    drop(open(&empty));
    empty.kill_process();
    ground.put("empty", &empty);
    ground.put("ended", &ended().await);
    ground.put("died", &died().await);
    let again = died().await;
    let log = open(&again);
    fill(&log, 20..25).await;
    again.kill_process();
    drop(log);
    ground.put("died twice", &again);
    for (name, told) in ground.agreed(None) {
        assert!(told.starts_with("verified"), "{name}: {told}");
    }
    let nothing = Ground { names: vec!["nothing".to_owned()], ..ground };
    assert_eq!(nothing.agreed(None), [("nothing".to_owned(), "no log".to_owned())]);
}

/// How many bits are flipped: `FLIPS` in the environment says another number.
fn flips() -> usize {
    let usual = if std::env::var_os("STELE_LONG").is_some() { FLIPS_LONG } else { FLIPS };
    std::env::var("FLIPS").map_or(usual, |flips| flips.parse().unwrap())
}

#[tokio::test]
async fn flipped_bits_are_named_alike() {
    let small = SimulatedDisk::new();
    let log = open(&small);
    fill(&log, 1..40).await;
    log.close().await.unwrap();
    drop(log);
    // The same bits in every run: Knuth's constants for numbers that look like chance.
    let mut chance = 20_261_121_u64;
    let mut next = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(chance >> 33).unwrap() % below
    };
    let (mut named, mut harmless) = (0, 0);
    let disks = [small, prepared().await];
    for begin in (0..flips()).step_by(COPIES) {
        let mut ground = Ground::new();
        for nth in begin..flips().min(begin + COPIES) {
            let disk = &disks[nth % 2];
            let files = disk.names();
            let name = &files[nth / 2 % files.len()];
            let bit = next(disk.contents(name).unwrap().len() * 8);
            let damaged = disk.copy();
            damaged.flip_bit(name, bit);
            ground.put(&format!("{nth} bit {bit} of {name}"), &damaged);
        }
        for (name, told) in ground.agreed(None) {
            let died =
                name.ends_with("next.tmp") || told.contains(" unfinished") && !told.contains(" 0 unfinished");
            assert!(told.starts_with("damaged") != died, "{name}: {told}");
            *if died { &mut harmless } else { &mut named } += 1;
        }
    }
    println!("{} flips, {named} of them named and {harmless} harmless, to both verifiers", named + harmless);
    assert!(named > flips() / 2 && harmless > flips() / 40, "{named} named, {harmless} harmless");
}

#[tokio::test]
async fn cut_lost_and_foreign_files_are_named_alike() {
    let (disk, other) = (ended().await, ended().await);
    let mut ground = Ground::new();
    for name in [of_kind(&disk, ".seg"), of_kind(&disk, ".idx"), vec!["checkpoints".to_owned()]].concat() {
        let whole = disk.contents(&name).unwrap();
        for cut in [0, 700, whole.len() / 2, whole.len() - 600, whole.len() - 1] {
            ground.changed(&format!("{name} cut to {cut}"), &disk, &name, Some(whole[..cut].to_vec()));
        }
        let mut vanished = whole.clone();
        vanished[(whole.len() - 1) / 512 * 512..].fill(0);
        ground.changed(&format!("{name} without a sector"), &disk, &name, Some(vanished));
        ground.changed(&format!("{name} missing"), &disk, &name, None);
        ground.changed(&format!("{name} foreign"), &disk, &name, other.contents(&name));
    }
    ground.changed("key.pub foreign", &disk, "key.pub", other.contents("key.pub"));
    ground.changed("key.pub missing", &disk, "key.pub", None);
    ground.changed("a segment that is named like none", &disk, "1.seg", Some(vec![]));
    ground.changed("something after the end", &disk, of_kind(&disk, ".seg").last().unwrap(), {
        let mut more = disk.contents(of_kind(&disk, ".seg").last().unwrap()).unwrap();
        more.extend([0, 0, 7]);
        Some(more)
    });
    let told = ground.agreed(None);
    let harmless: Vec<_> = told.iter().filter(|(_, told)| told.starts_with("verified")).collect();
    // An index file may be removed; the last checkpoint, and what follows the last commit, may be writes that did not
    // finish.
    for (name, _) in &harmless {
        let checkpoint = name.starts_with("checkpoints") && (name.contains("cut") || name.contains("sector"));
        let tail = name == "something after the end";
        assert!(name.ends_with(".idx missing") || checkpoint || tail, "{name} is whole");
    }
    assert!(told.len() > 80 && harmless.len() > 5, "{} of {}", harmless.len(), told.len());
}

#[tokio::test]
async fn a_tail_that_a_crash_left_is_one_to_both_and_a_loss_behind_it_is_none() {
    let disk = SimulatedDisk::new();
    let log = open_with(&disk, 1024 * 1024);
    fill(&log, 1..40).await;
    disk.kill_process();
    drop(log);
    let mut ground = Ground::new();
    let name = of_kind(&disk, ".seg").pop().unwrap();
    let mut whole = disk.contents(&name).unwrap();
    whole.truncate(whole.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    for cut in (4_096..whole.len()).step_by(97) {
        ground.changed(&format!("cut to {cut}"), &disk, &name, Some(whole[..cut].to_vec()));
        let mut vanished = whole.clone();
        let (from, to) = (cut / 512 * 512, (cut / 512 * 512 + 512).min(whole.len()));
        vanished[from..to].fill(0);
        ground.changed(&format!("without the sector of {cut}"), &disk, &name, Some(vanished));
    }
    let told = ground.agreed(None);
    let count = |kind: &str| told.iter().filter(|(_, told)| told.contains(kind)).count();
    let (cleanly, verified, damaged) = (count(" 0 unfinished"), count("verified"), count("damaged"));
    assert!(verified > cleanly && damaged > 0, "{verified}, {cleanly} of them at a commit's end; {damaged}");
}

#[tokio::test]
async fn forged_checkpoints_are_named_alike() {
    let disk = ended().await;
    let key = NoteSigner::parse(&String::from_utf8(disk.contents("key").unwrap()).unwrap()).unwrap();
    let stranger = NoteSigner::from_seed(key.name(), &[9; 32]);
    let stored = disk.contents("checkpoints").unwrap();
    let sizes: Vec<u64> = stored
        .chunks(512)
        .map(|block| std::str::from_utf8(block).unwrap().lines().nth(1).unwrap().parse().unwrap())
        .collect();
    let forged = |size: u64, signer: &NoteSigner| {
        let peaks = vec![[7; 32]; usize::try_from(size.count_ones()).unwrap()];
        Checkpoint::sign(&Frontier::from_parts(size, peaks).unwrap(), signer)
    };
    let mut ground = Ground::new();
    for (nth, size) in sizes.iter().enumerate() {
        for (who, signer) in [("the key", &key), ("a stranger", &stranger)] {
            for size in [*size, size + 1, 10_000] {
                let mut file = stored.clone();
                let mut block = forged(size, signer).into_bytes();
                block.resize(512, b'\n');
                file[nth * 512..nth * 512 + 512].copy_from_slice(&block);
                let name = format!("block {nth}, {size} commits, by {who}");
                // The root of no commits is known to everybody: a checkpoint over them is forged by its signature only.
                if size > 0 || who != "the key" {
                    ground.changed(&name, &disk, "checkpoints", Some(file));
                }
            }
        }
    }
    for (name, told) in ground.agreed(None) {
        assert!(told.starts_with("damaged"), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_kept_outside_contradicts_a_cut_and_a_rewritten_log_to_both() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    fill(&log, 1..20).await;
    let early = log.checkpoint().unwrap();
    let cut = disk.copy();
    fill(&log, 20..40).await;
    let kept = format!("{early}\n{}", log.checkpoint().unwrap());
    log.close().await.unwrap();
    let rewritten = cut.copy();
    let log = open(&rewritten);
    fill(&log, 60..90).await;
    log.close().await.unwrap();
    open(&cut).close().await.unwrap();
    let mut ground = Ground::new();
    ground.put("the log", &disk);
    ground.put("cut", &cut);
    ground.put("rewritten", &rewritten);
    for (_, told) in ground.agreed(None) {
        assert!(told.starts_with("verified"), "{told}");
    }
    let told: Vec<_> = ground.agreed(Some(&kept)).into_iter().map(|(_, told)| told).collect();
    assert!(told[0].starts_with("verified"), "{told:?}");
    assert_eq!(told[1..], ["cut: 39 signed, 19 there", "rewritten: 39 signed"]);
    assert!(ground.agreed(Some(&early)).iter().all(|(_, told)| told.starts_with("verified")));
    let told = ground.agreed(Some("no checkpoint"));
    assert!(told.iter().all(|(_, told)| told == "no checkpoint of this log"), "{told:?}");
}

/// A log without its last commits, as somebody would leave it who knows the format: `segments` of it are kept, the last one
/// up to its commit number `commits` if it has so many, and every checkpoint over more is gone.
fn truncated(disk: &SimulatedDisk, segments: usize, commits: usize) -> SimulatedDisk {
    let cut = disk.copy();
    let names = of_kind(disk, ".seg");
    for name in &names[segments..] {
        cut.take(name);
        cut.take(&name.replace(".seg", ".idx"));
    }
    let last = &names[segments - 1];
    let bytes = disk.contents(last).unwrap();
    let marks = bytes.windows(2).enumerate().filter(|(at, two)| *at >= 4_100 && *two == [0xd7, 1]);
    let ends: Vec<usize> = marks.map(|(at, _)| at - 4).collect();
    cut.put(last, &bytes[..ends.get(commits).copied().unwrap_or(bytes.len())]);
    cut.take(&last.replace(".seg", ".idx"));
    // As many stored checkpoints as there may be over what is left.
    let stored = disk.contents("checkpoints").unwrap();
    for blocks in (1..=stored.len() / 512).rev() {
        cut.put("checkpoints", &stored[..blocks * 512]);
        if verify_on(&cut, &VerifyOptions::default()).is_ok() {
            return cut;
        }
    }
    panic!("{segments} segments, {commits} commits: nothing that verifies is left");
}

#[tokio::test]
async fn every_way_to_cut_a_log_behind_an_exported_checkpoint_is_named_by_both() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    fill(&log, 1..25).await;
    let early = disk.copy();
    fill(&log, 25..60).await;
    let exported = log.checkpoint().unwrap();
    log.close().await.unwrap();
    open(&early).close().await.unwrap();
    let mut ground = Ground::new();
    ground.put("an older copy was put back", &early);
    let count = of_kind(&disk, ".seg").len();
    for segments in 1..count {
        ground
            .put(&format!("{} segments were removed", count - segments), &truncated(&disk, segments, 1_000));
    }
    for segments in [1, count / 2, count] {
        for commits in [1, 2, 4] {
            let name = format!("segment {segments} was cut behind commit {commits}, and none follows");
            let cut = truncated(&disk, segments, commits);
            // The last segment may have no more commits than that.
            if verify_on(&cut, &VerifyOptions::default()).unwrap().stat.commits < 59 {
                ground.put(&name, &cut);
            }
        }
    }
    // By itself each of them is whole.
    for (name, told) in ground.agreed(None) {
        assert!(told.starts_with("verified"), "{name}: {told}");
    }
    let told = ground.agreed(Some(&exported));
    assert!(count > 4 && told.len() > count + 6, "{told:?}");
    for (name, told) in told {
        assert!(told.starts_with("cut: 59 signed, "), "{name}: {told}");
    }
}
