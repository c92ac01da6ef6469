//! What fuzzers call: one function for each thing that is decoded from bytes that somebody else may have written. Each
//! takes any bytes, comes to an end without a panic and in memory bounded by their number, and asserts what holds of all
//! that is taken. `tests/fuzzers/` runs them under libFuzzer; the tests of the house run them over its corpus and mutations of it.
//!
//! Each returns what of the bytes was taken, by name: an example that comes to nothing tells nobody anything, and a test sees
//! to it that the examples come to everything.
//!
//! Everything on disk has checksums, which chance hardly ever gets right. So each function looks at the bytes twice: as
//! they are, and with their checksums made right, as somebody would who means harm.

mod repair;
mod seeds;

pub use seeds::seeds;

use crate::archive::Manifest;
use crate::checkpoint::{Checkpoint, log_of, origin_of, read_blocks, to_block};
use crate::format::{CHECKPOINTS_FILE, KEY_FILE, PUBLIC_KEY_FILE, SEGMENT_HEADER_BYTES, to_u64};
use crate::frame::inspect::{Found, inspect};
use crate::frame::payload::{Encoder, Payload, RawRecord};
use crate::frame::{self, Place};
use crate::index::{self, IndexFile};
use crate::note::{self, NoteSigner, NoteVerifier};
use crate::segment::{self, HeaderState, SegmentHeader};
use crate::simulated_disk::SimulatedDisk;
use crate::storage::{Access, Storage};
use crate::tree::{self, Frontier, Hash};
use crate::window::Window;
use crate::{EmbeddedLog, Options, SEGMENT_BYTES_MIN, VerifyOptions, VerifyReport, verify_on};
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, LogError, NewRecord, Position, Revision, StreamId};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// The log that all bytes are said to be of.
const LOG: Uuid = Uuid::from_u128(0x0193_b7e0_0000_7000_8000_0000_0000_00fe);
/// Its signing key, which is nobody's secret.
const SEED: [u8; 32] = [0xfe; 32];
/// Where a frame of [`frame`] begins.
const FRAME_AT: u64 = SEGMENT_HEADER_BYTES as u64;
/// Leaves of the largest tree that a path is held against as a whole.
const PROVED_LEAVES_MAX: u64 = 64;
/// Records that one reading asks for.
const READ_RECORDS_MAX: usize = 1_000;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

/// How a log is opened here: what it makes ready is small, and nothing happens beside it.
fn options() -> Options {
    Options::new(Arc::new(Still)).with_segment_bytes(SEGMENT_BYTES_MIN).with_cache_bytes(1 << 16).in_line()
}

fn signer() -> NoteSigner {
    NoteSigner::from_seed(&origin_of(LOG), &SEED)
}

/// A disk with the log's keys and a checkpoint over nothing.
fn disk() -> SimulatedDisk {
    let (disk, signer) = (SimulatedDisk::new(), signer());
    disk.put(KEY_FILE, format!("{}\n", signer.to_secret_text()).as_bytes());
    disk.put(PUBLIC_KEY_FILE, format!("{}\n", signer.verifier()).as_bytes());
    disk.put(CHECKPOINTS_FILE, &to_block(&Checkpoint::sign(&Frontier::default(), &signer)));
    disk
}

/// A commit frame behind a segment's header. Its payload, when it has one, comes back from a frame of our own.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn frame(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let mut right = bytes.to_vec();
    repair::frame(&mut right, LOG, 1, FRAME_AT, 0);
    for bytes in [bytes, &right] {
        let Some(mut window) = window_on(bytes) else { continue };
        let place = Place { log: LOG, segment: 1, offset: FRAME_AT };
        let Ok(Found::Commit { payload: found, end, .. }) = inspect(&mut window, place) else { continue };
        assert!(end <= FRAME_AT + to_u64(bytes.len()), "a commit ends at {end}, behind its file");
        let found = found.to_vec();
        reached.push("commit");
        reached.extend(payload(&found));
        let mut again = vec![];
        frame::append(&mut again, LOG, 1, FRAME_AT, &found);
        let same = window_on(&again).is_some_and(|mut window| {
            let read = inspect(&mut window, place);
            matches!(&read, Ok(Found::Commit { payload, .. }) if *payload == found)
        });
        assert!(same, "a payload of {} bytes is written and not read again", found.len());
    }
    reached
}

/// A file of which `bytes` begin where the segment's header ends.
fn window_on(bytes: &[u8]) -> Option<Window> {
    let disk = SimulatedDisk::new();
    disk.put("frame", &[&[0; SEGMENT_HEADER_BYTES], bytes].concat());
    disk.open("frame", Access::Read).ok().map(|file| Window::new(file, 512))
}

/// The payload of a commit. What can be read is written again and means the same.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn payload(bytes: &[u8]) -> Vec<&'static str> {
    let Ok(payload) = Payload::read(bytes) else { return vec![] };
    let Ok(records) = payload.records().collect::<Result<Vec<RawRecord<'_>>, _>>() else { return vec![] };
    assert_eq!(to_u64(records.len()), payload.count, "another number of records than was said");
    let mut again = vec![];
    let mut encoder = Encoder::begin(&mut again, payload.recorded_at, payload.count);
    for record in &records {
        let owned = NewRecord {
            event_id: record.event_id,
            event_type: record.event_type.into(),
            data: record.data.into(),
            metadata: record.metadata.into(),
        };
        encoder.record(Some((record.stream, record.revision)), &owned);
    }
    let read = Payload::read(&again);
    let same = read.as_ref().is_ok_and(|read| {
        let records_again: Result<Vec<_>, _> = read.records().collect();
        read.recorded_at == payload.recorded_at && records_again.as_deref() == Ok(&records)
    });
    assert!(same, "{} records are written and not read again", records.len());
    vec!["records"]
}

/// The header of a segment: one that is taken has one form.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn segment_header(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let mut right = bytes.to_vec();
    repair::segment_header(&mut right);
    for bytes in [bytes, &right] {
        let Ok(header) = SegmentHeader::decode(bytes) else { continue };
        assert_eq!(segment::compare(bytes, &header.encode()), HeaderState::Whole, "{header:?}");
        assert_eq!(segment::first_position(&segment::file_name(header.first)), Some(header.first));
        reached.push("header");
    }
    reached
}

/// A whole segment, verified as the only one there is or behind others. A log that is verified can be opened, and has as
/// many records as the verification says.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn segment(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let mut right = bytes.to_vec();
    repair::segment(&mut right, LOG);
    for bytes in [bytes, &right] {
        let disk = disk();
        let first = SegmentHeader::decode(bytes).map_or(1, |header| header.first);
        disk.put(&segment::file_name(first), bytes);
        let mut options = VerifyOptions::default();
        if first > 1 {
            disk.put(&segment::file_name(1), &[]);
            options.from = Some(Position(first));
        }
        let Ok(report) = verify_on(&disk, &options) else { continue };
        reached.push(if first > 1 { "verified behind others" } else { "verified" });
        if first == 1 {
            opened(&disk, &report);
            reached.extend((report.stat.commits > 0).then_some("opened"));
        }
    }
    reached
}

/// Opens what was verified and reads all of it.
fn opened(disk: &SimulatedDisk, report: &VerifyReport) {
    let (log, _) = match EmbeddedLog::open_on(Arc::new(disk.clone()), options()) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(error.to_string(), "", "a log that was verified can't be opened");
            return;
        }
    };
    let (mut entries, mut count) = (log.entries(Position(1)), 0);
    while let Some(chunk) = taken(entries.next_blocking()) {
        for entry in chunk.entries() {
            count += u64::from(taken(entry.map(Some)).is_some());
        }
    }
    assert_eq!((count, log.stat().events), (report.stat.events, report.stat.events));
}

/// What a log that was verified answers without trouble.
fn taken<T>(read: Result<Option<T>, LogError>) -> Option<T> {
    assert!(read.is_ok(), "a log that was verified can't be read: {:?}", read.err());
    read.ok().flatten()
}

/// The index file of a segment of a log, in place of the right one: it is used or passed over, and nothing panics,
/// whatever is looked up with it. Memory holds no more than the file.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn index(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let log = seeds::two_segments();
    let mut right = bytes.to_vec();
    repair::index(&mut right, LOG, 1);
    for bytes in [bytes, &right] {
        let disk = log.copy();
        disk.put(&index::file_name(1), bytes);
        // One that can't be opened is made anew from its segment, whatever was in it.
        let found = looked_up(&disk);
        if !found.is_empty()
            && let Ok((log, _)) = EmbeddedLog::open_on(Arc::new(disk), options())
        {
            read_with(&log);
        }
        reached.extend(found);
    }
    reached
}

/// Asks an index file for everything that it can be asked; says what it answered, nothing when it can't be opened.
fn looked_up(disk: &SimulatedDisk) -> Vec<&'static str> {
    let mut reached = vec!["file"];
    let file = disk.open(&index::file_name(1), Access::Read);
    let Some(Ok((file, _))) = file.ok().map(|file| IndexFile::open(file, LOG, 1)) else { return vec![] };
    for name in seeds::STREAMS {
        let Ok(stream) = StreamId::new(name) else { continue };
        if let Ok(Some(entry)) = file.find(index::hash_of(name), &stream) {
            let positions = file.positions(&entry, 0..u64::MAX).unwrap_or_default();
            assert!(positions.len() <= usize::try_from(entry.count).unwrap_or(usize::MAX));
            let _ = entry.next_revision();
            reached.push("stream");
        }
    }
    for position in [0, 1, 5, u64::MAX] {
        let _ = file.mark(|mark| mark.position <= position);
        let _ = file.mark(|mark| mark.commit <= position);
    }
    if let Ok(part) = file.load() {
        part.streams().for_each(|(_, held)| assert!(held.next_revision() >= held.first_revision));
        let _ = part.categories();
        reached.push("everything");
    }
    reached
}

/// Reads every way that goes by the index. What it answers may be wrong where the index is; it answers.
fn read_with(log: &EmbeddedLog) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    runtime.block_on(async {
        let _ = log.stat();
        for name in seeds::STREAMS {
            let Ok(stream) = StreamId::new(name) else { continue };
            for from in [Revision(0), Revision(2), Revision(u64::MAX)] {
                for direction in [Direction::Forward, Direction::Backward] {
                    let _ = log.read_stream(&stream, from, direction, READ_RECORDS_MAX).await;
                }
            }
        }
        for position in 0..8 {
            let _ = log.inclusion_proof(Position(position)).await;
            let _ = log.entries(Position(position)).next().await;
        }
        let size = log.stat().commits;
        let _ = log.consistency_proof(size / 2, size).await;
    });
}

/// The file that says which segments are archived: one that is taken has one text, and every segment in it one name.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn manifest(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let mut right = bytes.to_vec();
    repair::manifest(&mut right);
    for bytes in [bytes, &right] {
        let Ok(manifest) = Manifest::decode(bytes) else { continue };
        let text = String::from_utf8_lossy(bytes);
        let log = text.split(' ').nth(2).and_then(|log| log.parse().ok());
        assert_eq!(log.map(|log| manifest.encode(log)).as_deref(), Some(&*text), "it is written otherwise");
        for entry in manifest.entries() {
            assert_eq!(segment::first_position(&entry.segment()), Some(entry.first));
            assert!(manifest.get(entry.first).is_some_and(|same| same == entry));
        }
        reached.push(if manifest.is_empty() { "nothing archived" } else { "segment" });
    }
    reached
}

/// The checkpoints of a log, a note and the texts of keys.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn note(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    let signer = signer();
    if let Ok(stored) = read_blocks(bytes, signer.verifier()) {
        assert!(stored.end <= to_u64(bytes.len()), "checkpoints end at {}", stored.end);
        let sizes = || stored.checkpoints.iter().map(|(_, checkpoint)| checkpoint.size);
        assert!(sizes().zip(sizes().skip(1)).all(|(one, next)| one <= next), "checkpoints shrink");
        reached.extend((!stored.checkpoints.is_empty()).then_some("checkpoints"));
    }
    let text = String::from_utf8_lossy(bytes);
    reached.extend(Checkpoint::open(&text, signer.verifier()).is_ok().then_some("checkpoint"));
    // As our own key would sign it: any text that is signed comes back, or is refused for what it is.
    let whole = note::sign(&format!("{}\n", text.trim_end_matches('\n')), &signer);
    if let Ok(opened) = note::open(&whole, signer.verifier()) {
        assert!(whole.starts_with(opened), "another text was signed");
        reached.push("signed text");
    }
    if let Ok(checkpoint) = Checkpoint::open(&whole, signer.verifier()) {
        assert_eq!(log_of(&checkpoint.origin), Some(LOG));
        reached.push("signed checkpoint");
    }
    if let Ok(verifier) = NoteVerifier::parse(&text) {
        assert_eq!(NoteVerifier::parse(&verifier.to_string()), Ok(verifier));
        reached.push("key");
    }
    if let Ok(key) = NoteSigner::parse(&text) {
        let again = NoteSigner::parse(&key.to_secret_text()).map(|again| again.verifier().clone());
        assert_eq!(again.as_ref(), Ok(key.verifier()));
        reached.push("private key");
    }
    reached
}

/// A path through a tree: index or older size, size, and the hashes. Of trees of any size it is an end; of a small one it is
/// believed exactly when it is the right one.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn proof(bytes: &[u8]) -> Vec<&'static str> {
    let number = |at| crate::format::u64_at(bytes, at).unwrap_or_default();
    let path: Vec<Hash> = bytes.get(16..).unwrap_or_default().as_chunks::<32>().0.to_vec();
    let (asked, size) = (number(0), number(8));
    let any = path.first().copied().unwrap_or_default();
    let _ = tree::verify_inclusion(&any, asked, size, &path, &any);
    let _ = tree::verify_consistency(asked, size, &path, &any, &any);
    let small = 1 + size.wrapping_sub(1) % PROVED_LEAVES_MAX;
    let (leaf, old) = (asked % small, asked % (small + 1));
    let root = seeds::root_of(0..small);
    let included = tree::verify_inclusion(&seeds::root_of(leaf..leaf + 1), leaf, small, &path, &root).is_ok();
    assert_eq!(included, path == seeds::inclusion(leaf, small), "leaf {leaf} of {small}");
    let continued = tree::verify_consistency(old, small, &path, &seeds::root_of(0..old), &root).is_ok();
    assert_eq!(continued, path == seeds::consistency(old, small), "{old} leaves of {small}");
    let reached = [(included, "inclusion"), (continued, "consistency")];
    reached.into_iter().filter_map(|(taken, name)| taken.then_some(name)).collect()
}
