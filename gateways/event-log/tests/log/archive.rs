//! Sealed segments in a blob store: they are read as if they were here, nothing is lost by a crash between any two steps,
//! and a store that fails harms nothing but the positions that are in it.

mod crash;
mod damage;
mod mistakes;
mod python;
mod store;

use crate::support::{Breaking, clock, sized, stream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stele_domain::port::blob_store::BlobStore;
use stele_domain::port::event_log::{
    Direction, EventLog, Expected, Filter, LogError, Position, Record, Revision,
};
use stele_domain::time::Timestamp;
use stele_event_log::simulated_disk::{Operation, SimulatedDisk};
use stele_event_log::storage::Storage as _;
use stele_event_log::{
    Archive, ArchiveError, ArchiveOptions, EmbeddedLog, Keep, KeepPace, Options, Reach, VerifyOptions,
    verify_on,
};
use store::Blobs;

/// All sealed segments go.
const ALL: Keep = Keep { segments: 0, bytes: 0, age_ms: 0, events: 0, before: None };

/// Looks often, and tries again soon.
const OFTEN: KeepPace = KeepPace {
    look_every: Duration::from_millis(20),
    retry_min: Duration::from_millis(20),
    retry_max: Duration::from_millis(100),
    hopeless_retry: Duration::from_hours(1),
};

const NOW: Timestamp = Timestamp::from_micros(i64::MAX / 2);

fn archive(blobs: &Arc<Blobs>, cache_bytes: u64) -> Reach {
    within(blobs, cache_bytes, Duration::from_secs(20))
}

fn within(blobs: &Arc<Blobs>, cache_bytes: u64, wait_max: Duration) -> Reach {
    let store = Arc::clone(blobs) as Arc<dyn BlobStore>;
    let options = ArchiveOptions { store, cache: Arc::new(SimulatedDisk::new()), cache_bytes, wait_max };
    Reach::of(Archive::new(options).unwrap())
}

/// Small segments and no memory of records, so that every read looks at files.
fn options(reach: &Reach) -> Options {
    Options::new(clock())
        .with_segment_bytes(8 * 1024)
        .with_cache_bytes(0)
        .in_line()
        .with_archive(reach.clone())
}

fn open(disk: &SimulatedDisk, reach: &Reach) -> EmbeddedLog {
    EmbeddedLog::open_on(Arc::new(disk.clone()), options(reach)).unwrap().0
}

async fn fill(log: &EmbeddedLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let name = stream(&format!("order-{}", number % 3));
        log.append(&name, Expected::Any, vec![sized(number, 700)]).await.unwrap();
    }
}

async fn all(log: &EmbeddedLog) -> Vec<Record> {
    let (mut records, mut from) = (vec![], Position(1));
    loop {
        let page = log.read_all(from, &Filter::all(), 10_000).await.unwrap();
        from = page.next;
        records.extend(page.records.iter().cloned());
        if page.caught_up() {
            return records;
        }
    }
}

/// The file that says which segments are archived, of a log whose sealed segments all are.
pub async fn manifest_of(disk: &SimulatedDisk) -> Vec<u8> {
    let (disk, blobs) = (disk.copy(), Arc::new(Blobs::default()));
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    disk.contents("archive").unwrap()
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.strip_suffix(".seg").is_some()).collect()
}

/// A log of several segments whose index files are there, closed.
async fn filled(disk: &SimulatedDisk) -> Vec<Record> {
    let log = open(disk, &Reach::default());
    fill(&log, 0..80).await;
    let records = all(&log).await;
    log.close().await.unwrap();
    drop(log);
    // The index of the segment that was sealed last.
    drop(open(disk, &Reach::default()));
    records
}

/// The trouble with the archive that a log's error comes from.
fn trouble(error: LogError) -> ArchiveError {
    let (LogError::Unreachable(source) | LogError::Lost(source)) = error else { panic!("{error}") };
    ArchiveError::behind(&*source).unwrap().clone()
}

#[tokio::test]
async fn an_archived_log_is_read_as_if_it_were_here_on_one_thread() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let before = segments(&disk);
    let originals: Vec<Vec<u8>> = before.iter().map(|name| disk.contents(name).unwrap()).collect();
    let reach = archive(&blobs, 1 << 20);
    let log = open(&disk, &reach);
    let done = log.archive(&ALL, NOW).unwrap();
    assert_eq!(usize::try_from(done.segments).unwrap(), before.len() - 1);
    assert_eq!(segments(&disk), before[before.len() - 1..]);
    let indexes = disk.names().iter().filter(|name| name.strip_suffix(".idx").is_some()).count();
    assert_eq!(indexes, before.len() - 1, "index files stay");
    for ((object, bytes), original) in blobs.contents().iter().zip(&originals) {
        assert!(object.starts_with(&log.stat().log.to_string()) && *bytes == *original, "{object}");
    }
    assert_eq!(all(&log).await, records);
    for name in 0..3 {
        let name = stream(&format!("order-{name}"));
        let read = log.read_stream(&name, Revision(0), Direction::Forward, 1_000).await.unwrap();
        let right: Vec<_> = records.iter().filter(|record| record.stream == name).cloned().collect();
        assert_eq!(read, right);
    }
    let looks = disk.count(Operation::Read);
    assert!(log.archive(&ALL, NOW).unwrap().segments == 0, "what is archived is not archived again");
    assert_eq!(disk.count(Operation::Read), looks, "nor is it looked for");
    fill(&log, 80..200).await;
    assert_eq!(all(&log).await.len(), 200);
    log.close().await.unwrap();
}

#[tokio::test]
async fn opening_an_archived_log_fetches_nothing_and_a_lost_index_is_made_again() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    drop(log);
    blobs.reads.store(0, Ordering::SeqCst);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    assert_eq!(blobs.reads.load(Ordering::SeqCst), 0, "opening fetched something");
    assert_eq!(log.stat().events, 80);
    log.close().await.unwrap();
    drop(log);
    let lost = disk.names().into_iter().find(|name| name.strip_suffix(".idx").is_some()).unwrap();
    let index = disk.contents(&lost).unwrap();
    disk.take(&lost);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    assert_eq!(blobs.reads.load(Ordering::SeqCst), 1, "one segment was fetched for its index");
    assert_eq!(disk.contents(&lost).unwrap(), index);
    assert_eq!(all(&log).await, records);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_one_segment_fetch_it_once() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let log = Arc::new(open(&disk, &archive(&blobs, 1 << 20)));
    log.archive(&ALL, NOW).unwrap();
    blobs.reads.store(0, Ordering::SeqCst);
    blobs.slow.store(true, Ordering::SeqCst);
    let readers: Vec<_> = (0..12)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.read_all(Position(1), &Filter::all(), 1).await })
        })
        .collect();
    while blobs.reads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // What is here goes on meanwhile: the newest segment is read, and written to.
    log.append(&stream("new-1"), Expected::NoStream, vec![sized(500, 10)]).await.unwrap();
    let newest = log.read_all(Position(81), &Filter::all(), 1).await.unwrap();
    assert_eq!(newest.records.len(), 1);
    blobs.slow.store(false, Ordering::SeqCst);
    blobs.let_go.notify_waiters();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().records, records[..1]);
    }
    assert_eq!(blobs.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_read_longest_ago_makes_room_and_the_limit_holds() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let cache = SimulatedDisk::new();
    // Room for two segments.
    let cache_bytes = 2 * 8 * 1024;
    let store = Arc::clone(&blobs) as Arc<dyn BlobStore>;
    cache.put("of-an-earlier-process.fetched", b"left");
    let options_of = ArchiveOptions {
        store,
        cache: Arc::new(cache.clone()),
        cache_bytes,
        wait_max: Duration::from_secs(20),
    };
    let reach = Reach::of(Archive::new(options_of).unwrap());
    assert!(cache.names().is_empty(), "what an earlier process fetched is not believed");
    let log = open(&disk, &reach);
    log.archive(&ALL, NOW).unwrap();
    for _ in 0..2 {
        assert_eq!(all(&log).await, records);
        let held: usize = cache.names().iter().map(|name| cache.contents(name).unwrap().len()).sum();
        assert!(cache.names().len() == 2 && held <= usize::try_from(cache_bytes).unwrap(), "{held} bytes");
    }
    drop((log, reach));
    // A segment that is larger than the limit is read all the same.
    let log = open(&disk, &archive(&blobs, 1));
    assert_eq!(all(&log).await, records);
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_for_what_is_in_it_and_for_nothing_else() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let reach = archive(&blobs, 1 << 20);
    let log = open(&disk, &reach);
    log.archive(&ALL, NOW).unwrap();
    let first = log.read_stream(&stream("order-0"), Revision(0), Direction::Forward, 1).await.unwrap();
    assert_eq!(first, records[..1]);
    drop((log, reach));
    blobs.away.store(true, Ordering::SeqCst);
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let error = log.read_all(Position(1), &Filter::all(), 10).await.unwrap_err();
    assert!(error.is_transient());
    let told = trouble(error);
    assert!(
        matches!(&told, ArchiveError::Unreachable { segment, .. } if segment.starts_with("0000")),
        "{told}"
    );
    // Appends that look at nothing old go on, and so do reads of what is here.
    log.append(&stream("new-1"), Expected::NoStream, vec![sized(500, 10)]).await.unwrap();
    assert_eq!(log.read_all(Position(81), &Filter::all(), 10).await.unwrap().records.len(), 1);
    // One that repeats something old waits for nobody: it is told that it can't be answered now.
    let repeated = log.append(&stream("order-0"), Expected::NoStream, vec![sized(0, 700)]).await.unwrap_err();
    assert!(repeated.is_transient(), "{repeated}");
    blobs.away.store(false, Ordering::SeqCst);
    let answer = loop {
        match log.append(&stream("order-0"), Expected::NoStream, vec![sized(0, 700)]).await {
            Ok(answer) => break answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(answer.repeated && answer.first == Position(1));
    assert_eq!(all(&log).await[..80], records);
}

#[tokio::test]
async fn an_append_that_needs_more_of_the_archive_than_is_kept_of_it_is_taken_in_the_end() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    // Room for one segment of them.
    let reach = archive(&blobs, 1);
    let log = open(&disk, &reach);
    log.archive(&ALL, NOW).unwrap();
    assert!(segments(&disk).len() < 3, "{:?}", segments(&disk));
    log.close().await.unwrap();
    drop(log);
    let log = open(&disk, &reach);
    for tries in 0.. {
        match log.append(&stream("new-1"), Expected::Any, vec![sized(500, 10)]).await {
            Ok(_) => break,
            Err(error) => assert!(error.is_transient() && tries < 500, "after {tries} tries: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What an old id was given to is known.
    assert!(log.append(&stream("order-0"), Expected::Any, vec![sized(0, 700)]).await.unwrap().repeated);
}

#[tokio::test]
async fn a_reader_waits_no_longer_than_it_was_told_and_finds_the_segment_later() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let log = open(&disk, &within(&blobs, 1 << 20, Duration::from_millis(50)));
    log.archive(&ALL, NOW).unwrap();
    blobs.slow.store(true, Ordering::SeqCst);
    let error = log.read_all(Position(1), &Filter::all(), 1).await.unwrap_err();
    assert!(matches!(trouble(error), ArchiveError::Late { waited_ms: 50.., .. }));
    blobs.slow.store(false, Ordering::SeqCst);
    blobs.let_go.notify_waiters();
    let page = loop {
        if let Ok(page) = log.read_all(Position(1), &Filter::all(), 1).await {
            break page;
        }
    };
    assert_eq!(page.records, records[..1]);
}

#[tokio::test]
async fn without_the_archive_its_segments_are_named_and_not_missing() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    log.archive(&ALL, NOW).unwrap();
    log.close().await.unwrap();
    drop(log);
    let log = open(&disk, &Reach::default());
    let told = trouble(log.read_all(Position(1), &Filter::all(), 1).await.unwrap_err());
    assert!(matches!(&told, ArchiveError::NoStore { url, .. } if url == "memory:test"), "{told}");
    log.append(&stream("new-1"), Expected::NoStream, vec![sized(500, 10)]).await.unwrap();
}

#[tokio::test]
async fn segments_stay_for_each_reason_and_go_oldest_first() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let sealed = u64::try_from(segments(&disk).len()).unwrap() - 1;
    let due = |keep: Keep| {
        let copy = disk.copy();
        let log = open(&copy, &archive(&Arc::new(Blobs::default()), 1 << 20));
        log.archive(&keep, NOW).unwrap()
    };
    assert_eq!(due(ALL).segments, sealed);
    assert_eq!(due(Keep { segments: 2, ..ALL }).segments, sealed - 2);
    assert_eq!(due(Keep { segments: 100, ..ALL }).segments, 0);
    assert_eq!(due(Keep { bytes: 8 * 1024 + 1, ..ALL }).segments, sealed - 2);
    assert_eq!(due(Keep { age_ms: i64::MAX, ..ALL }).segments, 0);
    assert_eq!(due(Keep { before: Some(Position(1)), ..ALL }).segments, 0);
    assert_eq!(due(Keep { events: u64::MAX, ..ALL }).held_by_events, sealed);
    let held = due(Keep { events: 80, ..ALL });
    assert_eq!((held.segments, held.held_by_events), (0, sealed));
    assert_eq!(
        due(Keep::default()).held_by_events,
        sealed,
        "the log compares appends with its newest events"
    );
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let second: u64 = segments(&disk)[1].trim_end_matches(".seg").parse().unwrap();
    let done = log.archive(&Keep { before: Some(Position(second)), ..ALL }, NOW).unwrap();
    assert_eq!(done.segments, 1);
    assert!(!segments(&disk).contains(&"00000000000000000001.seg".to_owned()));
}

#[tokio::test]
async fn an_object_that_is_there_is_taken_for_the_segment_only_when_it_is_the_same() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let (name, id) = (segments(&disk)[0].clone(), log.stat().log);
    let whole = disk.contents(&name).unwrap();
    let mut other = whole.clone();
    other[5_000] ^= 1;
    for taken in [other, whole[..6_000].to_vec(), vec![]] {
        blobs.lock().insert(format!("{id}/{name}"), taken.clone());
        let told = log.archive(&ALL, NOW).unwrap_err();
        assert!(matches!(&told, ArchiveError::Taken { segment, .. } if *segment == name), "{told}");
        assert!(disk.contents(&name).unwrap() == whole && blobs.contents()[&format!("{id}/{name}")] == taken);
        assert!(disk.contents("archive").is_none(), "nothing was entered");
    }
    blobs.lock().insert(format!("{id}/{name}"), whole);
    assert!(log.archive(&ALL, NOW).unwrap().segments > 1);
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_found_done_the_next_time() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    let log = open(&disk, &archive(&blobs, 1 << 20));
    blobs.mute.store(true, Ordering::SeqCst);
    let before = segments(&disk);
    assert!(matches!(log.archive(&ALL, NOW).unwrap_err(), ArchiveError::Unreachable { .. }));
    assert_eq!(segments(&disk), before);
    blobs.mute.store(false, Ordering::SeqCst);
    log.archive(&ALL, NOW).unwrap();
    assert_eq!(all(&log).await, records);
}

#[tokio::test]
async fn a_segment_that_was_brought_back_is_the_one_that_went() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    let records = filled(&disk).await;
    // The last one is written to.
    let before = segments(&disk);
    let sealed = &before[..before.len() - 1];
    let originals: Vec<_> = sealed.iter().map(|name| disk.contents(name)).collect();
    let log = open(&disk, &archive(&blobs, 1 << 20));
    let gone = log.archive(&ALL, NOW).unwrap();
    let one = log.bring_back(Position(1)..=Position(1)).unwrap();
    assert_eq!((one.segments, segments(&disk).len()), (1, 2));
    assert_eq!(all(&log).await, records);
    let rest = log.bring_back(Position(1)..=Position(u64::MAX)).unwrap();
    assert_eq!(rest.segments + 1, gone.segments);
    assert!(sealed.iter().map(|name| disk.contents(name)).collect::<Vec<_>>() == originals);
    log.close().await.unwrap();
    drop(log);
    verify_on(&disk, &VerifyOptions::default()).unwrap();
    assert_eq!(all(&open(&disk, &Reach::default())).await, records);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_owner_archives_by_itself_and_a_store_that_is_away_harms_nothing() {
    let (disk, blobs) = (SimulatedDisk::new(), Arc::new(Blobs::default()));
    blobs.away.store(true, Ordering::SeqCst);
    let keep = Keep { segments: 1, ..ALL };
    let options = options(&archive(&blobs, 1 << 20)).archiving_all_but(keep).archiving_at(OFTEN);
    let log = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0;
    fill(&log, 0..80).await;
    assert!(segments(&disk).len() > 3 && blobs.contents().is_empty());
    let records = all(&log).await;
    blobs.away.store(false, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    while segments(&disk).len() > 2 {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?} are still here", segments(&disk));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(all(&log).await, records);
    log.close().await.unwrap();
    assert_eq!(segments(&disk).len(), 2, "one sealed segment stays, and the last");
}

#[tokio::test]
async fn a_log_whose_writer_panicked_moves_no_segment_in_a_directory_that_may_be_somebody_elses() {
    let (disk, blobs, time) =
        (SimulatedDisk::new(), Arc::new(Blobs::default()), Arc::new(Breaking::default()));
    filled(&disk).await;
    let before = segments(&disk);
    let options = Options::new(Arc::clone(&time) as _).with_segment_bytes(8 * 1024);
    let options = options.with_archive(archive(&blobs, 1 << 20));
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
    time.break_it();
    log.append(&stream("order-0"), Expected::Any, vec![sized(900, 10)]).await.unwrap_err();
    while disk.is_owned().unwrap() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(log.archive(&ALL, NOW), Err(ArchiveError::Closed { .. })));
    assert_eq!(segments(&disk), before);
}
