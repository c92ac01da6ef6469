//! How long a taker waits: from a quote's frame out of the simulator to the signed answer's frame in.

use crate::desk::{Desk, Ground};
use crate::disk::Disk;
use crate::evidence::{Evidence, Way};
use crate::figures::{millis, share_bps};
use crate::{Place, settings, traffic};
use serde_json::{Value, json};
use std::time::Duration;
use stele_simulator::Requests;
use tokio::time::sleep;

/// Quotes before the measuring, so that connections, caches and ledgers are warm.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last answers may take.
const SETTLE: Duration = Duration::from_secs(2);
/// Appends between a frame and its answer, each of which is made durable before the next begins.
const APPENDS: i64 = 3;
/// What may come on top of them, in microseconds.
const BESIDES_MICROS: i64 = 1_000;

/// Runs the desk at a pace at which every quote should be answered.
pub(crate) async fn run(place: &Place, per_second: u32, seconds: u64) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let before = Disk::measure(ground.path())?;
    let desk = Desk::start(place, &ground).await?;
    let handle = desk.simulator.handle();
    let mut requests = Requests::new(place.seed, settings::requests(false));
    traffic::publish(&handle, &mut requests, per_second, WARM_UP).await?;
    let measured_from = crate::desk::now();
    traffic::publish(&handle, &mut requests, per_second, Duration::from_secs(seconds)).await?;
    let measured_to = crate::desk::now();
    sleep(SETTLE).await;
    let (counters, cpu) = (desk.counters().await?, desk.cpu_centiseconds()?);
    let simulator = desk.end().await?;
    let after = Disk::measure(ground.path())?;
    let mut evidence = Evidence::gather(&handle, &ground.log()).await?;
    let summary = handle.summary();
    simulator.shutdown().await;
    let counted = |way: &Way| way.out.is_some_and(|out| out >= measured_from && out <= measured_to);
    evidence.ways.retain(|_, way| counted(way));
    let quotes = u64::try_from(evidence.ways.len())?;
    let answered = evidence.ways.values().filter(|way| way.answered.is_some()).count();
    let latency = evidence.spans(|way| way.out, |way| way.answered);
    let target = |fdatasync: fn(&Disk) -> i64| {
        let least = fdatasync(&before).min(fdatasync(&after));
        millis(APPENDS * least + BESIDES_MICROS)
    };
    Ok(json!({
        "benchmark": "respond",
        "quotes_per_second": per_second,
        "quotes": quotes,
        "answered": answered,
        "answered_share_bps": share_bps(u64::try_from(answered)?, quotes),
        "frame_to_answer_ms": latency.said(),
        "of_which_ms": {
            "frame_to_request_commit": evidence.spans(|way| way.out, |way| way.received).said(),
            "to_decision_commit": evidence.spans(|way| way.received, |way| way.decided).said(),
            "to_offer_commit": evidence.spans(|way| way.decided, |way| way.started).said(),
            "to_answer": evidence.spans(|way| way.started, |way| way.answered).said(),
        },
        "fdatasync_ms": { "before": before.said(), "after": after.said() },
        "p50_ms": millis(latency.median()),
        "p50_target_ms": { "paced": target(Disk::paced), "back_to_back": target(Disk::back_to_back) },
        "p99_ms": millis(latency.permille(990)),
        "p99_target_ms": 25,
        "skipped": evidence.skipped,
        "verdicts": summary.journal.verdicts,
        "desk_cpu_seconds": millis(i64::try_from(cpu)? * 10),
        "desk_counters": counters,
        "processors": std::thread::available_parallelism()?.get(),
    }))
}
