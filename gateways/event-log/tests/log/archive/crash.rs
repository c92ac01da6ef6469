//! The power fails, or the process dies, in every change that archiving a segment or bringing one back makes; and the next
//! start finishes it, or begins again.

use super::store::Blobs;
use super::{ALL, NOW, all, archive, filled, open, options, segments};
use std::sync::Arc;
use stele_domain::port::event_log::{Position, Record};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::{EmbeddedLog, Reach, VerifyOptions, verify_on};

/// Disks that are tried per failure; `ops/test --long` tries many more.
fn seeds() -> u64 {
    if std::env::var_os("STELE_LONG").is_some() { 60 } else { 4 }
}

/// Moves all sealed segments away, or all back; whatever comes of it.
fn moved(disk: &SimulatedDisk, reach: &Reach, back: bool) {
    let Ok((log, _)) = EmbeddedLog::open_on(Arc::new(disk.clone()), options(reach)) else { return };
    if back {
        drop(log.bring_back(Position(1)..=Position(u64::MAX)));
    } else {
        drop(log.archive(&ALL, NOW));
    }
}

/// Opens what a crash left, reads all of it, ends the move, and reads all of it again.
async fn check(disk: &SimulatedDisk, blobs: &Arc<Blobs>, records: &[Record], back: bool, told: &str) {
    let reach = archive(blobs, 1 << 20);
    let log = EmbeddedLog::open_on(Arc::new(disk.clone()), options(&reach));
    let (log, report) = log.unwrap_or_else(|error| panic!("{told}: it doesn't open: {error}"));
    assert!(report.cut.is_none(), "{told}");
    assert!(all(&log).await == records, "{told}: other records");
    let unfinished =
        disk.names().into_iter().find(|name| name.strip_suffix(".tmp").is_some() && name != "next.tmp");
    assert_eq!(unfinished, None, "{told}");
    if back {
        log.bring_back(Position(1)..=Position(u64::MAX)).unwrap();
    } else {
        log.archive(&ALL, NOW).unwrap();
    }
    assert!(all(&log).await == records, "{told}: other records after it");
    log.close().await.unwrap();
    drop(log);
    assert_eq!(segments(disk).len() == 1, !back, "{told}: {:?}", segments(disk));
    if back {
        verify_on(disk, &VerifyOptions::default()).unwrap();
    }
}

async fn fails_everywhere(back: bool) -> u64 {
    let whole = SimulatedDisk::new();
    let records = filled(&whole).await;
    let stored = Arc::new(Blobs::default());
    if back {
        moved(&whole, &archive(&stored, 1 << 20), false);
    }
    let mut disks = 0;
    for nth in 1.. {
        let disk = whole.copy();
        let blobs = Arc::new(Blobs::default());
        *blobs.lock() = stored.contents();
        disk.cut_power_at(nth);
        let before = disk.changes();
        moved(&disk, &archive(&blobs, 1 << 20), back);
        if disk.changes() - before < nth {
            break;
        }
        for seed in 0..seeds() {
            let after = disk.after_power_loss(seed * 1_000 + nth);
            let told = format!("back: {back}, power failed in change {nth}, seed {seed}");
            check(&after, &blobs, &records, back, &told).await;
            disks += 1;
        }
        disk.kill_process();
        check(&disk, &blobs, &records, back, &format!("back: {back}, the process died in change {nth}"))
            .await;
    }
    disks
}

#[tokio::test]
async fn a_crash_in_any_change_of_archiving_loses_nothing_and_is_finished_by_the_next() {
    let disks = fails_everywhere(false).await;
    assert!(disks > 100, "archiving has only {disks} failures");
}

#[tokio::test]
async fn a_crash_in_any_change_of_bringing_back_loses_nothing_and_is_finished_by_the_next() {
    let disks = fails_everywhere(true).await;
    assert!(disks > 100, "bringing back has only {disks} failures");
}

#[tokio::test]
async fn a_disk_that_is_full_keeps_every_segment_somewhere() {
    let whole = SimulatedDisk::new();
    let records = filled(&whole).await;
    let blobs = Arc::new(Blobs::default());
    let log = open(&whole, &archive(&blobs, 1 << 20));
    let used: usize = whole.names().iter().map(|name| whole.contents(name).unwrap().len()).sum();
    whole.set_capacity(Some(u64::try_from(used).unwrap() + 100));
    assert!(log.archive(&ALL, NOW).is_err());
    assert_eq!(all(&log).await, records);
    whole.set_capacity(None);
    log.archive(&ALL, NOW).unwrap();
    let used: usize = whole.names().iter().map(|name| whole.contents(name).unwrap().len()).sum();
    whole.set_capacity(Some(u64::try_from(used).unwrap() + 4_000));
    assert!(log.bring_back(Position(1)..=Position(u64::MAX)).is_err());
    assert_eq!(all(&log).await, records);
    assert!(whole.contents("fetched.tmp").is_none());
}
