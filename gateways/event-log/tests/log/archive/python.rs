//! The verifier of `tests/verifier`, which is written in Python from `FORMAT.md` alone, on a log whose archive is a
//! directory.

use super::{ALL, NOW, fill};
use crate::support::clock;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use stele_blob_store::Address;
use stele_event_log::storage::DirectoryStorage;
use stele_event_log::{Archive, ArchiveOptions, EmbeddedLog, Keep, Options, Reach, VerifyOptions, verify};

/// What the verifier says of a log, and its exit code.
fn python(directory: &Path, arguments: &[&Path]) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tools/verifier/bin/python");
    assert!(python.exists(), "the Python verifier is not installed here: run ops/install/verifier");
    let mut command = Command::new(python);
    command.arg(root.join("tests/verifier/verify.py")).args(arguments).arg(directory);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn only(directory: &Path) -> PathBuf {
    std::fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn archived_segments_are_a_part_of_the_log_to_a_stranger_too_and_changed_objects_are_none() {
    let place = tempfile::tempdir().unwrap();
    let [directory, cache, objects, moved] =
        ["log", "cache", "objects of it", "moved"].map(|name| place.path().join(name));
    std::fs::create_dir(&cache).unwrap();
    std::fs::create_dir(&objects).unwrap();
    let address = Address::Directory(objects.clone());
    let store = stele_blob_store::open(&address, &stele_blob_store::Options::default()).unwrap();
    let cache = DirectoryStorage::open(&cache).unwrap();
    let reach = Reach::of(Archive::new(ArchiveOptions::new(store, Arc::new(cache))).unwrap());
    let options = || Options::new(clock()).with_segment_bytes(8 * 1024).in_line().with_archive(reach.clone());
    let (log, _) = EmbeddedLog::open(&directory, options()).unwrap();
    fill(&log, 0..80).await;
    log.close().await.unwrap();
    drop(log);
    let (log, _) = EmbeddedLog::open(&directory, options()).unwrap();
    let done = log.archive(&Keep { segments: 1, ..ALL }, NOW).unwrap();
    log.close().await.unwrap();
    assert!(done.segments > 1);
    let own = verify(&directory, &VerifyOptions { archive: reach, ..VerifyOptions::default() }).unwrap();
    let root = own.root.map(|byte| format!("{byte:02x}")).concat();
    let (code, told) = python(&directory, &[]);
    assert!(code == Some(0) && told.contains(&root) && told.contains("\"events\": 80"), "{told}");
    // Another place.
    std::fs::rename(&objects, &moved).unwrap();
    let there = [Path::new("--archive"), &moved];
    let (code, told) = python(&directory, &there);
    assert!(code == Some(0) && told.contains(&root), "{told}");
    let (code, told) = python(&directory, &[]);
    assert!(code == Some(14) && told.contains("\"archive\""), "{told}");
    // A manifest that was changed, as `verify` names it.
    let manifest = std::fs::read_to_string(directory.join("archive")).unwrap();
    std::fs::write(directory.join("archive"), manifest.replacen("file://", "file:/_", 1)).unwrap();
    let error = verify(&directory, &VerifyOptions::default()).unwrap_err().to_string();
    let (code, told) = python(&directory, &there);
    let at = told.split("\"offset\": ").nth(1).unwrap().split(',').next().unwrap();
    assert!(code == Some(8) && error.contains(&format!("archive at byte {at}:")), "{told}: {error}");
    std::fs::write(directory.join("archive"), &manifest).unwrap();
    // An object that was.
    let object = only(&only(&moved));
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[5_000] ^= 4;
    std::fs::write(&object, bytes).unwrap();
    let (code, told) = python(&directory, &there);
    assert!(code == Some(14) && told.contains(object.file_name().unwrap().to_str().unwrap()), "{told}");
}
