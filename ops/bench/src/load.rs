//! What the desk withstands: far more quotes than a market has, for a minute, while it trades.

use crate::desk::{Desk, Ground, now};
use crate::evidence::Evidence;
use crate::figures::{millis, share_bps};
use crate::traffic::Published;
use crate::{Place, settings, traffic};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Duration;
use stele_api::client::RowsQuery;
use stele_domain::time::Timestamp;
use stele_simulator::Requests;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often the memory is looked at. The first look is what the last one is compared with.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often the tables are asked for the last decision.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// How long the last decision may take to be in the tables.
const CATCH_UP_MAX: Duration = Duration::from_mins(1);
/// How long the offers that are still out may take to come to an end.
const SETTLE: Duration = Duration::from_secs(3);

/// Runs the desk at a pace that it has to hold.
pub(crate) async fn run(place: &Place, per_second: u32, seconds: u64) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let desk = Desk::start(place, &ground).await?;
    let handle = desk.simulator.handle();
    let mut requests = Requests::new(place.seed, settings::requests(true));
    let began = Instant::now();
    let span = Duration::from_secs(seconds);
    let traffic = traffic::publish(&handle, &mut requests, per_second, span);
    let (published, resident) = tokio::join!(traffic, memory(&desk, began, span));
    let (published, resident) = (published?, resident?);
    let (first_kib, last_kib) = (resident.first().copied().unwrap_or(0), desk.resident_kib()?);
    let cpu = desk.cpu_centiseconds()?;
    let shown = timeout(CATCH_UP_MAX, tables_show(&desk, &published)).await;
    let shown = shown.context("the tables do not show the last decision")??;
    sleep(SETTLE).await;
    let counters = desk.counters().await?;
    let simulator = desk.end().await?;
    let evidence = Evidence::gather(&handle, &ground.log()).await?;
    let summary = handle.summary();
    simulator.shutdown().await;
    let (last, _) = published.last.clone().context("nothing was published")?;
    let last = evidence.ways.get(&last).copied().unwrap_or_default();
    let lag = |to: Option<Timestamp>| Some(millis(to?.micros() - last.out?.micros()));
    let count = |event_type: &str| evidence.count(event_type);
    let frames = u64::try_from(evidence.ways.values().filter(|way| way.out.is_some()).count())?;
    let decisions = count("trading.Decided");
    Ok(json!({
        "benchmark": "load",
        "quotes_per_second": per_second,
        "seconds": seconds,
        "quotes": published.quotes,
        "frames_out": frames,
        "frames_lost": frames.saturating_sub(count("intents.QuoteReceived")),
        "slow_readers": summary.auctions.slow_readers,
        "demands": count("intents.DemandNormalised"),
        "decisions": decisions,
        "signed": summary.journal.quote_response_frames,
        "signed_share_bps": share_bps(summary.journal.quote_response_frames, decisions),
        "settled": count("trading.SubmissionSettled"),
        "final_lag_ms": { "log": lag(last.decided), "tables": lag(Some(shown)), "target": 250 },
        "frame_to_decision_ms": evidence.spans(|way| way.out, |way| way.decided).said(),
        "frame_to_answer_ms": evidence.spans(|way| way.out, |way| way.answered).said(),
        "resident_kib": { "every_10_s": resident, "end": last_kib },
        "growth_bps": i64::try_from(share_bps(last_kib, first_kib))? - 10_000,
        "growth_target_bps": 2_000,
        "desk_cpu_seconds": millis(i64::try_from(cpu)? * 10),
        "records": evidence.records,
        "skipped": evidence.skipped,
        "verdicts": summary.journal.verdicts,
        "desk_counters": counters,
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// Memory of the desk in KiB, every few seconds while the traffic lasts; at least once.
async fn memory(desk: &Desk, began: Instant, span: Duration) -> anyhow::Result<Vec<u64>> {
    let mut looks = vec![];
    let mut at = LOOK_EVERY.min(span);
    while at <= span {
        sleep_until(began + at).await;
        looks.push(desk.resident_kib()?);
        at += LOOK_EVERY;
    }
    Ok(looks)
}

/// Waits until the decision on the last quote is in the tables.
async fn tables_show(desk: &Desk, published: &Published) -> anyhow::Result<Timestamp> {
    let (last, _) = published.last.clone().context("nothing was published")?;
    let query = RowsQuery { filters: vec![("quote_id".to_owned(), last)], ..RowsQuery::default() };
    loop {
        let page = desk.client.rows("decisions", &query).await?;
        if !page.rows.is_empty() {
            return Ok(now());
        }
        sleep(ASK_EVERY).await;
    }
}
