//! A disk on which making something durable takes its time. Nothing is acknowledged meanwhile and nothing unacknowledged is
//! seen; reads go on; what waits is kept as one group.

use crate::support::{
    Breaking, Offer, clock, offer, open, options, record, settled, sized, stream, try_open, until_one_waits,
};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{Direction, EventLog, Expected, Filter, LogError, Position, Revision};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::simulated_disk::{Fault, Held, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Options, VerifyOptions, verify_on};

/// Appends that wait at once: more than the writer's queue takes.
const WAITING: u64 = 5_000;

/// What takes no longer takes no look at the disk.
const SOON: Duration = Duration::from_secs(30);

/// Long enough for whoever does not wait, short for whoever does.
const A_WHILE: Duration = Duration::from_millis(200);

/// A group that is small is entered by the writer itself, one that is large beside it, if a thread may be beside it.
async fn each_way() -> Vec<(SimulatedDisk, Arc<EmbeddedLog>, usize)> {
    let mut ways = vec![];
    for bytes in [300, 60_000] {
        for in_line in [false, true] {
            let options = Options::new(clock()).with_segment_bytes(1024 * 1024);
            let options = if in_line { options.in_line() } else { options };
            let disk = SimulatedDisk::new();
            let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
            log.append(&stream("order-1"), Expected::NoStream, vec![record(1)]).await.unwrap();
            ways.push((disk, Arc::new(log), bytes));
        }
    }
    ways
}

/// Whatever can be asked knows of the first record and of no other.
async fn only_the_first_is_there(log: &EmbeddedLog) {
    assert_eq!(log.head().await.unwrap(), Position(1));
    assert_eq!(log.read_all(Position(1), &Filter::all(), 9).await.unwrap().records.len(), 1);
    let read = log.read_stream(&stream("order-1"), Revision(0), Direction::Forward, 9).await.unwrap();
    assert_eq!(read.len(), 1);
    let read = log.read_stream(&stream("order-1"), Revision(u64::MAX), Direction::Backward, 9).await.unwrap();
    assert_eq!(read.len(), 1);
    let none = log.read_stream(&stream("order-2"), Revision(0), Direction::Forward, 9).await.unwrap();
    assert_eq!(none.len(), 0);
    assert_eq!((log.stat().events, log.stat().commits), (1, 1));
    assert!(log.inclusion_proof(Position(2)).await.is_err());
    assert_eq!(Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap().size, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_sync_takes_its_time_nothing_is_acknowledged_and_reads_go_on() {
    for (disk, log, bytes) in each_way().await {
        let held = disk.hold_syncs();
        let offers = [offer(&log, "order-1", 2, bytes), offer(&log, "order-2", 3, bytes)];
        let held = until_one_waits(held).await;
        let follower = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.follow(Position(2), Filter::all()).next(9).await }
        });
        only_the_first_is_there(&log).await;
        assert!(verify_on(&disk, &VerifyOptions::default()).unwrap().owned, "a verification is welcome");
        assert!(offers.iter().all(|offer| !offer.is_finished()), "{bytes} bytes");
        assert!(!follower.is_finished(), "{bytes} bytes");
        // The power fails now: each append is there whole or not at all, and the first one is.
        for seed in 0..24 {
            let (after, report) = try_open(&disk.after_power_loss(seed)).unwrap();
            assert!((1..=3).contains(&report.head.0), "seed {seed}: {report:?}");
            let there = after.read_all(Position(1), &Filter::all(), 9).await.unwrap().records;
            assert!(there.iter().skip(1).all(|record| record.data.len() >= bytes), "seed {seed}");
        }
        drop(held);
        for offer in offers {
            offer.await.unwrap().unwrap();
        }
        assert!(!follower.await.unwrap().unwrap().records.is_empty());
        assert_eq!(log.head().await.unwrap(), Position(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sync_that_fails_in_the_end_acknowledges_nothing() {
    for (disk, log, bytes) in each_way().await {
        disk.inject(Operation::Sync, 1, Fault::InputOutput);
        let held = disk.hold_syncs();
        let refused = offer(&log, "order-1", 2, bytes);
        let held = until_one_waits(held).await;
        only_the_first_is_there(&log).await;
        drop(held);
        let refused = refused.await.unwrap();
        assert!(
            matches!(&refused, Err(LogError::Stopped(why)) if why.contains("input/output")),
            "{refused:?}"
        );
        only_the_first_is_there(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_acknowledges_nothing() {
    for (disk, log, bytes) in each_way().await {
        // Zeros may be written at the same time: whoever writes fails.
        (1..50).for_each(|nth| disk.inject(Operation::Write, nth, Fault::InputOutput));
        let refused = offer(&log, "order-1", 2, bytes).await.unwrap();
        assert!(
            matches!(&refused, Err(LogError::Stopped(why)) if why.contains("input/output")),
            "{refused:?}"
        );
        only_the_first_is_there(&log).await;
        assert!(matches!(log.close().await, Err(LogError::Stopped(_))));
    }
}

/// Hashing it begins before it is written: two wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_of_two_that_fails_acknowledges_nothing_and_leaves_no_leaf() {
    // The sync that waits comes first, and goes well; no other does, and no other write.
    for (operation, from) in [(Operation::Write, 1), (Operation::Sync, 2)] {
        let disk = SimulatedDisk::new();
        let options = Options::new(clock()).with_segment_bytes(1024 * 1024);
        let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap();
        let log = Arc::new(log);
        log.append(&stream("order-1"), Expected::NoStream, vec![record(1)]).await.unwrap();
        settled(&log).await;
        let held = disk.hold_syncs_of(".seg");
        let small = offer(&log, "order-1", 2, 300);
        let held = until_one_waits(held).await;
        (from..50).for_each(|nth| disk.inject(operation, nth, Fault::InputOutput));
        let large = async |number| {
            log.append(&stream("order-1"), Expected::Any, vec![sized(number, 60_000)]).await.map(|_| ())
        };
        let (one, two, ()) = tokio::join!(large(3), large(4), async { drop(held) });
        let answers = [small.await.unwrap().map(|_| ()), one, two];
        let is_stop = |answer: &&Result<(), LogError>| matches!(answer, Err(LogError::Stopped(_)));
        let refused = answers.iter().filter(is_stop).count();
        // The sync that waited may have been one of zeros: then all three can be in the group that follows it.
        assert!(refused >= 2 || operation == Operation::Sync && refused == 0, "{operation:?}: {answers:?}");
        let last = Position(1 + answers.iter().map(|answer| u64::from(answer.is_ok())).sum::<u64>());
        assert_eq!((log.head().await.unwrap(), log.stat().commits), (last, last.0));
        let ours = Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap();
        // What was refused may be there whole, as after any crash; what was answered is.
        for seed in 0..8 {
            let (again, report) = try_open(&disk.after_power_loss(seed)).unwrap();
            assert!((last.0..=4).contains(&report.head.0), "{operation:?}: {report:?}");
            let then = again.checkpoint_at(last.0).await.unwrap();
            assert_eq!(Checkpoint::open(&then, again.verifier()).unwrap(), ours, "{operation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_slow_sync_is_kept_in_few_groups_and_none_of_it_is_lost() {
    let disk = SimulatedDisk::new();
    let (log, _) = EmbeddedLog::open_on(Arc::new(disk.clone()), Options::new(clock())).unwrap();
    let log = Arc::new(log);
    let held = disk.hold_syncs();
    let first = offer(&log, "order-1", 1, 100);
    let held = until_one_waits(held).await;
    let before = disk.count(Operation::Sync);
    let offers: Vec<Offer> =
        (0..WAITING).map(|nth| offer(&log, &format!("order-{}", nth % 50), 10 + nth, 100)).collect();
    let closing = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(&stream("last-1"), Expected::NoStream, vec![record(2)]).await }
    });
    assert!(
        !first.is_finished() && offers.iter().all(|offer| !offer.is_finished()) && !closing.is_finished()
    );
    drop(held);
    first.await.unwrap().unwrap();
    let mut places = std::collections::BTreeSet::new();
    for offer in offers {
        places.insert(offer.await.unwrap().unwrap().first);
    }
    closing.await.unwrap().unwrap();
    assert_eq!(u64::try_from(places.len()).unwrap(), WAITING, "every append has a place of its own");
    assert_eq!(log.head().await.unwrap(), Position(WAITING + 2));
    // Some hundred groups at the very most, not thousands: those that wait go together.
    let syncs = disk.count(Operation::Sync) - before;
    assert!(syncs < WAITING / 10, "{syncs} syncs for {WAITING} appends");
    log.close().await.unwrap();
    drop(log);
    disk.kill_process();
    let log = open(&disk);
    assert_eq!(log.head().await.unwrap(), Position(WAITING + 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_a_slow_sync_and_leaves_a_checkpoint_over_what_it_kept() {
    for (disk, log, bytes) in each_way().await {
        let held = disk.hold_syncs();
        let kept = offer(&log, "order-1", 2, bytes);
        let held = until_one_waits(held).await;
        let closing = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.close().await }
        });
        assert!(!closing.is_finished() && !kept.is_finished());
        drop(held);
        kept.await.unwrap().unwrap();
        closing.await.unwrap().unwrap();
        assert_eq!(verify_on(&disk, &VerifyOptions::default()).unwrap().checkpointed, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_wait_for_the_disk_while_a_segment_begins() {
    for prepared in [true, false] {
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        for number in 0..5 {
            log.append(&stream("order-1"), Expected::Any, vec![sized(number, 200)]).await.unwrap();
        }
        log.close().await.unwrap();
        drop(log);
        if !prepared {
            disk.inject(Operation::Create, 1, Fault::NoRoom);
        }
        // Opened anew there is a checkpoint over all of it: the first that a new segment waits for is its header.
        let log = Arc::new(open(&disk));
        settled(&log).await;
        assert_eq!(disk.names().iter().any(|name| name == "next.tmp"), prepared);
        let held = disk.hold_syncs();
        let appended = offer(&log, "order-2", 100, 6_000);
        let held = until_one_waits(held).await;
        assert_eq!(
            disk.names().iter().filter(|name| name.strip_suffix(".seg").is_some()).count(),
            if prepared { 1 } else { 2 }
        );
        let reader = Arc::clone(&log);
        let read = tokio::spawn(async move {
            let read = reader.read_stream(&stream("order-1"), Revision(0), Direction::Forward, 99).await;
            (read.unwrap().len(), reader.stat().events)
        });
        let read = tokio::time::timeout(SOON, read).await;
        drop(held);
        assert_eq!(read.unwrap().unwrap(), (5, 5));
        appended.await.unwrap().unwrap();
        assert_eq!(log.stat().segments, 2);
    }
}

/// A log beside whose writer the next segment is being prepared, on a disk that does not get done with it.
async fn preparing(options: Options) -> (SimulatedDisk, Arc<EmbeddedLog>, Held) {
    let disk = SimulatedDisk::new();
    let held = disk.hold_syncs_of("next.tmp");
    let (log, _) =
        EmbeddedLog::open_on(Arc::new(disk.clone()), options.with_segment_bytes(1024 * 1024)).unwrap();
    log.append(&stream("order-1"), Expected::NoStream, vec![sized(1, 200_000)]).await.unwrap();
    let held = until_one_waits(held).await;
    (disk, Arc::new(log), held)
}

/// The directory is given up when nobody writes in it any more, and not before.
async fn is_owned_until_nobody_writes(disk: &SimulatedDisk, log: Arc<EmbeddedLog>, held: Held) {
    let mut closing = tokio::spawn(async move { log.close().await });
    let early = tokio::time::timeout(A_WHILE, &mut closing).await;
    let owned = verify_on(disk, &VerifyOptions::default()).unwrap().owned;
    drop(held);
    assert!(early.is_err() && owned, "given up while it was written in: {early:?}");
    assert!(matches!(closing.await.unwrap(), Err(LogError::Stopped(_))));
    assert!(!verify_on(disk, &VerifyOptions::default()).unwrap().owned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_stopped_is_given_up_when_nobody_writes_in_its_directory_any_more() {
    let (disk, log, held) = preparing(Options::new(clock())).await;
    // It meets the append, or zeros that are written beside it: the log stops either way.
    disk.inject(Operation::Write, 1, Fault::InputOutput);
    let mut number = 1;
    while log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.is_ok() {
        number += 1;
    }
    is_owned_until_nobody_writes(&disk, log, held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_panics_stops_the_log_with_its_words_and_gives_it_up_in_order() {
    let clock = Arc::new(Breaking::default());
    let (disk, log, held) = preparing(Options::new(Arc::clone(&clock) as _)).await;
    clock.break_it();
    let put = async |number| log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await;
    assert!(matches!(put(2).await, Err(LogError::Stopped(_))));
    let told = loop {
        let Err(LogError::Stopped(why)) = put(3).await else { panic!("an append to a log without a writer") };
        if why.contains("panicked") {
            break why;
        }
        tokio::task::yield_now().await;
    };
    assert!(told.contains("the clock is broken"), "{told}");
    assert_eq!(log.read_all(Position(1), &Filter::all(), 9).await.unwrap().records.len(), 1);
    is_owned_until_nobody_writes(&disk, log, held).await;
}

/// A log whose records are on the disk only.
async fn far(disk: &SimulatedDisk) -> EmbeddedLog {
    let log = open(disk);
    for number in 1..=3 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    log.close().await.unwrap();
    drop(log);
    EmbeddedLog::open_on(Arc::new(disk.clone()), options().with_cache_bytes(0)).unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_looks_away_now_and_then_gets_a_page_that_takes_longer() {
    let disk = SimulatedDisk::new();
    let log = far(&disk).await;
    let mut follower = log.follow(Position(1), Filter::all());
    let mut held = disk.hold_reads_of(".seg");
    for _ in 0..5 {
        assert!(tokio::time::timeout(A_WHILE / 10, follower.next(9)).await.is_err());
        held = until_one_waits(held).await;
    }
    assert_eq!(held.waiting(), 1, "one page is read, however often somebody looks away");
    drop(held);
    assert_eq!(follower.next(9).await.unwrap().records.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_looks_away_is_told_of_an_error_that_took_longer() {
    let disk = SimulatedDisk::new();
    let log = far(&disk).await;
    let mut follower = log.follow(Position(1), Filter::all());
    disk.inject(Operation::Read, 1, Fault::InputOutput);
    let held = disk.hold_reads_of(".seg");
    assert!(tokio::time::timeout(A_WHILE / 10, follower.next(9)).await.is_err());
    let held = until_one_waits(held).await;
    let reads = disk.count(Operation::Read);
    drop(held);
    // The page that nobody waits for any more comes to its end.
    while disk.count(Operation::Read) == reads {
        tokio::task::yield_now().await;
    }
    assert!(matches!(follower.next(9).await, Err(LogError::Unreachable(_))));
    assert_eq!(follower.next(9).await.unwrap().records.len(), 3, "it goes on where it was");
}
