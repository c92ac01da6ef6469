//! What fuzzing begins with: a small good example of everything that is decoded.

use super::{LOG, Still, disk, options, signer};
use crate::EmbeddedLog;
use crate::archive::{Entry, Manifest};
use crate::checkpoint::Checkpoint;
use crate::format::{CHECKPOINTS_FILE, FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, to_u64, to_usize, u32_at};
use crate::frame;
use crate::frame::payload::Encoder;
use crate::index::{self, Extent, Mark};
use crate::segment::{self, SegmentHeader};
use crate::simulated_disk::SimulatedDisk;
use crate::tree::{Frontier, Hash, consistency_path, inclusion_path, leaf_hash};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use stele_domain::ids::EventId;
use stele_domain::port::blob_store::BlobName;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, LogError, NewRecord, StreamAppend, StreamId};
use uuid::Uuid;

/// The streams of the log that examples are taken from.
pub const STREAMS: [&str; 3] = ["order-1", "caf\u{e9}-x", "account-desk"];

/// Examples, by the function that they are for, each with a name.
#[must_use]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let disk = two_segments();
    let names: Vec<String> = disk.names().into_iter().filter(|name| segment::claims_to_be(name)).collect();
    let file = |name: &str| disk.contents(name).unwrap_or_default();
    let first = names.first().map(|name| file(name)).unwrap_or_default();
    let second = names.get(1).map(|name| file(name)).unwrap_or_default();
    let after = |bytes: &[u8]| bytes.get(SEGMENT_HEADER_BYTES..).unwrap_or_default().to_vec();
    let header = |bytes: &[u8]| bytes.get(..SEGMENT_HEADER_BYTES).unwrap_or_default().to_vec();
    // Of the first frame, whose mask is 0: what lies between its header and its trailer.
    let payload = |bytes: &[u8]| {
        let frame = after(bytes);
        let body =
            u32_at(&frame, 8).and_then(|len| frame.get(FRAME_HEADER_BYTES..)?.get(..to_usize(len.into())));
        body.and_then(|body| body.split_last()).map(|(_, payload)| payload.to_vec()).unwrap_or_default()
    };
    let signer = signer();
    let mut tree = Frontier::default();
    (0..5_u8).for_each(|leaf| tree.push(leaf_hash(&[&[leaf]])));
    let checkpoint = Checkpoint::sign(&tree, &signer);
    let unsigned = checkpoint.split("\n\n").next().unwrap_or_default().as_bytes().to_vec();
    vec![
        ("manifest", "empty", Manifest::default().encode(LOG).into_bytes()),
        ("manifest", "one-segment", manifest_of(&first, &header(&second))),
        ("frame", "first", after(&first)),
        ("frame", "large", after(&second)),
        ("payload", "first", payload(&first)),
        ("segment_header", "first", header(&first)),
        ("segment_header", "second", header(&second)),
        ("segment", "revision-without-a-next", with_a_commit(&header(&first), 2, u64::MAX)),
        ("segment", "more-records-than-room", with_a_commit(&header(&first), u64::MAX, 0)),
        ("segment", "first", first),
        ("segment", "second", second),
        ("index", "first", file(&index::file_name(1))),
        ("index", "a-root-too-many", with_a_root_too_many(disk)),
        ("index", "a-mark-behind-the-end", with_marks(disk, |mark, segment| mark.offset = segment.end)),
        ("index", "a-mark-of-no-commit", with_marks(disk, |mark, _| mark.commit += 9_000)),
        (
            "index",
            "a-mark-of-the-last-commit",
            with_marks(disk, |mark, segment| mark.commit = segment.next_commit() - 1),
        ),
        ("note", "checkpoints", file(CHECKPOINTS_FILE)),
        ("note", "checkpoint", checkpoint.into_bytes()),
        ("note", "unsigned", unsigned),
        ("note", "key", signer.verifier().to_string().into_bytes()),
        ("note", "private-key", signer.to_secret_text().into_bytes()),
        ("proof", "inclusion", path(2, 5, &inclusion(2, 5))),
        ("proof", "consistency", path(3, 61, &consistency(3, 61))),
    ]
}

fn path(asked: u64, size: u64, hashes: &[Hash]) -> Vec<u8> {
    [&asked.to_le_bytes()[..], &size.to_le_bytes(), hashes.as_flattened()].concat()
}

/// Root over these leaves of the tree that proofs are about: each leaf is its number.
pub fn root_of(leaves: Range<u64>) -> Hash {
    let mut tree = Frontier::default();
    leaves.for_each(|leaf| tree.push(leaf_hash(&[&leaf.to_le_bytes()])));
    tree.root()
}

/// The right path from a leaf of that tree.
pub fn inclusion(leaf: u64, size: u64) -> Vec<Hash> {
    let path = inclusion_path(leaf, size, &mut |leaves| Ok::<_, Infallible>(root_of(leaves)));
    path.unwrap_or_default()
}

/// The right path from the tree of its first leaves to it.
pub fn consistency(old: u64, size: u64) -> Vec<Hash> {
    let path = consistency_path(old, size, &mut |leaves| Ok::<_, Infallible>(root_of(leaves)));
    path.unwrap_or_default()
}

/// A segment whose one commit says that it has `count` records, and has two; every checksum is right.
fn with_a_commit(header: &[u8], count: u64, revision: u64) -> Vec<u8> {
    let mut payload = vec![];
    let mut encoder = Encoder::begin(&mut payload, Still.now(), count);
    encoder.record(Some(("order-1", revision)), &record(1, b"{}"));
    encoder.record(None, &record(2, b"{}"));
    let (mut segment, mut frame) = (header.to_vec(), vec![]);
    frame::append(&mut frame, LOG, 1, to_u64(SEGMENT_HEADER_BYTES), &payload);
    segment.append(&mut frame);
    segment
}

/// What is said of the first segment when it is archived, `next` being the header of the one after it.
fn manifest_of(first: &[u8], next: &[u8]) -> Vec<u8> {
    let mut manifest = Manifest::default();
    let object = BlobName::new(&format!("{}/{}", LOG.as_hyphenated(), segment::file_name(1)));
    if let (Ok(next), Ok(object)) = (SegmentHeader::decode(next), object) {
        manifest.add(Entry {
            first: 1,
            length: next.previous_end,
            sha256: Sha256::digest(first.get(..to_usize(next.previous_end)).unwrap_or_default()).into(),
            first_commit: 0,
            commits: next.tree.size(),
            records: next.first - 1,
            url: "s3://bucket/prefix".to_owned(),
            object,
            header: first.get(..SEGMENT_HEADER_BYTES).unwrap_or_default().to_vec(),
        });
    }
    manifest.encode(LOG).into_bytes()
}

/// The index of the first segment, whole and with every checksum right, but for the roots of the tree.
fn with_a_root_too_many(disk: &SimulatedDisk) -> Vec<u8> {
    let opened = index::open(disk, LOG, 1).ok().and_then(|(file, tree)| Some((file.load().ok()?, tree)));
    opened.map_or_else(Vec::new, |(part, mut tree)| {
        tree.roots.push([9; 32]);
        index::encode(LOG, &part, &tree)
    })
}

/// The index of the first segment, whole and with every checksum right, but for where it has its commits.
fn with_marks(disk: &SimulatedDisk, change: fn(&mut Mark, &Extent)) -> Vec<u8> {
    let opened = index::open(disk, LOG, 1).ok().and_then(|(file, tree)| Some((file.load().ok()?, tree)));
    opened.map_or_else(Vec::new, |(mut part, tree)| {
        let mut marks = part.marks().to_vec();
        let extent = part.extent();
        for mark in &mut marks {
            change(mark, &extent);
        }
        part.put_marks(marks);
        index::encode(LOG, &part, &tree)
    })
}

/// A log with a batch, several streams, a masked payload and a sealed segment. Made once.
pub fn two_segments() -> &'static SimulatedDisk {
    static DISK: OnceLock<SimulatedDisk> = OnceLock::new();
    DISK.get_or_init(|| {
        let disk = disk();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let written = runtime.map_err(|error| LogError::Stopped(error.to_string()));
        let written = written.and_then(|runtime| runtime.block_on(write(&disk)));
        assert!(written.is_ok(), "the examples can't be written: {:?}", written.err());
        disk
    })
}

async fn write(disk: &SimulatedDisk) -> Result<(), LogError> {
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options())?;
    let stream = |name: &str| StreamId::new(name).map_err(|error| LogError::Invalid(error.to_string()));
    let [order, cafe, account] = STREAMS;
    log.append(&stream(order)?, Expected::NoStream, vec![record(1, b"{}"), record(2, b"{\"a\":1}")]).await?;
    let part = |stream, record| StreamAppend { stream, expected: Expected::Any, records: vec![record] };
    let parts = vec![part(stream(cafe)?, record(3, b"x")), part(stream(account)?, record(4, b""))];
    if let Some(many) = log.multi_stream() {
        many.append_many(parts).await?;
    }
    log.append(&stream(order)?, Expected::Any, vec![record(5, &[0; 1_200])]).await?;
    for nth in 6..9 {
        log.append(&stream(account)?, Expected::Any, vec![record(nth, &[b'y'; 1_500])]).await?;
    }
    log.close().await
}

fn record(number: u8, data: &[u8]) -> NewRecord {
    NewRecord {
        event_id: EventId(Uuid::from_bytes([number; 16])),
        event_type: "test.Happened".into(),
        data: data.into(),
        metadata: b"{}".as_slice().into(),
    }
}
