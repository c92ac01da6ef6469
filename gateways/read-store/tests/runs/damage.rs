//! A directory that is not what was written there: an error that says so, never another row.

use crate::fixture::{SCHEMAS, THINGS, batch, thing};
use crate::support::{asked, open};
use std::fs;
use std::path::{Path, PathBuf};
use stele_domain::port::read_store::{Checkpoint, ReadStore, Row, ScanQuery, StoreError};
use stele_domain::port::state_store::Histories;
use stele_read_store::{Orders, RUN_MEMORY_BYTES_MIN, RunError, RunOptions, RunStore, States};
use tempfile::TempDir;

const OPTIONS: RunOptions = RunOptions {
    memory_bytes: RUN_MEMORY_BYTES_MIN,
    histories: Histories::Keep,
    states: States::Every,
    orders: Orders::All,
};

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

async fn filled(directory: &Path, settled: bool) -> Vec<Row> {
    let runs = open(directory, Histories::Keep, States::Every);
    for at in 0..40_u64 {
        let rows = (0..20).map(|i| thing(&format!("{i:03}"), i64::try_from(at).unwrap(), Some("red")));
        let second = batch("second", at, at + 1, vec![]);
        runs.apply_all(vec![batch("first", at, at + 1, rows.collect()), second]).await.unwrap();
    }
    if settled {
        runs.settle().unwrap();
    }
    everything(&runs).await.unwrap()
}

async fn everything(runs: &RunStore) -> Result<Vec<Row>, StoreError> {
    let mut rows = asked(runs, THINGS.name, &ScanQuery::newest(1_000)).await?.value;
    rows.extend(asked(runs, THINGS.name, &ScanQuery::by_key(1_000).reversed()).await?.value);
    runs.digests("first").await?;
    Ok(rows)
}

/// What a directory with one changed file comes to: an error at opening, an error at reading, or the same rows.
async fn outcome(directory: &Path, expected: &[Row], what: &str) -> bool {
    match RunStore::open(directory, SCHEMAS, OPTIONS) {
        Err(error) => {
            assert!(error.is_mended_by_removal(), "{what}: {error}");
            true
        }
        Ok(runs) => match everything(&runs).await {
            Err(StoreError::Damaged(words)) => {
                assert!(words.contains("remove them"), "{what}: {words}");
                true
            }
            Err(other) => panic!("{what}: {other}"),
            // All is gone, and the checkpoint says so.
            Ok(rows) if rows.is_empty() => {
                assert_eq!(runs.checkpoint("first").await.unwrap(), Checkpoint::NOTHING, "{what}");
                false
            }
            Ok(rows) => {
                // A journal that is cut short has lost whole batches: that is a crash, and no damage.
                assert!(rows == expected || of_one_batch(&runs, &rows).await, "{what}: other rows");
                false
            }
        },
    }
}

/// Rows as they were after some batch, the one that the checkpoint names.
async fn of_one_batch(runs: &RunStore, rows: &[Row]) -> bool {
    let at = i64::try_from(runs.checkpoint("first").await.unwrap().position.0).unwrap();
    rows.len() == 40 && rows.iter().all(|row| THINGS.position_of(row) == at - 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_anywhere_is_said_or_changes_nothing() {
    for settled in [false, true] {
        let whole = TempDir::new().unwrap();
        let expected = filled(whole.path(), settled).await;
        let mut said = 0;
        for path in files(whole.path()) {
            let bytes = fs::read(&path).unwrap();
            for place in [bytes.len() / 7, bytes.len() / 2, bytes.len().saturating_sub(9)] {
                if bytes.is_empty() {
                    continue;
                }
                let damaged = TempDir::new().unwrap();
                copied(whole.path(), damaged.path());
                let target = damaged.path().join(path.strip_prefix(whole.path()).unwrap());
                let mut changed = bytes.clone();
                changed[place] ^= 0x40;
                fs::write(&target, changed).unwrap();
                said += u32::from(outcome(damaged.path(), &expected, &target.display().to_string()).await);
            }
        }
        assert!(said > 0 || !settled, "not one change in a run was noticed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_shortened_file_is_said_or_changes_nothing() {
    let whole = TempDir::new().unwrap();
    let expected = filled(whole.path(), true).await;
    for path in files(whole.path()) {
        for length in [None, Some(0), Some(fs::metadata(&path).unwrap().len() / 2)] {
            let damaged = TempDir::new().unwrap();
            copied(whole.path(), damaged.path());
            let target = damaged.path().join(path.strip_prefix(whole.path()).unwrap());
            match length {
                None => fs::remove_file(&target).unwrap(),
                Some(length) => {
                    fs::File::options().write(true).open(&target).unwrap().set_len(length).unwrap();
                }
            }
            let what = target.display().to_string();
            outcome(damaged.path(), &expected, &what).await;
        }
    }
}

/// A copy of the files of a running store is what a killed process leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_kill_and_no_batch_is_there_in_part() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Every);
    for at in 0..12_u64 {
        let rows = (0..50).map(|i| thing(&format!("{i:03}"), i64::try_from(at).unwrap(), None)).collect();
        let second = batch("second", at, at + 1, vec![]);
        runs.apply_all(vec![batch("first", at, at + 1, rows), second]).await.unwrap();
        let left = TempDir::new().unwrap();
        copied(directory.path(), left.path());
        let found = open(left.path(), Histories::Keep, States::Every);
        assert_eq!(found.checkpoint("first").await.unwrap().position.0, at + 1);
        assert_eq!(everything(&found).await.unwrap(), everything(&runs).await.unwrap());
    }
}

#[test]
fn a_directory_that_is_no_directory_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = RunStore::open(&file.path().join("runs"), SCHEMAS, OPTIONS).err().unwrap();
    assert!(matches!(error, RunError::Unusable { .. }), "{error:?}");
    assert!(!error.is_mended_by_removal());
}
