//! A witness file.

use crate::{Working, commits, contradiction, copied, fill, open, options, until};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note;
use stele_event_log::{
    Contradiction, EmbeddedLog, VerifyError, VerifyOptions, Witness, WitnessAt, WitnessError, WitnessOptions,
    verify,
};

/// Bytes of a block.
const BLOCK: u64 = 512;

fn at(path: &Path) -> WitnessOptions {
    options(WitnessAt::File(path.to_owned()))
}

fn witness(log: &Arc<EmbeddedLog>, path: &Path) -> Witness {
    Witness::new(Arc::clone(log), Path::new("unused"), &at(path)).unwrap()
}

/// Sizes of the checkpoints in a file, each signed by the log.
fn sizes(log: &EmbeddedLog, path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    if text.is_empty() {
        return vec![];
    }
    let open = |note: &&str| Checkpoint::open(note, log.verifier()).unwrap().size;
    note::split(&text).iter().map(open).collect()
}

#[tokio::test]
async fn seals_wishes_and_time_each_lead_to_a_checkpoint_and_the_file_verifies_the_log() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    let options = WitnessOptions { every: Duration::from_millis(20), ..at(&path) };
    let timed = Witness::new(Arc::clone(&log), &directory, &options).unwrap();
    timed.begin().await.unwrap();
    assert_eq!(sizes(&log, &path), [0]);
    let working = Working::start(timed);
    fill(&log, 3, "a").await;
    until("a checkpoint after some time", || sizes(&log, &path).last() == Some(&3)).await;
    // While nothing is new, nothing is added.
    let length = sizes(&log, &path).len();
    working.witness.export().await.unwrap();
    assert_eq!(sizes(&log, &path).len(), length);
    working.stop().await;

    let working = Working::start(witness(&log, &path));
    fill(&log, 2, "b").await;
    assert_eq!(sizes(&log, &path).last(), Some(&3), "nobody has asked yet");
    working.witness.ask();
    until("a checkpoint on demand", || sizes(&log, &path).last() == Some(&5)).await;
    let segments = log.stat().segments;
    while log.stat().segments == segments {
        fill(&log, 1, "c").await;
    }
    let sealed = commits(&log) - 1;
    until("a checkpoint at the seal", || sizes(&log, &path).last().is_some_and(|size| *size >= sealed)).await;
    let witness = working.stop().await;
    log.close().await.unwrap();
    witness.export().await.unwrap();
    let told = sizes(&log, &path);
    assert_eq!(told.last(), Some(&commits(&log)));
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(fs::metadata(&path).unwrap().len() % BLOCK, 0);
    let against = Some(fs::read_to_string(&path).unwrap());
    verify(&directory, &VerifyOptions { against, ..VerifyOptions::default() }).unwrap();
}

#[tokio::test]
async fn a_log_from_an_older_backup_is_named_and_so_is_one_that_went_another_way() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 40, "a").await;
    log.close().await.unwrap();
    drop(log);
    let backup = place.path().join("backup");
    copied(&directory, &backup);

    let log = open(&directory);
    fill(&log, 40, "a").await;
    let first = witness(&log, &path);
    first.begin().await.unwrap();
    log.close().await.unwrap();
    drop((first, log));
    let kept = fs::read(&path).unwrap();

    // The backup is whole, and it is caught before it serves.
    let older = open(&backup);
    let told = witness(&older, &path).begin().await;
    let words = told.as_ref().expect_err("it is cut").to_string();
    assert!(words.contains("cut after an exported checkpoint") && words.contains("witness"), "{words}");
    assert_eq!(contradiction(told), Contradiction::Cut { signed: 80, found: 40 });
    // Also later on, when it has grown again in another way.
    fill(&older, 40, "b").await;
    assert_eq!(contradiction(witness(&older, &path).begin().await), Contradiction::Rewritten { signed: 80 });
    fill(&older, 40, "b").await;
    assert_eq!(contradiction(witness(&older, &path).begin().await), Contradiction::Rewritten { signed: 80 });
    assert_eq!(fs::read(&path).unwrap(), kept, "nothing was added");
    drop(older);

    let against =
        VerifyOptions { against: Some(String::from_utf8(kept).unwrap()), ..VerifyOptions::default() };
    assert!(matches!(verify(&backup, &against), Err(VerifyError::Rewritten { signed: 80 })));
    // The log itself goes on.
    let log = open(&directory);
    let same = witness(&log, &path);
    same.begin().await.unwrap();
    fill(&log, 1, "a").await;
    same.export().await.unwrap();
    assert_eq!(sizes(&log, &path), [80, 81]);
}

#[tokio::test]
async fn of_two_copies_that_run_at_once_the_second_to_export_is_contradicted_and_exports_nothing_more() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 10, "a").await;
    log.close().await.unwrap();
    drop(log);
    copied(&directory, &place.path().join("copy"));
    let (one, other) = (open(&directory), open(&place.path().join("copy")));
    let (by_one, by_other) = (witness(&one, &path), witness(&other, &path));
    by_one.begin().await.unwrap();
    by_other.begin().await.unwrap();
    fill(&one, 5, "a").await;
    by_one.export().await.unwrap();
    fill(&other, 9, "b").await;
    let kept = fs::read(&path).unwrap();
    assert_eq!(contradiction(by_other.export().await), Contradiction::Rewritten { signed: 15 });
    let working = Working::start(by_other);
    working.witness.ask();
    fill(&other, 9, "b").await;
    let by_other = working.stop().await;
    assert_eq!(contradiction(by_other.export().await), Contradiction::Rewritten { signed: 15 });
    assert_eq!(fs::read(&path).unwrap(), kept);
    fill(&one, 1, "a").await;
    by_one.export().await.unwrap();
}

#[tokio::test]
async fn an_end_that_was_not_finished_is_cut_and_every_flipped_bit_of_the_last_checkpoint_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 3, "a").await;
    let witness = witness(&log, &path);
    witness.begin().await.unwrap();
    let whole = fs::read(&path).unwrap();
    fill(&log, 1, "a").await;
    for torn in [whole[..100].to_vec(), vec![0; 512], vec![0; 300], [vec![0; 512], vec![0; 17]].concat()] {
        fs::write(&path, [whole.clone(), torn].concat()).unwrap();
        let fresh = Witness::new(Arc::clone(&log), &directory, &at(&path)).unwrap();
        fresh.begin().await.unwrap();
        assert_eq!(sizes(&log, &path), [3, 4]);
    }
    for bit in (0..whole.len() * 8).step_by(7) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let fresh = Witness::new(Arc::clone(&log), &directory, &at(&path)).unwrap();
        let refused = fresh.begin().await.expect_err("a flipped bit");
        let named = matches!(refused, WitnessError::Damaged { offset: 0, .. } | WitnessError::Foreign { .. });
        assert!(named && !refused.contradicts(), "bit {bit}: {refused}");
        assert_eq!(fs::read(&path).unwrap(), flipped, "nothing was changed");
    }
    fs::write(&path, vec![0; 1_024]).unwrap();
    let fresh = Witness::new(Arc::clone(&log), &directory, &at(&path)).unwrap();
    assert!(matches!(fresh.begin().await, Err(WitnessError::Damaged { offset: 0, .. })));
}

#[tokio::test]
async fn a_file_that_can_t_be_used_keeps_a_log_from_beginning_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 3, "a").await;
    // Another log's.
    let other = open(&place.path().join("other"));
    witness(&other, &path).begin().await.unwrap();
    let refused = witness(&log, &path).begin().await.expect_err("of another log");
    assert!(matches!(refused, WitnessError::Foreign { .. }), "{refused}");
    fs::remove_file(&path).unwrap();
    // Nowhere.
    let nowhere = place.path().join("nowhere").join("witness");
    let refused = witness(&log, &nowhere).begin().await.expect_err("no such directory");
    assert!(matches!(&refused, WitnessError::Io { action: "opening", .. }), "{refused}");
    // Held by somebody else.
    witness(&log, &path).begin().await.unwrap();
    let holder = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    holder.lock().unwrap();
    fill(&log, 1, "a").await;
    let refused = witness(&log, &path).begin().await.expect_err("it is held");
    assert!(matches!(refused, WitnessError::Busy { .. }), "{refused}");
    drop(holder);
}

#[tokio::test]
async fn a_full_file_that_bears_the_log_out_is_told_of_and_does_not_keep_it_from_beginning() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 3, "a").await;
    witness(&log, &path).begin().await.unwrap();
    let last = fs::read(&path).unwrap();
    let holder = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let end = 64 * 1024 * 1024;
    holder.set_len(end).unwrap();
    holder.write_all_at(&last, end - BLOCK).unwrap();
    drop(holder);
    fill(&log, 1, "a").await;
    let full = witness(&log, &path);
    full.begin().await.unwrap();
    let refused = full.export().await.expect_err("it is long");
    assert!(matches!(refused, WitnessError::Long { bytes, .. } if bytes == end), "{refused}");
    assert_eq!(fs::metadata(&path).unwrap().len(), end);
    // It is looked at all the same: another log than it has seen is not served.
    log.close().await.unwrap();
    let cut = place.path().join("cut");
    fs::create_dir_all(&cut).unwrap();
    for name in ["key", "key.pub"] {
        fs::copy(directory.join(name), cut.join(name)).unwrap();
    }
    let told = witness(&open(&cut), &path).begin().await;
    assert_eq!(contradiction(told), Contradiction::Cut { signed: 3, found: 0 });
}

#[tokio::test]
async fn a_file_that_lost_what_it_had_is_told_once_and_begun_anew() {
    let place = tempfile::tempdir().unwrap();
    let (directory, path) = (place.path().join("log"), place.path().join("witness"));
    let log = open(&directory);
    fill(&log, 3, "a").await;
    let witness = witness(&log, &path);
    witness.begin().await.unwrap();
    let of_three = fs::read(&path).unwrap();
    fill(&log, 2, "a").await;
    witness.export().await.unwrap();

    // Its last checkpoint is cut off, and nothing is new.
    fs::write(&path, &of_three).unwrap();
    let lost = witness.export().await.expect_err("it is shorter");
    assert!(matches!(lost, WitnessError::Lost { had: 5, found: 3, .. }) && !lost.contradicts(), "{lost}");
    witness.export().await.unwrap();
    assert_eq!(sizes(&log, &path), [3, 5]);

    // It is gone.
    fs::remove_file(&path).unwrap();
    fill(&log, 1, "a").await;
    let lost = witness.export().await.expect_err("it is gone");
    assert!(matches!(lost, WitnessError::Lost { had: 5, found: 0, .. }), "{lost}");
    witness.export().await.unwrap();
    assert_eq!(sizes(&log, &path), [6]);
}
