//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::fold::FoldError;
use crate::models;
use crate::models::parked_events::ParkedRow;
use crate::past::PastError;
use crate::projection::Registered;
use crate::rebuild::{Compared, Outcome, RebuildError};
use crate::runner::RunnerError;
use crate::tier::{Done, Outcome as Tiering};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::operations::tiering::PartitionTiered;
use stele_domain::port::event_log::{LogError, Position, Record};
use stele_domain::port::read_store::Rebuild;
use stele_domain::port::tiering::Partition;
use stele_domain::time::Timestamp;

/// Shows every metric of this crate from the start, and says what it means. How far the tables are is read off the
/// runner's own status by whoever shows it.
pub fn announce() {
    describe_counter!("projection_foreign_records_total", "Records of foreign types, passed over.");
    describe_counter!("parked_events_total", "Events that a projection parked since the process started.");
    describe_counter!(
        "projection_retries_total",
        "Batches tried again because the log or the store was away."
    );
    describe_counter!(
        "projection_faults_total",
        "Times a projection, or all of them, stopped by themselves."
    );
    announce_rebuilds();
    counter!("projection_foreign_records_total").increment(0);
    describe_counter!(
        "projection_went_back_total",
        "Times the read store came back without its last batches."
    );
    counter!("projection_faults_total").increment(0);
    counter!("projection_went_back_total").increment(0);
    announce_past();
    for on in ["log", "store"] {
        counter!("projection_retries_total", "on" => on).increment(0);
    }
    describe_counter!(
        "tiering_partitions_total",
        "Partitions that were put into the lake, left the tables, or came back."
    );
    describe_counter!(
        "tiering_failures_total",
        "Partitions that could not be put into the lake or taken away, and wait."
    );
    describe_gauge!(
        "tiering_differences",
        "Partitions whose rows are not what was kept of them, by the last run."
    );
    describe_gauge!(
        "tiering_overdue_partitions",
        "Partitions that should be in the lake and are not, by the last run."
    );
    for step in ["tiered", "left", "restored"] {
        counter!("tiering_partitions_total", "step" => step).increment(0);
    }
    counter!("tiering_failures_total").increment(0);
    gauge!("tiering_differences").set(0.0);
    gauge!("tiering_overdue_partitions").set(0.0);
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

/// One of them can't go on; the others do.
pub fn projection_faulted(projection: &str, error: &dyn std::error::Error) {
    counter!("projection_faults_total").increment(1);
    tracing::error!(event = "projections.one_faulted", projection, error = %with_causes(error), "projection stopped, the others go on");
}

pub fn projection_mended(projection: &str) {
    tracing::info!(event = "projections.mended", projection, "projection taken up after all");
}

pub fn faulted(error: &RunnerError) {
    counter!("projection_faults_total").increment(1);
    tracing::error!(
        event = "projections.faulted",
        error = error as &dyn std::error::Error,
        "projections stopped"
    );
}

fn announce_rebuilds() {
    describe_gauge!("projection_rebuilds_running", "Projections that this process rebuilds.");
    describe_gauge!("projection_rebuild_lag_events", "Records that a running rebuild has still to fold.");
    describe_gauge!(
        "projection_rebuild_different",
        "1 when the last rebuild in this process found live tables that do not follow from the log, and swapped nothing."
    );
    describe_gauge!(
        "projection_rebuild_timestamp_seconds",
        "When the last rebuild in this process ended with an outcome, as Unix time; 0 before the first."
    );
    describe_counter!(
        "projection_rebuilds_total",
        "Rebuilds of projections in this process that ended, by outcome."
    );
    gauge!("projection_rebuilds_running").set(0.0);
    for outcome in ["swapped", "different", "interrupted"] {
        counter!("projection_rebuilds_total", "outcome" => outcome).increment(0);
    }
    for projection in models::ALL {
        gauge!("projection_rebuild_lag_events", "projection" => projection.name).set(0.0);
        gauge!("projection_rebuild_different", "projection" => projection.name).set(0.0);
        gauge!("projection_rebuild_timestamp_seconds", "projection" => projection.name).set(0.0);
    }
}

/// Projections that are being rebuilt, for as long as this is held.
pub struct Rebuilt(Vec<&'static str>);

impl Rebuilt {
    pub fn begins(projections: &[Registered]) -> Self {
        let names: Vec<&'static str> = projections.iter().map(|projection| projection.name).collect();
        for _ in &names {
            gauge!("projection_rebuilds_running").increment(1.0);
        }
        Self(names)
    }
}

impl Drop for Rebuilt {
    fn drop(&mut self) {
        for projection in &self.0 {
            gauge!("projection_rebuilds_running").decrement(1.0);
            gauge!("projection_rebuild_lag_events", "projection" => *projection).set(0.0);
        }
    }
}

/// How far a rebuild is, as everybody is told.
pub fn rebuild_is(rebuild: &Rebuild) {
    let left = rebuild.target.0.saturating_sub(rebuild.position.0);
    gauge!("projection_rebuild_lag_events", "projection" => rebuild.projection.clone()).set(float(left));
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

/// So many projections were left.
pub fn rebuild_ended_early(error: &RebuildError, left: usize) {
    let left = u64::try_from(left).unwrap_or(u64::MAX);
    counter!("projection_rebuilds_total", "outcome" => "interrupted").increment(left);
    tracing::error!(
        event = "projections.rebuild_ended_early",
        error = error as &dyn std::error::Error,
        "rebuild ended before it was done"
    );
}

pub fn rebuild_ended(outcome: &Outcome, tries: u64, now: Timestamp) {
    let Outcome { projection, version, live_version, position, compared, swap } = outcome;
    let seconds = float(u64::try_from(now.micros()).unwrap_or(0) / 1_000_000);
    gauge!("projection_rebuild_timestamp_seconds", "projection" => *projection).set(seconds);
    let (came, different) = if swap.is_some() { ("swapped", 0.0) } else { ("different", 1.0) };
    counter!("projection_rebuilds_total", "outcome" => came).increment(1);
    gauge!("projection_rebuild_different", "projection" => *projection).set(different);
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

fn announce_past() {
    describe_counter!("as_of_folds_total", "Past states that were folded to answer a question.");
    describe_counter!("as_of_refused_total", "Questions about the past without an answer, by reason.");
    describe_gauge!(
        "past_states_behind_events",
        "Events between the newest kept past state of the tables and the end of the log."
    );
    describe_gauge!("past_states_bytes", "What the past states take on the disk.");
    describe_gauge!("past_states_position", "The newest position at which a state of the tables is kept.");
    describe_counter!(
        "past_states_troubles_total",
        "Times the past states could not be kept, or were thrown away."
    );
    counter!("as_of_folds_total").increment(0);
    for name in PastError::NAMES {
        counter!("as_of_refused_total", "reason" => name).increment(0);
    }
    gauge!("past_states_behind_events").set(0.0);
    gauge!("past_states_bytes").set(0.0);
    gauge!("past_states_position").set(0.0);
    counter!("past_states_troubles_total").increment(0);
}

pub fn past_folded(position: Position, from: Position, took: Duration) {
    counter!("as_of_folds_total").increment(1);
    let (events, took_ms) = (position.0.saturating_sub(from.0), millis(took));
    tracing::debug!(event = "past.folded", position = position.0, events, took_ms, "past state folded");
}

pub fn past_refused(error: &PastError) {
    counter!("as_of_refused_total", "reason" => error.name()).increment(1);
    tracing::info!(
        event = "past.refused",
        reason = error.name(),
        error = error as &dyn std::error::Error,
        "no past state"
    );
}

pub fn states_open(at: Position) {
    gauge!("past_states_position").set(float(at.0));
    tracing::info!(event = "past.open", position = at.0, "past states found in order");
}

pub fn states_behind(newest: Position, head: Position) {
    gauge!("past_states_behind_events").set(float(head.0.saturating_sub(newest.0)));
}

pub fn state_kept(at: Position, bytes: u64, took: Duration) {
    gauge!("past_states_position").set(float(at.0));
    gauge!("past_states_bytes").set(float(bytes));
    let took_ms = millis(took);
    tracing::debug!(event = "past.kept", position = at.0, bytes, took_ms, "past state kept");
}

pub fn states_forgotten(count: usize, bytes: u64, took: Duration) {
    gauge!("past_states_bytes").set(float(bytes));
    let took_ms = millis(took);
    tracing::info!(event = "past.thinned", count, bytes, took_ms, "past states forgotten to make room");
}

pub fn states_thrown_away(why: &str) {
    counter!("past_states_troubles_total").increment(1);
    tracing::warn!(event = "past.thrown_away", why, "past states are made anew from the log");
}

pub fn states_not_kept(why: &str, wait: Duration) {
    counter!("past_states_troubles_total").increment(1);
    let wait_ms = millis(wait);
    tracing::warn!(event = "past.not_kept", why, wait_ms, "past states can't be kept, trying again");
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floats; exact up to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

pub fn tiering_of(partition: &Partition, outcome: &Tiering) {
    let Partition { table, name, from, to, .. } = partition;
    let step = match outcome {
        Tiering::Stays | Tiering::Both | Tiering::Held(_) => return,
        Tiering::Tiered => "tiered",
        Tiering::Left => "left",
        Tiering::Differs(difference) => {
            tracing::error!(
                event = "projections.tiering_differs",
                table,
                partition = %name,
                difference = %difference,
                "a partition is not what was kept of it, nothing was taken away"
            );
            return;
        }
        Tiering::Blocked(why) => {
            tracing::warn!(event = "projections.tiering_blocked", table, partition = %name, why, "a partition can't go to the lake");
            return;
        }
        Tiering::Failed(error) => {
            counter!("tiering_failures_total").increment(1);
            let error = with_causes(&**error);
            tracing::warn!(
                event = "projections.tiering_failed",
                table,
                partition = %name,
                error,
                "a partition could not be put into the lake or taken away, trying again at the next run"
            );
            return;
        }
    };
    counter!("tiering_partitions_total", "step" => step).increment(1);
    let (from, to) = (from.0, to.0);
    tracing::info!(event = "projections.tiering", table, partition = %name, from, to, step, "partition tiered");
}

#[expect(clippy::cast_precision_loss, reason = "figures are floats; there are few partitions")]
pub fn tiering_ran(all: &[Done]) {
    let differs = |done: &&Done| matches!(done.outcome, Tiering::Differs(_));
    let overdue = |done: &&Done| matches!(done.outcome, Tiering::Failed(_) | Tiering::Blocked(_));
    gauge!("tiering_differences").set(all.iter().filter(differs).count() as f64);
    gauge!("tiering_overdue_partitions").set(all.iter().filter(overdue).count() as f64);
}

pub fn tiering_restored(tiered: &PartitionTiered) {
    counter!("tiering_partitions_total", "step" => "restored").increment(1);
    let (table, from, to) = (&tiered.span.table, tiered.span.from_position, tiered.span.to_position);
    tracing::info!(
        event = "projections.tiering_restored",
        table,
        from,
        to,
        rows = tiered.rows,
        "partition brought back"
    );
}

pub fn tiering_waits(error: &crate::tier::TierError) {
    counter!("tiering_failures_total").increment(1);
    let error = with_causes(error);
    tracing::warn!(event = "projections.tiering_waits", error, "tiering could not begin, trying again later");
}
