//! A backup that was made while the log was written to verifies, is a prefix of it, and shares nothing that either writes.

use crate::support::{clock, sized, stream};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::port::event_log::{EventLog, Expected, Filter, Position, Record};
use stele_domain::time::Timestamp;
use stele_event_log::{
    Backup, BackupError, BackupOptions, BesideError, EmbeddedLog, Options, Reach, VerifyOptions, backup,
    diagnose, rates, verify,
};

/// Small segments, and room prepared beside the writer, as a desk does it.
fn options() -> Options {
    Options::new(clock()).with_segment_bytes(16 * 1024)
}

async fn all(log: &EmbeddedLog) -> Vec<Record> {
    log.read_all(Position(1), &Filter::all(), usize::MAX).await.unwrap().records
}

/// A log of this many commits in a directory, closed.
async fn filled(directory: &Path, commits: u64) -> Vec<Record> {
    let (log, _) = EmbeddedLog::open(directory, options()).unwrap();
    for number in 0..commits {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 400)]).await.unwrap();
    }
    let records = all(&log).await;
    log.close().await.unwrap();
    records
}

fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "LOCK")
        .collect();
    files.sort();
    files
}

fn is_segment(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "seg")
}

fn of_stopped(from: &Path, to: &Path) -> Result<Backup, BackupError> {
    backup(from, to, &BackupOptions::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_load_verify_are_prefixes_and_go_on() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("log");
    let log = Arc::new(EmbeddedLog::open(&source, options()).unwrap().0);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
            tokio::spawn(async move {
                let name = stream(&format!("order-{writer}"));
                let mut number = writer << 32;
                while !stop.load(Ordering::SeqCst) {
                    number += 1;
                    log.append(&name, Expected::Any, vec![sized(number, 300)]).await.unwrap();
                }
            })
        })
        .collect();
    let mut made = vec![];
    for nth in 0..12_u64 {
        let wanted = (nth + 1) * 60;
        let mut follow = log.follow(Position(wanted), Filter::all());
        follow.next(1).await.unwrap();
        let durable = log.checkpoint().unwrap();
        let (from, to) = (source.clone(), place.path().join(format!("backup-{nth}")));
        let options =
            BackupOptions { durable: Some(durable), copy: nth % 3 == 2, ..BackupOptions::default() };
        let done = tokio::task::spawn_blocking(move || backup(&from, &to, &options)).await.unwrap().unwrap();
        assert!(done.verified.stat.events >= wanted, "{done:?}");
        assert_eq!(done.linked == 0, nth % 3 == 2 || done.verified.stat.segments == 1, "{done:?}");
        made.push((place.path().join(format!("backup-{nth}")), done));
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let whole = all(&log).await;
    log.close().await.unwrap();
    for (directory, done) in &made {
        // What opens a backup writes to it; the others and the log must not notice.
        let restored = directory.with_extension("restored");
        backup(directory, &restored, &BackupOptions { copy: true, ..BackupOptions::default() }).unwrap();
        for served in [directory, &restored] {
            let (copy, _) = EmbeddedLog::open(served, options()).unwrap();
            let records = all(&copy).await;
            assert_eq!(u64::try_from(records.len()).unwrap(), done.verified.stat.events);
            assert!(whole.starts_with(&records), "{} is no prefix", served.display());
            for number in 0..40 {
                copy.append(&stream("after-1"), Expected::Any, vec![sized(u64::MAX - number, 500)])
                    .await
                    .unwrap();
            }
            copy.close().await.unwrap();
        }
    }
    for directory in made.iter().map(|(directory, _)| directory.as_path()).chain([source.as_path()]) {
        verify(directory, &VerifyOptions::default()).unwrap();
    }
    let (log, _) = EmbeddedLog::open(&source, options()).unwrap();
    assert!(all(&log).await == whole, "a backup that was served changed the log");
}

#[tokio::test]
async fn a_backup_that_ends_with_a_sealed_segment_does_not_share_it() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("log");
    let (log, _) = EmbeddedLog::open(&source, options()).unwrap();
    let mut at_seal = log.checkpoint().unwrap();
    // The last checkpoint before the second segment: it ends with a segment that is sealed a moment later.
    for number in 0.. {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 400)]).await.unwrap();
        if log.stat().segments == 2 {
            break;
        }
        at_seal = log.checkpoint().unwrap();
    }
    let copy = place.path().join("copy");
    let options = BackupOptions { durable: Some(at_seal), ..BackupOptions::default() };
    let done = backup(&source, &copy, &options).unwrap();
    let segment = "00000000000000000001.seg";
    let inode = |directory: &Path| std::fs::metadata(directory.join(segment)).unwrap().ino();
    assert_eq!((done.linked, done.verified.stat.segments), (0, 1));
    assert_ne!(inode(&source), inode(&copy));
}

#[tokio::test]
async fn a_stopped_log_is_copied_whole_with_its_secrets_kept() {
    let place = tempfile::tempdir().unwrap();
    let (source, copy) = (place.path().join("log"), place.path().join("copy"));
    let records = filled(&source, 120).await;
    let before = contents(&source);
    let done = of_stopped(&source, &copy).unwrap();
    assert_eq!(done.verified.stat.events, 120);
    assert!(done.linked > 2, "{done:?}");
    assert_eq!(contents(&source), before);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(&copy.join("key"))), (0o700, 0o600));
    let (log, _) = EmbeddedLog::open(&copy, options()).unwrap();
    assert_eq!(all(&log).await, records);
}

#[tokio::test]
async fn no_backup_is_made_over_something_of_an_owned_log_without_its_word_or_of_a_damaged_one() {
    let place = tempfile::tempdir().unwrap();
    let (source, copy) = (place.path().join("log"), place.path().join("copy"));
    filled(&source, 120).await;
    std::fs::create_dir(&copy).unwrap();
    assert!(matches!(of_stopped(&source, &copy).unwrap_err(), BackupError::Exists(_)));
    std::fs::remove_dir(&copy).unwrap();
    let (log, _) = EmbeddedLog::open(&source, options()).unwrap();
    assert!(matches!(of_stopped(&source, &copy).unwrap_err(), BackupError::Owned));
    let foreign = place.path().join("foreign");
    let (other, _) = EmbeddedLog::open(&foreign, options()).unwrap();
    let wrong = BackupOptions { durable: Some(other.checkpoint().unwrap()), ..BackupOptions::default() };
    assert!(matches!(backup(&source, &copy, &wrong).unwrap_err(), BackupError::Checkpoint(_)));
    log.close().await.unwrap();
    drop(log);
    // A bit of a sealed segment, and one of the last.
    let segments: Vec<_> = contents(&source).into_iter().filter(|(name, _)| is_segment(name)).collect();
    for (name, bytes) in [segments.first().unwrap(), segments.last().unwrap()] {
        let mut flipped = bytes.clone();
        flipped[4_200] ^= 1;
        std::fs::write(source.join(name), &flipped).unwrap();
        let error = of_stopped(&source, &copy).unwrap_err();
        assert!(matches!(error, BackupError::Verify(_)) && error.to_string().contains(name), "{error}");
        std::fs::write(source.join(name), bytes).unwrap();
        if copy.exists() {
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
}

#[tokio::test]
async fn a_segment_that_is_missing_and_one_of_another_log_are_told_apart_from_damage() {
    let place = tempfile::tempdir().unwrap();
    let (source, foreign) = (place.path().join("log"), place.path().join("foreign"));
    filled(&source, 120).await;
    filled(&foreign, 120).await;
    assert!(diagnose(&source).is_none());
    let names: Vec<String> =
        contents(&source).into_iter().map(|(name, _)| name).filter(|name| is_segment(name)).collect();
    let (middle, last) = (source.join(&names[1]), source.join(names.last().unwrap()));
    let (kept_middle, kept_last) = (std::fs::read(&middle).unwrap(), std::fs::read(&last).unwrap());
    std::fs::remove_file(&middle).unwrap();
    let told = diagnose(&source).unwrap();
    assert!(matches!(&told, BesideError::Missing { file, .. } if *file == names[1]), "{told}");
    std::fs::copy(foreign.join(&names[1]), &middle).unwrap();
    let told = diagnose(&source).unwrap();
    assert!(matches!(&told, BesideError::Foreign { file, .. } if *file == names[1]), "{told}");
    std::fs::write(&middle, &kept_middle).unwrap();
    std::fs::remove_file(source.join(&names[0])).unwrap();
    assert!(matches!(diagnose(&source).unwrap(), BesideError::Missing { .. }));
    std::fs::write(&last, &kept_last[..5_000]).unwrap();
    std::fs::copy(foreign.join(&names[0]), source.join(&names[0])).unwrap();
    assert!(matches!(diagnose(&source).unwrap(), BesideError::Foreign { .. }));
}

#[tokio::test]
async fn rates_count_what_was_recorded_in_the_last_minute_and_hour() {
    let place = tempfile::tempdir().unwrap();
    let time = clock();
    let (log, _) =
        EmbeddedLog::open(place.path(), Options::new(Arc::clone(&time) as _).with_segment_bytes(8 * 1024))
            .unwrap();
    let now = Timestamp::from_micros(10_000_000_000);
    let mut number = 0;
    // Hours, minutes and seconds before now, and how many events then.
    for (ago_ms, events) in [(7_200_000, 90), (3_599_000, 30), (120_000, 25), (59_000, 12), (1_000, 5)] {
        for _ in 0..events {
            number += 1;
            time.set(now.micros() - ago_ms * 1_000);
            log.append(&stream("order-1"), Expected::Any, vec![sized(number, 300)]).await.unwrap();
        }
    }
    let told = rates(place.path(), now, &Reach::default()).unwrap();
    assert_eq!((told.minute.events, told.hour.events), (17, 72));
    assert_eq!((told.minute.events_per_second_milli(), told.hour.seconds), (283, 3_600));
    let bytes = log.stat().bytes;
    assert!(told.minute.bytes > 17 * 300 && told.minute.bytes < told.hour.bytes && told.hour.bytes < bytes);
    let later = rates(place.path(), now.plus_millis(86_400_000), &Reach::default()).unwrap();
    assert_eq!((later.hour.events, later.hour.bytes), (0, 0));
    let young = rates(place.path(), Timestamp::from_micros(10_000_000), &Reach::default()).unwrap();
    assert_eq!((young.hour.events, young.hour.bytes), (162, bytes - 4_096));
}

#[tokio::test]
async fn rates_of_a_log_that_is_written_to_end_before_what_is_half_there() {
    let place = tempfile::tempdir().unwrap();
    let (log, _) = EmbeddedLog::open(place.path(), options()).unwrap();
    for number in 0..3 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 300)]).await.unwrap();
    }
    let (end, name) = (log.stat().bytes, "00000000000000000001.seg");
    let half_a_frame = || {
        let file = std::fs::File::options().write(true).open(place.path().join(name)).unwrap();
        file.write_all_at(&[0x55; 1_200], end).unwrap();
    };
    half_a_frame();
    let told = rates(place.path(), Timestamp::from_micros(1_000), &Reach::default()).unwrap();
    assert_eq!((told.hour.events, told.hour.bytes), (3, end - 4_096));
    log.close().await.unwrap();
    drop(log);
    half_a_frame();
    let told = rates(place.path(), Timestamp::from_micros(1_000), &Reach::default());
    assert!(matches!(&told, Err(BesideError::Damaged { file, .. }) if file == name), "{told:?}");
}
