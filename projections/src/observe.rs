//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::fold::FoldError;
use crate::models::parked_events::ParkedRow;
use crate::runner::{RunnerError, Status};
use metrics::{counter, gauge};
use stele_domain::port::event_log::{LogError, Position, Record};

pub fn foreign(record: &Record) {
    counter!("projection_foreign_records_total").increment(1);
    tracing::debug!(event = "projections.foreign", position = record.position.0, event_type = %record.event_type, "foreign record passed over");
}

pub fn parked(row: &ParkedRow) {
    counter!("parked_events_total", "projection" => row.projection.clone()).increment(1);
    tracing::error!(
        event = "projections.parked",
        projection = %row.projection,
        position = row.position.0,
        event_type = %row.event_type,
        stream = %row.stream,
        error = %row.error,
        "event parked"
    );
}

pub fn started(projections: usize, from: Position) {
    tracing::info!(event = "projections.started", projections, from = from.0, "projections started");
}

pub fn caught_up(head: Position) {
    tracing::debug!(event = "projections.caught_up", head = head.0, "projections caught up");
}

pub fn paused(at: Position) {
    tracing::info!(event = "projections.paused", position = at.0, "projections paused");
}

pub fn resumed(at: Position) {
    tracing::info!(event = "projections.resumed", position = at.0, "projections resumed");
}

pub fn ended(at: Position) {
    tracing::info!(event = "projections.ended", position = at.0, "projections ended");
}

pub fn log_unavailable(error: &LogError, wait_ms: u64) {
    counter!("projection_retries_total", "on" => "log").increment(1);
    tracing::warn!(
        event = "projections.log_unavailable",
        error = error as &dyn std::error::Error,
        wait_ms,
        "the log can't be read, trying again"
    );
}

pub fn store_unavailable(error: &FoldError, wait_ms: u64) {
    counter!("projection_retries_total", "on" => "store").increment(1);
    tracing::warn!(
        event = "projections.store_unavailable",
        error = error as &dyn std::error::Error,
        wait_ms,
        "the read store does not answer, trying again"
    );
}

pub fn faulted(error: &RunnerError) {
    counter!("projection_faults_total").increment(1);
    tracing::error!(
        event = "projections.faulted",
        error = error as &dyn std::error::Error,
        "projections stopped"
    );
}

/// Positions and lags pass 2^53 in no lifetime of ours, so the metrics' floats hold them exactly.
#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
pub fn progress(status: &Status) {
    gauge!("log_head_position").set(status.head.0 as f64);
    for p in &status.projections {
        gauge!("projection_position", "projection" => p.name).set(p.position.0 as f64);
        gauge!("projection_lag_events", "projection" => p.name).set(p.lag_events as f64);
        gauge!("projection_lag_seconds", "projection" => p.name).set(p.lag_ms as f64 / 1_000.0);
    }
}

pub fn heartbeat(unix_seconds: i64) {
    #[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
    gauge!("projection_heartbeat_timestamp_seconds").set(unix_seconds as f64);
}
