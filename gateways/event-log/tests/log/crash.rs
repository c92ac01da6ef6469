//! The power fails, or the process dies, in the middle of every single change of a recorded workload; then the
//! log is opened again, on every one of many disks that the failure may have left behind.

pub mod workload;

use crate::support::{options, record, settled, stream, try_open};
use stele_domain::port::event_log::{EventLog, Expected};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{VerifyOptions, verify_on};
use workload::{Past, run, run_alone, run_in_order, run_in_order_with};

/// Disks that are tried per failure; `ops/test --long` tries many more.
fn seeds() -> u64 {
    if std::env::var_os("STELE_LONG").is_some() { 100 } else { 12 }
}

/// Disks that are tried per second failure.
fn seeds_again() -> u64 {
    seeds() / 3
}

/// Opens the log on what a failure left, and holds it against the past.
pub async fn check(disk: &SimulatedDisk, past: &Past) -> Result<(), String> {
    let before = verify_on(disk, &VerifyOptions::default());
    let (log, report) = try_open(disk).map_err(|error| format!("it doesn't open: {error}"))?;
    // A verification before recovery sees the same log, unless its creation had not got that far.
    if let Ok(before) = before {
        if before.stat.commits != report.commits {
            return Err(format!("verify saw {} commits, recovery {}", before.stat.commits, report.commits));
        }
        let cut = report.cut.as_ref().map_or(0, |cut| cut.bytes);
        if before.unfinished_bytes != cut {
            return Err(format!(
                "verify saw {} unfinished bytes, recovery cut {cut}",
                before.unfinished_bytes
            ));
        }
    } else if past.acknowledged() > 0 {
        return Err(format!("it isn't verified before recovery: {before:?}"));
    }
    past.compare_with(&log).await?;
    past.try_again(&log).await?;
    let more = log.append(&stream("after-1"), Expected::NoStream, vec![record(900_000)]).await;
    more.map_err(|error| format!("it takes no more appends: {error}"))?;
    log.close().await.map_err(|error| format!("it doesn't close: {error}"))?;
    drop(log);
    let after = verify_on(disk, &VerifyOptions::default());
    let after = after.map_err(|error| format!("it isn't verified after recovery: {error}"))?;
    if after.checkpointed != after.stat.commits || after.unfinished_bytes != 0 {
        return Err(format!("it was not closed cleanly: {after:?}"));
    }
    let (_, again) = try_open(disk).map_err(|error| format!("it doesn't open again: {error}"))?;
    if again.cut.is_some() || again.commits != after.stat.commits {
        return Err(format!("opening it again cut {:?}", again.cut));
    }
    Ok(())
}

/// Fails at the `nth` change; `None` when the workload has fewer.
async fn fail_at(disk: &SimulatedDisk, nth: u64) -> Option<Past> {
    disk.cut_power_at(nth);
    let past = run(disk).await;
    (disk.changes() >= nth).then_some(past)
}

#[tokio::test]
async fn a_power_failure_in_any_change_loses_nothing_acknowledged() {
    let mut disks = 0;
    let mut cuts = 0;
    for nth in 1.. {
        let disk = SimulatedDisk::new();
        let Some(past) = fail_at(&disk, nth).await else {
            break;
        };
        for seed in 0..seeds() {
            let after = disk.after_power_loss(seed * 1_000 + nth);
            let checked = check(&after, &past).await;
            assert_eq!(checked, Ok(()), "power failed in change {nth}, seed {seed}");
            cuts += quarantined(&after);
            disks += 1;
        }
    }
    assert!(disks > 1_000, "the workload has only {disks} failures");
    assert!(cuts > 50, "only {cuts} of {disks} failures left an unfinished write");
    println!(
        "{disks} power failures in every change, {} seeds each: {cuts} left an unfinished write",
        seeds()
    );
}

/// With files of zeros made before they are needed, taken, and made anew.
#[tokio::test]
async fn a_power_failure_in_any_change_of_a_log_with_room_loses_nothing_acknowledged() {
    let options = options().with_room_bytes(20 * 1024);
    let (mut disks, mut prepared) = (0, 0);
    for nth in 1.. {
        let disk = SimulatedDisk::new();
        disk.cut_power_at(nth);
        let past = run_in_order_with(&disk, &options).await;
        if disk.changes() < nth {
            break;
        }
        for seed in 0..seeds_again() {
            let after = disk.after_power_loss(seed * 1_000 + nth);
            prepared += after.names().iter().filter(|name| name.starts_with("next-")).count();
            assert_eq!(check(&after, &past).await, Ok(()), "power failed in change {nth}, seed {seed}");
            assert!(!after.names().iter().any(|name| name.starts_with("next-")), "{:?}", after.names());
            disks += 1;
        }
    }
    assert!(disks > 400 && prepared > 400, "{prepared} files of zeros on {disks} disks");
    println!("{disks} power failures of a log with room, {prepared} files of zeros were left behind");
}

fn quarantined(disk: &SimulatedDisk) -> usize {
    disk.names().iter().filter(|name| name.starts_with("quarantine-")).count()
}

/// Fails in every change of recovery; returns how many disks that was.
async fn fail_again(after: &SimulatedDisk, past: &Past, seeds: u64, first: &str) -> u64 {
    let mut disks = 0;
    for again in 1.. {
        let second = after.copy();
        second.cut_power_at(again);
        if try_open(&second).is_ok() {
            break;
        }
        for seed in 0..seeds {
            let found = second.after_power_loss(seed * 1_000 + again);
            let told = || format!("{first}, then power failed in change {again} of recovery, seed {seed}");
            let copies = quarantined(&found).max(1);
            assert_eq!(check(&found, past).await, Ok(()), "{}", told());
            // One unfinished write is kept aside once, however often recovery had to begin.
            assert!(quarantined(&found) <= copies, "{}: {:?}", told(), found.names());
            disks += 1;
        }
    }
    disks
}

#[tokio::test]
async fn a_second_power_failure_while_recovering_loses_nothing_acknowledged() {
    let mut disks = 0;
    for nth in (5..).step_by(7) {
        let disk = SimulatedDisk::new();
        let Some(past) = fail_at(&disk, nth).await else {
            break;
        };
        let after = disk.after_power_loss(nth);
        disks += fail_again(&after, &past, seeds_again(), &format!("power failed in change {nth}")).await;
    }
    println!("{disks} second power failures while recovering");
}

/// Of the workload with several writers at once, every run has other groups. This one is always the same.
#[tokio::test]
async fn a_second_power_failure_after_any_change_of_one_writer_loses_nothing_acknowledged() {
    let mut disks = 0;
    for nth in 1.. {
        let disk = SimulatedDisk::new();
        disk.cut_power_at(nth);
        let past = run_in_order(&disk).await;
        if disk.changes() < nth {
            break;
        }
        let after = disk.after_power_loss(nth);
        disks += fail_again(&after, &past, 1, &format!("power failed in change {nth}")).await;
    }
    assert!(disks > 500, "the workload has only {disks} pairs of failures");
    println!("{disks} second power failures after any change of one writer");
}

#[tokio::test]
async fn a_checkpoint_that_was_not_finished_never_shows_through_the_next_one() {
    const SECTOR: usize = 512;
    let disk = SimulatedDisk::new();
    let mut past = run_alone(&disk).await;
    let (log, _) = try_open(&disk).unwrap();
    let offer = vec![record(800_000)];
    let answer = log.append(&stream("late-1"), Expected::NoStream, offer.clone()).await.unwrap();
    past.acknowledge("late-1", offer, answer);
    disk.kill_process();
    drop(log);
    let whole = disk.contents("checkpoints").unwrap();
    let closed = disk.copy();
    try_open(&closed).unwrap().0.close().await.unwrap();
    let next = closed.contents("checkpoints").unwrap().split_off(whole.len());
    assert_eq!(next.len(), SECTOR, "the log has commits that no checkpoint is over");
    let mut disks = 0;
    for left in [1, 60, 300, SECTOR - 1] {
        for tail in [&next[..left], &vec![0; left + 1]] {
            let after = disk.copy();
            after.put("checkpoints", &[&whole, tail].concat());
            disks +=
                fail_again(&after, &past, seeds(), &format!("a checkpoint ended after {left} bytes")).await;
        }
    }
    assert!(disks > 400, "recovery has only {disks} failures");
}

#[tokio::test]
async fn a_process_that_dies_in_any_change_loses_nothing_acknowledged() {
    let mut deaths = 0;
    for nth in 1.. {
        let disk = SimulatedDisk::new();
        let Some(past) = fail_at(&disk, nth).await else {
            break;
        };
        disk.kill_process();
        assert_eq!(check(&disk, &past).await, Ok(()), "the process died in change {nth}");
        deaths = nth;
    }
    println!("{deaths} processes that died, one in every change");
}

#[tokio::test]
async fn the_suite_notices_when_fdatasync_is_taken_out() {
    let mut noticed = 0;
    for nth in (20..).step_by(5) {
        let disk = SimulatedDisk::that_ignores_sync_of(".seg");
        let Some(past) = fail_at(&disk, nth).await else {
            break;
        };
        for seed in 0..seeds() {
            noticed += u32::from(check(&disk.after_power_loss(seed), &past).await.is_err());
        }
    }
    assert!(noticed > 50, "only {noticed} failures were noticed");
}

/// Failures that are noticed when the disk does not sync what it says it has, of every fifth change.
async fn noticed(disk: impl Fn() -> SimulatedDisk) -> u32 {
    let mut noticed = 0;
    for nth in (8..).step_by(5) {
        let disk = disk();
        disk.cut_power_at(nth);
        let past = run_in_order(&disk).await;
        if disk.changes() < nth {
            break;
        }
        for seed in 0..4 {
            noticed += u32::from(check(&disk.after_power_loss(seed), &past).await.is_err());
        }
    }
    noticed
}

#[tokio::test]
async fn the_suite_notices_when_any_sync_that_counts_is_taken_out() {
    assert_eq!(noticed(SimulatedDisk::new).await, 0, "nothing is wrong where everything is synced");
    // The zeros that are prepared are written again as a segment's, with its header: theirs alone does not count.
    for suffix in [".seg", "checkpoints", "key.tmp", "index.tmp"] {
        let found = noticed(|| SimulatedDisk::that_ignores_sync_of(suffix)).await;
        assert!(found > 3, "{found} failures were noticed without syncs of {suffix}");
    }
    let found = noticed(SimulatedDisk::that_ignores_sync_of_names).await;
    assert!(found > 3, "{found} failures were noticed without syncs of names");
}

#[tokio::test]
async fn a_log_that_was_seen_after_a_failed_fsync_is_durable_once_it_is_open() {
    use stele_event_log::simulated_disk::{Fault, Operation};
    let disk = SimulatedDisk::new();
    let mut past = run_alone(&disk).await;
    let (log, _) = try_open(&disk).unwrap();
    settled(&log).await;
    disk.inject(Operation::Sync, 1, Fault::InputOutput);
    let offer = vec![record(800_000), record(800_001)];
    let refused = log.append(&stream("late-1"), Expected::NoStream, offer.clone()).await;
    assert!(refused.is_err());
    // The process starts again on the same machine: what was never written still reads well.
    disk.kill_process();
    drop(log);
    let (log, _) = try_open(&disk).unwrap();
    let answer = log.append(&stream("late-1"), Expected::NoStream, offer.clone()).await.unwrap();
    assert!(answer.repeated, "the records were read back, so they are acknowledged now");
    past.acknowledge("late-1", offer, answer);
    drop(log);
    for seed in 0..seeds() {
        assert_eq!(check(&disk.after_power_loss(seed), &past).await, Ok(()), "seed {seed}");
    }
}

#[tokio::test]
async fn what_was_cut_is_kept_aside_byte_for_byte() {
    let mut kept = 0;
    for nth in 30..90 {
        let disk = SimulatedDisk::new();
        if fail_at(&disk, nth).await.is_none() {
            break;
        }
        let after = disk.after_power_loss(nth * 31);
        let as_found = after.copy();
        let (_, report) =
            stele_event_log::EmbeddedLog::open_on(std::sync::Arc::new(after.clone()), options()).unwrap();
        let Some(cut) = report.cut else {
            continue;
        };
        let whole = as_found.contents(&cut.file).unwrap();
        let (offset, bytes) = (usize::try_from(cut.offset).unwrap(), usize::try_from(cut.bytes).unwrap());
        let (tail, rest) = whole[offset..].split_at(bytes);
        assert_eq!(after.contents(&cut.quarantine).unwrap(), tail);
        assert!(tail.last() != Some(&0) && rest.iter().all(|byte| *byte == 0), "{bytes} bytes were cut");
        kept += 1;
    }
    assert!(kept > 0, "nothing was cut");
}
