//! Disks that answer otherwise the second time, stores that are the wrong ones, and two who do the same thing: nothing is
//! archived that was not verified, and nothing that is somewhere is said to be lost.

use super::store::Blobs;
use super::{ALL, NOW, OFTEN, all, archive, fill, filled, open, options, segments, trouble};
use crate::support::{clock, sized, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{io, thread};
use stele_domain::port::event_log::{EventLog, Expected, Filter, Position};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::storage::{Access, OwnError, Ownership, Secrecy, Storage, StorageFile};
use stele_event_log::{
    ArchiveError, EmbeddedLog, Options, Reach, VerifyError, VerifyOptions, archive_stat, verify, verify_on,
};

/// A disk on which something happens right before a file is opened.
struct Between<F>(SimulatedDisk, F);

impl<F: Fn(&SimulatedDisk, &str) + Send + Sync> Storage for Between<F> {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn own(&self) -> Result<Box<dyn Ownership>, OwnError> {
        self.0.own()
    }

    fn is_owned(&self) -> io::Result<bool> {
        self.0.is_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        (self.1)(&self.0, name);
        self.0.open(name, access)
    }

    fn create(&self, name: &str, secrecy: Secrecy) -> io::Result<Arc<dyn StorageFile>> {
        self.0.create(name, secrecy)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

#[tokio::test]
async fn what_is_archived_is_what_was_verified_whatever_the_disk_answers_later() {
    // The segment is changed before it is opened for the nth time after the log was.
    for nth in [1, 2, 3] {
        let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
        filled(&disk).await;
        let name = segments(&disk)[0].clone();
        let whole = disk.contents(&name).unwrap();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let (counted, target) = (Arc::clone(&left), name.clone());
        let changed = move |disk: &SimulatedDisk, name: &str| {
            if name == target && counted.fetch_sub(1, Ordering::SeqCst) == 1 {
                disk.flip_bit(name, 8 * 5_000);
            }
        };
        let storage = Arc::new(Between(disk.clone(), changed));
        let log = EmbeddedLog::open_on(storage, options(&archive(&blobs, 1 << 20))).unwrap().0;
        left.store(nth, Ordering::SeqCst);
        let done = log.archive(&ALL, NOW);
        if let Some(archived) = blobs.contents().values().next() {
            assert!(*archived == whole && done.is_ok(), "opening {nth}");
        } else {
            let told = done.unwrap_err();
            assert!(nth == 1 && matches!(told, ArchiveError::Unverified { .. }), "opening {nth}: {told}");
            assert!(disk.contents(&name).is_some());
        }
    }
}

#[tokio::test]
async fn a_segment_without_a_checkpoint_over_its_end_stays() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let mut checkpoints = disk.contents("checkpoints").unwrap();
    // The first is over nothing, the second is the one of the first segment.
    drop(checkpoints.drain(512..1_024));
    disk.take("checkpoints");
    disk.put("checkpoints", &checkpoints);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let told = log.archive(&ALL, NOW).unwrap_err();
    let ArchiveError::Unverified { source, .. } = &told else { panic!("{told}") };
    assert!(matches!(&**source, VerifyError::Damaged { file, .. } if file == "checkpoints"), "{source}");
    assert!(blobs.contents().is_empty());
}

#[tokio::test]
async fn an_empty_store_where_segments_were_put_takes_none_and_has_lost_none() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    assert_eq!(all(&log).await, records);
    fill(&log, 80..120).await;
    log.close().await.unwrap();
    drop(log);
    drop(open(&disk, &Reach::default()));
    let unmounted = Arc::new(Blobs::default());
    let log = open(&disk, &archive(&unmounted, 1 << 20));
    let (before, told) = (segments(&disk), log.archive(&ALL, NOW).unwrap_err());
    assert!(matches!(told, ArchiveError::Elsewhere { .. }) && !told.is_loss(), "{told}");
    assert!(unmounted.contents().is_empty() && segments(&disk) == before);
    let told = trouble(log.read_all(Position(1), &Filter::all(), 1).await.unwrap_err());
    assert!(matches!(told, ArchiveError::Elsewhere { .. }), "{told}");
    log.close().await.unwrap();
    drop(log);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    assert!(log.archive(&ALL, NOW).unwrap().segments > 0);
    assert_eq!(all(&log).await[..80], records);
}

#[tokio::test]
async fn an_archive_that_lets_nobody_in_is_told_as_such_and_not_as_one_that_does_not_answer() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let before = segments(&disk);
    blobs.denied.store(true, Ordering::SeqCst);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let told = log.archive(&ALL, NOW).unwrap_err();
    assert!(matches!(&told, ArchiveError::Denied { segment, .. } if *segment == before[0]), "{told}");
    assert!(told.to_string().contains("denies access") && segments(&disk) == before, "{told}");
    blobs.denied.store(false, Ordering::SeqCst);
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    drop(log);
    blobs.denied.store(true, Ordering::SeqCst);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let error = log.read_all(Position(1), &Filter::all(), 1).await.unwrap_err();
    assert!(error.is_transient(), "a desk goes on when somebody lets it in: {error}");
    let told = trouble(error);
    assert!(matches!(told, ArchiveError::Denied { .. }) && !told.is_loss(), "{told}");
    drop(log);
    blobs.denied.store(false, Ordering::SeqCst);
    assert_eq!(all(&open(&disk, &archive(&blobs, 1 << 20))).await, records);
}

#[tokio::test]
async fn what_answers_whoever_asks_is_no_archive_and_nobody_else_is_accused_of_its_objects() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let before = segments(&disk);
    blobs.parrot.store(true, Ordering::SeqCst);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let told = log.archive(&ALL, NOW).unwrap_err();
    assert!(matches!(&told, ArchiveError::NotKept { segment, .. } if *segment == before[0]), "{told}");
    assert!(told.to_string().contains("nobody has put there"), "{told}");
    assert_eq!((segments(&disk), blobs.puts.load(Ordering::SeqCst)), (before, 0));
}

#[tokio::test]
async fn a_segment_that_comes_back_while_the_log_is_looked_at_is_not_missing() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let first = segments(&disk)[0].clone();
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    drop(log);
    let later = disk.copy();
    open(&later, &archive(&blobs, 1 << 20)).bring_back(Position(1)..=Position(1)).unwrap();
    let (segment, manifest) = (later.contents(&first).unwrap(), later.contents("archive").unwrap());
    let comes_back = move |disk: &SimulatedDisk, name: &str| {
        if name == "archive" && disk.contents(&first).is_none() {
            disk.put(&first, &segment);
            disk.take("archive");
            disk.put("archive", &manifest);
        }
    };
    let storage = Arc::new(Between(disk.clone(), comes_back));
    let (log, _) = EmbeddedLog::open_on(storage, options(&archive(&blobs, 1 << 20))).unwrap();
    assert_eq!(all(&log).await.len(), 80);
}

#[tokio::test]
async fn two_who_archive_at_the_same_time_archive_each_segment_once() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let sealed = u64::try_from(segments(&disk).len()).unwrap() - 1;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let done: u64 = thread::scope(|threads| {
        let both = [0, 1].map(|_| threads.spawn(|| log.archive(&ALL, NOW).unwrap().segments));
        both.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!((done, blobs.puts.load(Ordering::SeqCst)), (sealed, sealed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_a_person_has_to_look_at_holds_up_no_other_and_is_left_alone() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let log = open(&disk, &Reach::default());
    let taken = format!("{}/{}", log.stat().log, segments(&disk)[0]);
    log.close().await.unwrap();
    drop(log);
    blobs.lock().insert(taken.clone(), b"of somebody else".to_vec());
    let options = options(&archive(&blobs, 1 << 20)).archiving_all_but(ALL).archiving_at(OFTEN);
    let log = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0;
    for numbers in [80..120, 120..160] {
        fill(&log, numbers).await;
        let begun = std::time::Instant::now();
        while segments(&disk).len() > 2 {
            assert!(begun.elapsed() < Duration::from_mins(1), "{:?} are still here", segments(&disk));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Once for what is there, and once to compare it.
    assert_eq!(blobs.heads.lock().unwrap()[&taken], 2);
    log.close().await.unwrap();
}

#[tokio::test]
async fn verifying_fetches_each_segment_once_however_little_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let (directory, blobs) = (place.path().join("log"), Arc::new(Blobs::default()));
    let large = |reach: &Reach| {
        Options::new(clock()).with_segment_bytes(2 << 20).in_line().with_archive(reach.clone())
    };
    // Room for none: each makes room for the next, while it is read.
    let reach = archive(&blobs, 1);
    let (log, _) = EmbeddedLog::open(&directory, large(&reach)).unwrap();
    for number in 0..24 {
        log.append(&stream("order-1"), Expected::Any, vec![sized(number, 400_000)]).await.unwrap();
    }
    log.close().await.unwrap();
    drop(log);
    let (log, _) = EmbeddedLog::open(&directory, large(&reach)).unwrap();
    let gone = log.archive(&ALL, NOW).unwrap().segments;
    log.close().await.unwrap();
    blobs.reads.store(0, Ordering::SeqCst);
    verify(&directory, &VerifyOptions { archive: reach, ..VerifyOptions::default() }).unwrap();
    assert!(gone > 2);
    assert_eq!(blobs.reads.load(Ordering::SeqCst), gone);
}

#[tokio::test]
async fn numbers_of_the_manifest_that_are_not_those_of_the_segment_are_damage_at_their_line() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    let text = String::from_utf8(disk.contents("archive").unwrap()).unwrap();
    // Its last line: what follows the archived segments begins where it says.
    let at = text.trim_end().rfind('\n').unwrap() + 1;
    let mut fields: Vec<String> = text[at..].split(' ').map(str::to_owned).collect();
    fields[5] = (fields[5].parse::<u64>().unwrap() + 1_000_000).to_string();
    fields.pop();
    let line = format!("{} ", fields.join(" "));
    let changed = format!("{}{line}{:08x}\n", &text[..at], crc_fast::crc32_iscsi(line.as_bytes()));
    log.bring_back(Position(1)..=Position(u64::MAX)).unwrap();
    log.close().await.unwrap();
    disk.take("archive");
    disk.put("archive", changed.as_bytes());
    let told = verify_on(&disk, &VerifyOptions::default()).unwrap_err();
    let VerifyError::Damaged { file, offset, .. } = &told else { panic!("{told}") };
    assert_eq!((file.as_str(), usize::try_from(*offset).unwrap()), ("archive", at));
    // And what is only here is verified from where the files say that it begins.
    let place = tempfile::tempdir().unwrap();
    for name in [&segments(&disk)[..], &["archive".to_owned()]].concat() {
        std::fs::write(place.path().join(&name), disk.contents(&name).unwrap()).unwrap();
    }
    let last = segments(&disk).pop().unwrap();
    for name in segments(&disk).iter().filter(|name| **name != last) {
        std::fs::remove_file(place.path().join(name)).unwrap();
    }
    let first: u64 = last.trim_end_matches(".seg").parse().unwrap();
    assert_eq!(archive_stat(place.path()).unwrap().local_from, first);
}
