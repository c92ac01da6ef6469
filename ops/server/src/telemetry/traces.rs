//! Traces: one per quote, from its arrival to its end, told from the log to a collector that speaks OTLP.
//!
//! Nothing on the way of a quote knows of it: a follower reads what was recorded, so a trace is whole across crashes
//! and processes, and a collector that is slow or away costs the desk nothing. What it can't take is dropped and
//! counted. The trace's id is the quote's correlation id, its spans' ids follow from it: sent twice, it is one.

mod export;
mod story;

#[cfg(test)]
mod tests;

use super::Traces;
use crate::observe;
use export::Exporter;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use story::Stories;
use tokio::sync::mpsc;

/// Records that are read in one go.
const PAGE: usize = 512;
/// How far before the head the stories of open offers are picked up at the start.
const LOOK_BACK_RECORDS: u64 = 20_000;
/// Batches that wait for the collector; more are dropped.
const BATCHES_WAITING_MAX: usize = 64;
/// Wait before a log that does not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// What tracing needs.
pub(crate) struct Tracing {
    pub log: Arc<dyn EventLog>,
    pub options: Traces,
    pub instance: String,
    pub version: &'static str,
}

/// Says what the metrics of this part mean.
pub(super) fn announce() {
    metrics::describe_counter!("trace_spans_total", "Spans by whether the collector took them.");
    observe::spans("sent", 0);
    observe::spans("dropped", 0);
}

/// Tells stories until the stop. It never fails: tracing is no reason to end a desk.
pub(crate) async fn trace(tracing: Tracing, mut stop: Stop) {
    let exporter = match Exporter::new(&tracing.options.endpoint, &tracing.instance, tracing.version) {
        Ok(exporter) => exporter,
        Err(why) => {
            observe::collector_unusable(&tracing.options.endpoint, &why);
            stop.requested().await;
            return;
        }
    };
    let (batches, waiting) = mpsc::channel(BATCHES_WAITING_MAX);
    tokio::select! {
        biased;
        () = stop.requested() => {}
        () = follow(&tracing, batches) => {}
        () = exporter.run(waiting) => {}
    }
}

/// Reads the log from a little before its head; what was recorded before the start is remembered and not sent.
async fn follow(tracing: &Tracing, batches: mpsc::Sender<Vec<story::Span>>) {
    let head = loop {
        match tracing.log.head().await {
            Ok(head) => break head,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    };
    let from = Position(head.0.saturating_sub(LOOK_BACK_RECORDS)).next();
    let mut follow = tracing.log.follow(from, Filter::categories(&[streams::STRATEGY, streams::ACCOUNT]));
    let mut stories = Stories::new(tracing.options.skipped);
    loop {
        let Ok(page) = follow.next(PAGE).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let mut spans = Vec::new();
        for recorded in page.records.iter().filter_map(|record| codec::recorded(record).ok()) {
            let told = stories.see(&recorded);
            if recorded.position > head {
                spans.extend(told);
            }
        }
        let count = spans.len();
        if count > 0 && batches.try_send(spans).is_err() {
            observe::spans("dropped", count);
        }
    }
}
