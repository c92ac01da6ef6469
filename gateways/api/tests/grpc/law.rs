//! The law: whatever is asked, in whatever order and by whomever, REST and gRPC give the same outcome and the same code.
//!
//! Two desks that are the same get the same script, one through each door.

mod ask;
mod grpc;
mod rest;

use crate::desk::lacking::{damaged, settled};
use crate::served::Served;
use ask::{Script, Step};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use serde_json::Value;
use std::collections::BTreeSet;
use stele_domain::operations::alert::event::Kind;

/// What came of one step, as far as both doors can say it.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A wish was carried out, or was so already.
    Done {
        outcome: String,
        /// Whether the log has it. Where, both desks may say differently: attempts are written beside.
        recorded: bool,
        replayed: bool,
    },
    /// A question was answered, with this at its heart.
    Read(Value),
    /// No, and why.
    Refused(String),
}

#[test]
fn both_doors_give_the_same_outcome_and_the_same_code() {
    fn law(script: Script) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (one, other) = (Served::ready().await, Served::ready().await);
            for served in [&one, &other] {
                served.desk.raise(Kind::UnmatchedCredit, "more than was expected").await;
            }
            let (at_one, at_other) = (damaged(&one.desk).await, damaged(&other.desk).await);
            assert_eq!(at_one, at_other, "desks that are the same");
            settled(&one.desk).await;
            settled(&other.desk).await;
            let mut grpc = grpc::Door::open(&other).await;
            for (at, step) in script.0.into_iter().enumerate() {
                let (rest, grpc) =
                    tokio::join!(rest::told(&one, at, &step, at_one.0), grpc.told(at, &step, at_one.0));
                assert_eq!(rest, grpc, "step {at}: {step:?}");
                one.desk.clock.advance_ms(step.pause_ms);
                other.desk.clock.advance_ms(step.pause_ms);
            }
        });
        true
    }
    QuickCheck::new().tests(25).quickcheck(law as fn(Script) -> bool);
}

/// Most steps until everything was seen that has to be: a hundred times what it takes.
const STEPS_MAX: usize = 20_000;

/// A law about steps that are always refused would be none: every kind of answer is reached.
#[test]
fn the_scripts_reach_success_repetition_and_refusal() {
    let mut wanted = BTreeSet::from([
        "recorded false",
        "recorded true",
        "already_so false",
        "read",
        "bad-request",
        "forbidden",
        "idempotency-key-reused",
        "unknown-service",
        "unknown-alert",
        "clears_itself",
        "unknown-table",
        "unknown-id",
        "unknown-position",
        "reason_missing",
        "nothing_to_refresh",
        "unknown-projection",
        "not-parked",
        "not_parked",
        "being_retried",
        "audit_running",
        "unknown-audit",
        "no-report",
        "position-beyond-head",
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let served = Served::ready().await;
        let damaged = damaged(&served.desk).await.0;
        settled(&served.desk).await;
        let mut generator = Gen::new(200);
        for at in 0..STEPS_MAX {
            let step = Step::arbitrary(&mut generator);
            let seen = match rest::told(&served, at, &step, damaged).await {
                Told::Done { outcome, replayed, .. } => format!("{outcome} {replayed}"),
                Told::Read(_) => "read".to_owned(),
                Told::Refused(code) => code,
            };
            wanted.remove(seen.as_str());
            if wanted.is_empty() {
                return;
            }
        }
        panic!("never seen: {wanted:?}");
    });
}
