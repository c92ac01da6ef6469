//! Everything this crate says out loud.

use crate::recovery::OpenReport;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use std::time::Duration;
use stele_domain::port::event_log::LogError;

/// Shows every metric of this crate from the start, and says what it means. A counter that appears with its first
/// event has no increase that an alert could see.
pub fn announce() {
    describe_gauge!("log_head_position", "Last position of the event log.");
    describe_gauge!("log_writable", "1 while the log takes appends; 0 when it is full or has stopped.");
    describe_histogram!("log_append_seconds", "Time from a group of appends to its acknowledgement.");
    describe_histogram!("log_fsync_seconds", "Time of one fdatasync.");
    describe_histogram!("log_group_records", "Records that one group of appends made durable together.");
    describe_counter!("log_written_bytes_total", "Bytes written to the log.");
    describe_counter!("log_torn_tails_total", "Unfinished writes that recovery cut and kept aside.");
    describe_counter!("log_segments_sealed_total", "Segments that were sealed.");
    describe_counter!("log_full_total", "Groups of appends that were refused for lack of room.");
    describe_counter!("log_stopped_total", "Times the writer stopped for good.");
    for name in ["log_append_seconds", "log_fsync_seconds", "log_group_records"] {
        let _ = histogram!(name);
    }
    for name in [
        "log_written_bytes_total",
        "log_torn_tails_total",
        "log_segments_sealed_total",
        "log_full_total",
        "log_stopped_total",
    ] {
        counter!(name).increment(0);
    }
}

/// The log is open.
pub fn opened(directory: &str, report: &OpenReport) {
    metrics::gauge!("log_head_position").set(as_metric(report.head.0));
    metrics::gauge!("log_writable").set(1.0);
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
    metrics::counter!("log_written_bytes_total").increment(bytes);
    metrics::gauge!("log_writable").set(1.0);
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

/// A segment was left with spare room behind it, or without an index file. The first is harmless, the second costs time
/// at the next start.
pub fn not_tidied(directory: &str, error: &std::io::Error) {
    tracing::warn!(event = "log.not_tidied", directory, %error, "segment sealed without its index file");
}

/// There was no room for a group; nothing of it was kept.
pub fn full(directory: &str) {
    metrics::counter!("log_full_total").increment(1);
    metrics::gauge!("log_writable").set(0.0);
    tracing::error!(event = "log.full", directory, "no room for the event log, appends are refused");
}

/// The writer has stopped for good.
pub fn stopped(directory: &str, why: &str) {
    metrics::counter!("log_stopped_total").increment(1);
    metrics::gauge!("log_writable").set(0.0);
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
