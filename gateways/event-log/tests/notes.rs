//! The log's checkpoints, read by somebody else's implementation of signed notes (`tests/notes`, a port of Go's own): what
//! we sign they believe, and what they refuse we refuse.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../../../tests/support/witness.rs"]
#[expect(dead_code, clippy::expect_used, reason = "the support of the tests of witnesses")]
mod outside;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, StreamId};
use stele_domain::time::Timestamp;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::WitnessKey;
use stele_event_log::{EmbeddedLog, Options, Witness, WitnessAt, WitnessOptions, cosigned_in};
use uuid::Uuid;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

/// What the other implementation says of each file.
fn judged(key: &Path, notes: &[PathBuf]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/tools/signed-note/release/stele-notes");
    assert!(program.exists(), "the reader of notes is not built here: run ops/install/signed-note");
    let output = Command::new(program).arg(key).args(notes).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), notes.len());
    lines
}

fn kept(place: &Path, nth: usize, note: &[u8]) -> PathBuf {
    let path = place.join(format!("note-{nth}"));
    fs::write(&path, note).unwrap();
    path
}

async fn log(directory: &Path, commits: u128) -> Arc<EmbeddedLog> {
    let log = EmbeddedLog::open(directory, Options::new(Arc::new(Stopped))).unwrap().0;
    for number in 1..=commits {
        let record = NewRecord {
            event_id: EventId(Uuid::from_u128(number)),
            event_type: "trading.Decided".into(),
            data: b"{}".as_slice().into(),
            metadata: b"{}".as_slice().into(),
        };
        log.append(&StreamId::new("order-1").unwrap(), Expected::Any, vec![record]).await.unwrap();
    }
    Arc::new(log)
}

#[tokio::test]
async fn every_checkpoint_is_believed_by_another_implementation_cosigned_or_not() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let log = log(&directory, 40).await;
    let mut notes = vec![];
    for size in 0..=40 {
        notes.push(log.checkpoint_at(size).await.unwrap());
    }
    let memory = Arc::new(outside::Memory::default());
    let server = outside::TestWitness::start("127.0.0.1:0", &[log.verifier().to_string()], &memory);
    let keys = vec![WitnessKey::parse(&outside::key_text()).unwrap()];
    let (every, export_max) = (std::time::Duration::from_hours(1), std::time::Duration::from_secs(5));
    let options = WitnessOptions {
        at: WitnessAt::Server { url: server.url(), keys, ca_file: None },
        every,
        export_max,
    };
    Witness::new(Arc::clone(&log), &directory, &options).unwrap().export().await.unwrap();
    notes.push(cosigned_in(&directory).unwrap().unwrap());
    let paths: Vec<_> =
        notes.iter().enumerate().map(|(nth, note)| kept(place.path(), nth, note.as_bytes())).collect();
    let name = log.verifier().name();
    for said in judged(&directory.join("key.pub"), &paths) {
        assert_eq!(said, format!("signed {name} {name}"));
    }
}

#[tokio::test]
async fn no_changed_checkpoint_is_believed_by_either() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let log = log(&directory, 3).await;
    let note = log.checkpoint().unwrap().into_bytes();
    let mut changed: Vec<Vec<u8>> = (0..note.len() * 8)
        .map(|bit| {
            let mut flipped = note.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
        .collect();
    changed.extend((0..note.len()).step_by(7).map(|end| note[..end].to_vec()));
    let paths: Vec<_> = changed.iter().enumerate().map(|(nth, note)| kept(place.path(), nth, note)).collect();
    let said = judged(&directory.join("key.pub"), &paths);
    for (nth, (theirs, note)) in said.iter().zip(&changed).enumerate() {
        assert!(theirs.starts_with("refused "), "change {nth}: {theirs}");
        let ours = std::str::from_utf8(note).ok().map(|note| Checkpoint::open(note, log.verifier()));
        assert!(ours.is_none_or(|opened| opened.is_err()), "change {nth} is believed here");
    }
}
