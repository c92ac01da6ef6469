//! What fuzzing begins with: a small good example of everything that is decoded.

use super::{LOG, Still, disk, options, signer};
use crate::EmbeddedLog;
use crate::checkpoint::Checkpoint;
use crate::format::{CHECKPOINTS_FILE, SEGMENT_HEADER_BYTES, to_u64};
use crate::frame;
use crate::frame::payload::Encoder;
use crate::index;
use crate::segment;
use crate::simulated_disk::SimulatedDisk;
use crate::tree::{Frontier, leaf_hash};
use std::sync::{Arc, OnceLock};
use stele_domain::ids::EventId;
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
    let payload = |bytes: &[u8]| after(bytes).get(20..).unwrap_or_default().to_vec();
    let signer = signer();
    let mut tree = Frontier::default();
    (0..5_u8).for_each(|leaf| tree.push(leaf_hash(&[&[leaf]])));
    let mut path = [2_u64.to_le_bytes(), 5_u64.to_le_bytes()].concat();
    tree.peaks().iter().for_each(|hash| path.extend_from_slice(hash));
    vec![
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
        ("note", "checkpoints", file(CHECKPOINTS_FILE)),
        ("note", "checkpoint", Checkpoint::sign(&tree, &signer).into_bytes()),
        ("note", "key", signer.verifier().to_string().into_bytes()),
        ("note", "private-key", signer.to_secret_text().into_bytes()),
        ("proof", "path", path),
    ]
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

/// The index of the first segment, whole and with every checksum right, but for the roots of the tree.
fn with_a_root_too_many(disk: &SimulatedDisk) -> Vec<u8> {
    let opened = index::open(disk, LOG, 1).ok().and_then(|(file, tree)| Some((file.load().ok()?, tree)));
    opened.map_or_else(Vec::new, |(part, mut tree)| {
        tree.roots.push([9; 32]);
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
