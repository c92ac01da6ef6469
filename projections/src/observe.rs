//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::fold::FoldError;
use crate::models;
use crate::models::parked_events::ParkedRow;
use crate::rebuild::{Compared, Outcome, RebuildError};
use crate::runner::RunnerError;
use metrics::{counter, describe_counter};
use std::time::Duration;
use stele_domain::port::event_log::{LogError, Position, Record};

/// Shows every metric of this crate from the start, and says what it means. How far the tables are is read off the
/// runner's own status by whoever shows it.
pub fn announce() {
    describe_counter!("projection_foreign_records_total", "Records of foreign types, passed over.");
    describe_counter!("parked_events_total", "Events that a projection parked since the process started.");
    describe_counter!(
        "projection_retries_total",
        "Batches tried again because the log or the store was away."
    );
    describe_counter!("projection_faults_total", "Times the projections stopped by themselves.");
    counter!("projection_foreign_records_total").increment(0);
    describe_counter!(
        "projection_went_back_total",
        "Times the read store came back without its last batches."
    );
    counter!("projection_faults_total").increment(0);
    counter!("projection_went_back_total").increment(0);
    for on in ["log", "store"] {
        counter!("projection_retries_total", "on" => on).increment(0);
    }
    for projection in models::ALL {
        counter!("parked_events_total", "projection" => projection.name).increment(0);
    }
}

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

pub fn not_taken_up(error: &RunnerError, wait_ms: u64) {
    counter!("projection_retries_total", "on" => "store").increment(1);
    tracing::warn!(
        event = "projections.not_taken_up",
        error = error as &dyn std::error::Error,
        wait_ms,
        "the tables or the log do not answer at the start, trying again"
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

pub fn log_recovered() {
    tracing::info!(event = "projections.log_recovered", "the log can be read again");
}

pub fn store_recovered() {
    tracing::info!(event = "projections.store_recovered", "the read store answers again");
}

pub fn went_back(error: &FoldError, from: Position, to: Position) {
    counter!("projection_went_back_total").increment(1);
    tracing::warn!(
        event = "projections.went_back",
        error = error as &dyn std::error::Error,
        from = from.0,
        to = to.0,
        "the read store lost its last batches, they are folded again"
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

pub fn rebuild_begins(projection: &str, version: u32, by: &str) {
    tracing::info!(event = "projections.rebuild_begins", projection, version, by, "rebuild begins");
}

pub fn rebuild_looked(projection: &str, at: Position, different: usize) {
    tracing::info!(
        event = "projections.rebuild_looked",
        projection,
        position = at.0,
        parts_different = different,
        "live rows compared with their digests"
    );
}

pub fn rebuild_waits(error: &RebuildError, wait: Duration) {
    tracing::warn!(
        event = "projections.rebuild_waits",
        error = error as &dyn std::error::Error,
        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "the log or the read store does not answer, the rebuild tries again"
    );
}

pub fn rebuild_ended_early(error: &RebuildError) {
    tracing::error!(
        event = "projections.rebuild_ended_early",
        error = error as &dyn std::error::Error,
        "rebuild ended before it was done"
    );
}

pub fn rebuild_ended(outcome: &Outcome, tries: u64) {
    let Outcome { projection, version, live_version, position, compared, swap } = outcome;
    let Some(swap) = swap else {
        let parts = if let Compared::Different(parts) = compared { parts.len() } else { 0 };
        tracing::error!(
            event = "projections.rebuild_different",
            projection,
            version,
            position = position.0,
            parts,
            "live tables are not what follows from the log, nothing swapped"
        );
        return;
    };
    tracing::info!(
        event = "projections.rebuild_swapped",
        projection,
        version,
        live_version,
        position = position.0,
        swap_ms = u64::try_from(swap.as_millis()).unwrap_or(u64::MAX),
        tries,
        "rebuilt tables have taken the place of the old ones"
    );
}
