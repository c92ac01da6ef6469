//! The bytes of format version 1, which never change. `FORMAT.md` explains them.

use crate::support::{record, stream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, StreamAppend};
use stele_domain::time::Timestamp;
use stele_event_log::checkpoint::origin_of;
use stele_event_log::note::NoteSigner;
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, Options, VerifyOptions, verify_on};
use uuid::Uuid;

/// The files that are compared, and kept in `golden/`.
const FILES: [&str; 4] = ["00000000000000000001.seg", "00000000000000000007.seg", "checkpoints", "key.pub"];

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-01-02T03:04:05.678901Z").unwrap()
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/log/golden").join(name)
}

/// A log with one of everything: a batch, several streams, a masked payload, a second segment.
async fn one_of_everything() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let origin = origin_of(Uuid::from_u128(0x0193_b7e0_1234_7abc_8def_0123_4567_89ab));
    let signer = NoteSigner::from_seed(&origin, &[7; 32]);
    disk.put("key", format!("{}\n", signer.to_secret_text()).as_bytes());
    let options = Options::new(Arc::new(Stopped)).with_segment_bytes(8 * 1024);
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    let part = |name: &str, expected, records| StreamAppend { stream: stream(name), expected, records };
    log.append(&stream("order-1"), Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    let two = vec![
        part("order-1", Expected::Any, vec![record(3)]),
        part("caf\u{e9}-x", Expected::NoStream, vec![record(4), record(5)]),
    ];
    log.multi_stream().unwrap().append_many(two).await.unwrap();
    let zeros = NewRecord { data: vec![0; 1_200].into(), metadata: [].into(), ..record(6) };
    log.append(&stream("order-1"), Expected::Any, vec![zeros]).await.unwrap();
    let large = NewRecord { data: vec![b'y'; 3_000].into(), ..record(7) };
    log.append(&stream("order-1"), Expected::Any, vec![large]).await.unwrap();
    log.close().await.unwrap();
    disk
}

#[tokio::test]
async fn the_bytes_of_version_1_never_change() {
    let disk = one_of_everything().await;
    assert_eq!(disk.names().iter().filter(|name| name.strip_suffix(".seg").is_some()).count(), 2);
    for name in FILES {
        let bytes = disk.contents(name).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(golden("")).unwrap();
            std::fs::write(golden(name), &bytes).unwrap();
        }
        assert!(
            std::fs::read(golden(name)).unwrap() == bytes,
            "{name} is written in another way than it was"
        );
    }
}

#[tokio::test]
async fn the_bytes_of_version_1_are_read_for_ever() {
    let disk = SimulatedDisk::new();
    for name in FILES {
        disk.put(name, &std::fs::read(golden(name)).unwrap());
    }
    let report = verify_on(&disk, &VerifyOptions::default()).unwrap();
    assert_eq!((report.stat.head, report.stat.commits, report.checkpointed), (Position(7), 4, 4));
    assert_eq!(report.stat.streams, 2);
}
