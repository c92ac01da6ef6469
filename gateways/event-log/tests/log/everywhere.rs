//! Every single operation of a recorded workload fails, in each of the ways in which it can: what was acknowledged is there,
//! nothing else is half there, and an answer is the right one or none.

use crate::crash::check;
use crate::crash::workload::{Past, run_alone, run_whatever_fails};
use crate::support::{open, options, stream, try_open};
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::event_log::{Direction, EventLog, Filter, LogError, Position, Revision};
use stele_event_log::simulated_disk::{Fault, Operation, SimulatedDisk};
use stele_event_log::{EmbeddedLog, Options};

/// What each operation can end with. A short or an interrupted one is no failure: it is carried on.
const FAULTS: [(Operation, &[Fault]); 8] = [
    (Operation::Read, &[Fault::InputOutput, Fault::Short, Fault::Interrupted]),
    (Operation::Write, &[Fault::InputOutput, Fault::NoRoom, Fault::Short, Fault::Interrupted]),
    (Operation::Sync, &[Fault::InputOutput]),
    (Operation::SetLen, &[Fault::InputOutput, Fault::NoRoom]),
    (Operation::Create, &[Fault::InputOutput, Fault::NoRoom]),
    (Operation::Rename, &[Fault::InputOutput, Fault::NoRoom]),
    (Operation::Remove, &[Fault::InputOutput]),
    (Operation::SyncDirectory, &[Fault::InputOutput]),
];

/// How many changes after the fault the power fails, too; `ops/test --long` tries them all at every fault.
const CHANGES_LATER: [u64; 6] = [0, 1, 2, 3, 5, 9];

/// More records than the workload has.
const ALL: usize = 1_000;

fn long() -> bool {
    std::env::var_os("STELE_LONG").is_some()
}

async fn struck(disk: &SimulatedDisk, past: &Past, refused: &[LogError], fault: Fault, told: &str) {
    let harmless = matches!(fault, Fault::Short | Fault::Interrupted);
    assert!(!harmless || refused.is_empty(), "{told}: {refused:?}");
    for error in refused {
        let named = matches!(error, LogError::Full | LogError::Stopped(_) | LogError::Unreachable(_));
        assert!(named, "{told}: {error:?}");
        assert!(!matches!(error, LogError::Full) || fault == Fault::NoRoom, "{told}: {error:?}");
    }
    assert_eq!(check(&disk.copy(), past).await, Ok(()), "{told}; refused were {refused:?}");
}

#[tokio::test]
async fn a_fault_in_any_operation_loses_nothing_acknowledged() {
    strike_everywhere(&options()).await;
}

#[tokio::test]
async fn a_fault_in_any_operation_of_a_log_with_room_loses_nothing_acknowledged() {
    strike_everywhere(&options().with_room_bytes(20 * 1024)).await;
}

async fn strike_everywhere(options: &Options) {
    let mut strikes = 0;
    let mut refusals = BTreeMap::new();
    for (operation, faults) in FAULTS {
        for fault in faults {
            // What is carried on is looked at more closely by `ops/test --long`.
            let carried_on = matches!(fault, Fault::Short | Fault::Interrupted);
            for nth in (1..).step_by(if carried_on && !long() { 9 } else { 1 }) {
                let disk = SimulatedDisk::new();
                disk.inject(operation, nth, *fault);
                let (past, refused) = run_whatever_fails(&disk, options).await;
                if disk.struck_at().is_none() {
                    break;
                }
                let told = format!("{operation:?} {nth} ended with {fault:?}");
                struck(&disk, &past, &refused, *fault, &told).await;
                *refusals.entry((operation, format!("{fault:?}"))).or_insert(0) +=
                    u32::from(!refused.is_empty());
                strikes += 1;
            }
        }
    }
    assert!(strikes > 250, "the workload has only {strikes} faults");
    for seen in [Operation::Write, Operation::Sync, Operation::Read] {
        assert!(refusals[&(seen, "InputOutput".to_owned())] > 10, "{refusals:?}");
    }
    println!("{strikes} faults, each of which lost nothing; refused were {refusals:?}");
}

#[tokio::test]
async fn a_power_failure_behind_a_fault_in_any_operation_loses_nothing_acknowledged() {
    let mut disks = 0_u64;
    for (operation, faults) in FAULTS {
        for fault in faults.iter().filter(|fault| matches!(fault, Fault::InputOutput | Fault::NoRoom)) {
            for nth in 1.. {
                let disk = SimulatedDisk::new();
                disk.inject(operation, nth, *fault);
                run_whatever_fails(&disk, &options()).await;
                let Some(change) = disk.struck_at() else { break };
                let one = usize::try_from(nth).unwrap() % CHANGES_LATER.len();
                for later in if long() { &CHANGES_LATER[..] } else { &CHANGES_LATER[one..=one] } {
                    let disk = SimulatedDisk::new();
                    disk.inject(operation, nth, *fault);
                    // In the change that it struck there is no power to lose any more.
                    disk.cut_power_at(change + 1 + later);
                    let past = run_whatever_fails(&disk, &options()).await.0;
                    let seed = nth * 31 + later;
                    let told = format!(
                        "{operation:?} {nth} ended with {fault:?}, power failed {later} changes later, seed {seed}"
                    );
                    assert_eq!(check(&disk.after_power_loss(seed), &past).await, Ok(()), "{told}");
                    disks += 1;
                }
            }
        }
    }
    assert!(disks > 150, "the workload has only {disks} pairs of failures");
    println!("{disks} power failures behind a fault, each of which lost nothing");
}

/// Asks a log for everything that it can be asked, in one order: each answer in words, or why there is none.
async fn asked(log: &EmbeddedLog) -> Vec<Result<String, LogError>> {
    let mut told = vec![];
    for (from, limit) in [(1, ALL), (9, 4), (20, ALL)] {
        told.push(log.read_all(Position(from), &Filter::all(), limit).await.map(|page| format!("{page:?}")));
    }
    for name in ["a-1", "b-1", "c-1", "none-1"] {
        for (from, direction) in [(0, Direction::Forward), (u64::MAX, Direction::Backward)] {
            let read = log.read_stream(&stream(name), Revision(from), direction, ALL).await;
            told.push(read.map(|records| format!("{records:?}")));
        }
    }
    for position in [1, 7, 14] {
        told.push(log.inclusion_proof(Position(position)).await.map(|proof| format!("{proof:?}")));
    }
    told.push(log.consistency_proof(2, 8).await.map(|proof| format!("{proof:?}")));
    let mut follow = log.follow(Position(3), Filter::all());
    told.push(follow.next(5).await.map(|page| format!("{page:?}")));
    told
}

#[tokio::test]
async fn a_read_that_fails_anywhere_is_an_error_that_passes_and_never_another_answer() {
    let disk = SimulatedDisk::new();
    run_alone(&disk).await;
    disk.kill_process();
    open(&disk).close().await.unwrap();
    // Nothing is remembered: every answer is read.
    let cold = |disk: &SimulatedDisk| {
        let options = options().with_cache_bytes(0);
        EmbeddedLog::open_on(Arc::new(disk.clone()), options).unwrap().0
    };
    let right = asked(&cold(&disk.copy())).await;
    let right: Vec<String> = right.into_iter().map(Result::unwrap).collect();
    let (mut reads, mut refusals) = (0, 0);
    for fault in [Fault::InputOutput, Fault::Short, Fault::Interrupted] {
        for nth in 1.. {
            let copy = disk.copy();
            let log = cold(&copy);
            copy.inject(Operation::Read, nth, fault);
            for (answer, right) in asked(&log).await.iter().zip(&right) {
                match answer {
                    Ok(answer) => assert_eq!(answer, right, "read {nth} ended with {fault:?}"),
                    Err(error) => {
                        assert!(fault == Fault::InputOutput && error.is_transient(), "{fault:?}: {error}");
                        refusals += 1;
                    }
                }
            }
            if copy.struck_at().is_none() {
                break;
            }
            // The second time it answers.
            let again: Vec<String> = asked(&log).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(again, right, "read {nth} ended with {fault:?}");
            reads += 1;
        }
    }
    assert!(reads > 60 && refusals > 20, "{reads} reads failed, {refusals} answers were refused");
}

#[tokio::test]
async fn a_power_failure_in_any_change_of_making_lost_index_files_again_loses_nothing() {
    let whole = SimulatedDisk::new();
    let past = run_alone(&whole).await;
    whole.kill_process();
    open(&whole).close().await.unwrap();
    let lost: Vec<String> = whole.names().into_iter().filter(|name| name.contains(".idx")).collect();
    assert!(lost.len() > 1, "{lost:?}");
    for name in &lost {
        whole.take(name);
    }
    let mut disks = 0;
    for nth in 1.. {
        let disk = whole.copy();
        disk.cut_power_at(nth);
        if try_open(&disk).is_ok() && disk.changes() < nth {
            break;
        }
        for seed in 0..8 {
            let after = disk.after_power_loss(seed * 1_000 + nth);
            assert_eq!(check(&after, &past).await, Ok(()), "power failed in change {nth}, seed {seed}");
            for name in &lost {
                assert!(after.contents(name).is_some(), "{name} is not made again");
            }
            disks += 1;
        }
    }
    assert!(disks > 60, "making them again has only {disks} failures");
}
