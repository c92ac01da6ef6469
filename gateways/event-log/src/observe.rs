//! Everything this crate says out loud.

use crate::recovery::OpenReport;
use std::time::Duration;
use stele_domain::port::event_log::LogError;

/// The log is open.
pub fn opened(directory: &str, report: &OpenReport) {
    metrics::gauge!("log_head_position").set(as_metric(report.head.0));
    let (log, head, commits, segments) = (report.log, report.head.0, report.commits, report.segments);
    tracing::info!(event = "log.opened", directory, %log, head, commits, segments, created = report.created, "event log open");
    if let Some(cut) = &report.cut {
        metrics::counter!("log_torn_tails_total").increment(1);
        let (file, offset, bytes) = (&cut.file, cut.offset, cut.bytes);
        let quarantine = &cut.quarantine;
        tracing::warn!(
            event = "log.opened",
            directory,
            file,
            offset,
            bytes,
            quarantine,
            "unfinished write cut and kept aside"
        );
    }
}

/// A group is durable and its readers know.
pub fn group_written(records: usize, bytes: u64, head: u64, took: Duration) {
    metrics::gauge!("log_head_position").set(as_metric(head));
    metrics::histogram!("log_append_seconds").record(took);
    metrics::histogram!("log_group_records").record(as_metric(crate::format::to_u64(records)));
    metrics::counter!("log_bytes").increment(bytes);
}

/// An fsync has returned.
pub fn synced(took: Duration) {
    metrics::histogram!("log_fsync_seconds").record(took);
}

/// A segment was sealed and the next begun.
pub fn sealed(directory: &str, next: &str) {
    metrics::counter!("log_segments_sealed_total").increment(1);
    tracing::info!(event = "log.sealed", directory, next, "segment sealed");
}

/// There was no room for a group; nothing of it was kept.
pub fn full(directory: &str) {
    metrics::counter!("log_full_total").increment(1);
    tracing::error!(event = "log.full", directory, "no room for the event log, appends are refused");
}

/// The writer has stopped for good.
pub fn stopped(directory: &str, why: &str) {
    metrics::counter!("log_stopped_total").increment(1);
    tracing::error!(event = "log.stopped", directory, why, "event log stopped, restart the process");
}

/// The writer could not leave a checkpoint when it was closed without anyone to tell.
pub fn ended_without_checkpoint(directory: &str, error: &LogError) {
    tracing::error!(event = "log.ended_without_checkpoint", directory, %error, "event log closed without a checkpoint");
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point; exact up to 2^53")]
fn as_metric(number: u64) -> f64 {
    number as f64
}
