//! Objects that are lost, cut or changed are named with their place by a verification, and never served; and a backup, an
//! export and a proof of an archived log are those of the log.

use super::store::Blobs;
use super::{ALL, NOW, all, archive, options};
use crate::support::{sized, stream};
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position, Record};
use stele_event_log::{
    ArchiveError, Backup, BackupOptions, BesideError, EmbeddedLog, ExportOptions, Reach, VerifyError,
    VerifyOptions, VerifyReport, archive_stat, backup, diagnose, export, verify,
};

async fn made(directory: &Path, blobs: &Arc<Blobs>) -> Vec<Record> {
    let reach = archive(blobs, 1 << 20);
    let (log, _) = EmbeddedLog::open(directory, options(&reach)).unwrap();
    for number in 0..80 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 700)]).await.unwrap();
    }
    let records = all(&log).await;
    log.close().await.unwrap();
    drop(log);
    let (log, _) = EmbeddedLog::open(directory, options(&reach)).unwrap();
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    records
}

fn verified(directory: &Path, reach: &Reach) -> Result<VerifyReport, VerifyError> {
    verify(directory, &VerifyOptions { archive: reach.clone(), ..VerifyOptions::default() })
}

fn trouble(error: &VerifyError) -> ArchiveError {
    let VerifyError::Unreadable(source) = error else { panic!("{error}") };
    ArchiveError::behind(&**source).unwrap().clone()
}

#[tokio::test]
async fn every_kind_of_damage_in_the_archive_is_named_with_object_and_offset_and_never_served() {
    let place = tempfile::tempdir().unwrap();
    let (directory, blobs) = (place.path().join("log"), Arc::new(Blobs::default()));
    made(&directory, &blobs).await;
    let report = verified(&directory, &archive(&blobs, 1 << 20)).unwrap();
    assert_eq!(report.stat.events, 80);
    let (name, whole) = blobs.contents().into_iter().nth(2).unwrap();
    let first: u64 = name.rsplit('/').next().unwrap().trim_end_matches(".seg").parse().unwrap();
    let serve = async |kind: &str| {
        let (log, _) = EmbeddedLog::open(&directory, options(&archive(&blobs, 1 << 20))).unwrap();
        let error = log.read_all(Position(first), &Filter::all(), 1).await.unwrap_err();
        let LogError::Lost(source) = &error else { panic!("{kind}: {error}") };
        assert!(!error.is_transient(), "{kind}: to ask again brings nothing back");
        let lost = ArchiveError::behind(&**source).unwrap();
        assert!(lost.is_loss() && lost.to_string().contains(&name), "{kind}: {lost}");
        assert_eq!(log.read_all(Position(1), &Filter::all(), 1).await.unwrap().records.len(), 1, "{kind}");
        log.close().await.unwrap();
    };
    for at in [0, 700, 4_500, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        blobs.lock().insert(name.clone(), flipped);
        let told = trouble(&verified(&directory, &archive(&blobs, 1 << 20)).unwrap_err());
        let ArchiveError::Other { object, offset, .. } = &told else { panic!("byte {at}: {told}") };
        let near = usize::try_from(*offset).unwrap();
        // The frame that holds the byte; of the header, which is also here, only that the object is another one.
        assert!(
            *object == name && near <= at && (at < 4_096 || (near >= 4_096 && at - near < 1_000)),
            "byte {at}: {told}"
        );
        serve(&format!("byte {at}")).await;
    }
    for cut in [0, 3_000, 5_000, whole.len() - 1] {
        blobs.lock().insert(name.clone(), whole[..cut].to_vec());
        let told = trouble(&verified(&directory, &archive(&blobs, 1 << 20)).unwrap_err());
        let right =
            matches!(&told, ArchiveError::Other { offset, .. } if usize::try_from(*offset).unwrap() == cut);
        assert!(right, "cut to {cut}: {told}");
        serve("cut").await;
    }
    blobs.lock().insert(name.clone(), [&whole[..], b"more"].concat());
    let told = trouble(&verified(&directory, &archive(&blobs, 1 << 20)).unwrap_err());
    assert!(
        matches!(&told, ArchiveError::Other { offset, .. } if usize::try_from(*offset).unwrap() == whole.len())
    );
    serve("longer").await;
    blobs.lock().remove(&name);
    let told = trouble(&verified(&directory, &archive(&blobs, 1 << 20)).unwrap_err());
    assert!(matches!(&told, ArchiveError::Missing { object, .. } if *object == name), "{told}");
    serve("missing").await;
    // What is verified without the archive is said to be not looked at, and the rest of it is whole.
    let local_from = Some(Position(archive_stat(&directory).unwrap().local_from));
    verify(&directory, &VerifyOptions { from: local_from, ..VerifyOptions::default() }).unwrap();
    assert!(matches!(
        trouble(&verified(&directory, &Reach::default()).unwrap_err()),
        ArchiveError::NoStore { .. }
    ));
}

#[tokio::test]
async fn a_segment_that_is_nowhere_is_missing_and_a_manifest_that_was_changed_is_damage_at_its_line() {
    let place = tempfile::tempdir().unwrap();
    let (directory, blobs) = (place.path().join("log"), Arc::new(Blobs::default()));
    made(&directory, &blobs).await;
    assert!(diagnose(&directory).is_none());
    let manifest = std::fs::read_to_string(directory.join("archive")).unwrap();
    let lines: Vec<&str> = manifest.split_inclusive('\n').collect();
    let changed = manifest.replacen("memory:test", "memory:tesu", 1);
    std::fs::write(directory.join("archive"), changed).unwrap();
    let error = verified(&directory, &archive(&blobs, 1 << 20)).unwrap_err();
    let VerifyError::Damaged { file, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((file.as_str(), usize::try_from(*offset).unwrap()), ("archive", lines[0].len()));
    let Err(error) = EmbeddedLog::open(&directory, options(&archive(&blobs, 1 << 20))) else {
        panic!("it opens")
    };
    assert!(matches!(&error, LogError::Damaged { file, .. } if file == "archive"), "{error}");
    std::fs::remove_file(directory.join("archive")).unwrap();
    let told = diagnose(&directory).unwrap();
    assert!(matches!(told, BesideError::Missing { .. }), "{told}");
}

#[tokio::test]
async fn a_backup_has_the_manifest_and_not_the_archive_and_is_the_log_again_with_it() {
    let place = tempfile::tempdir().unwrap();
    let (directory, blobs) = (place.path().join("log"), Arc::new(Blobs::default()));
    let records = made(&directory, &blobs).await;
    let copy = place.path().join("copy");
    let reads = || blobs.reads.load(std::sync::atomic::Ordering::SeqCst);
    let before = reads();
    let done: Backup = backup(&directory, &copy, &BackupOptions::default()).unwrap();
    assert_eq!((reads(), done.archived.segments), (before, archive_stat(&directory).unwrap().segments));
    assert_eq!(done.verified.stat.head, Position(80));
    // Whoever restores it verifies all of it, or is told what is not within reach.
    assert!(matches!(
        trouble(&verified(&copy, &Reach::default()).unwrap_err()),
        ArchiveError::NoStore { .. }
    ));
    let reach = archive(&blobs, 1 << 20);
    assert_eq!(verified(&copy, &reach).unwrap().root, verified(&directory, &reach).unwrap().root);
    let (log, _) = EmbeddedLog::open(&copy, options(&reach)).unwrap();
    assert_eq!(all(&log).await, records);
    // The copy that goes on and the log that goes on are two: the archive keeps the first.
    for number in 100..160 {
        log.append(&stream("order-2"), Expected::Any, vec![sized(number, 700)]).await.unwrap();
    }
    log.close().await.unwrap();
}

#[tokio::test]
async fn an_export_of_an_archived_log_is_that_of_the_log() {
    let place = tempfile::tempdir().unwrap();
    let (directory, blobs) = (place.path().join("log"), Arc::new(Blobs::default()));
    made(&directory, &blobs).await;
    let reach = archive(&blobs, 1 << 20);
    let exported = |reach: &Reach| {
        let mut lines = vec![];
        let options = ExportOptions { archive: reach.clone(), ..ExportOptions::default() };
        export(&directory, &options, &mut lines).map(|done| (done, lines))
    };
    let (done, lines) = exported(&reach).unwrap();
    assert_eq!(done.events, 80);
    assert!(exported(&Reach::default()).is_err());
    let (log, _) = EmbeddedLog::open(&directory, options(&reach)).unwrap();
    log.bring_back(Position(1)..=Position(80)).unwrap();
    log.close().await.unwrap();
    assert!(exported(&Reach::default()).unwrap().1 == lines);
}
