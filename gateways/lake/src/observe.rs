//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::error::{KINDS, LakeError};
use crate::facts;
use crate::table::Compacted;
use metrics::{describe_counter, describe_gauge};
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::Position;

/// Rows of a table were committed.
pub fn committed(table: &'static str, rows: u64) {
    metrics::counter!("lake_commits_total", "table" => table).increment(1);
    metrics::counter!("lake_rows_total", "table" => table).increment(rows);
}

/// What waited was committed in all tables.
pub fn flushed(at: Position, rows: u64, millis: i64) {
    tracing::debug!(event = "lake.flushed", position = at.0, rows, millis, "facts were published");
}

/// Small files became large ones.
pub fn compacted(table: &'static str, done: &Compacted) {
    metrics::counter!("lake_compacted_files_total", "table" => table).increment(done.removed as u64);
    let (removed, added, rows) = (done.removed, done.added, done.rows);
    tracing::info!(
        event = "lake.compacted",
        table,
        removed,
        added,
        rows,
        "small files of a day were compacted"
    );
}

/// Says what the figures mean.
pub fn announce() {
    describe_counter!("lake_commits_total", "Commits to the lake, by table.");
    describe_counter!("lake_rows_total", "Rows that were published to the lake, by table.");
    describe_counter!(
        "lake_compacted_files_total",
        "Small files of the lake that became part of large ones, by table."
    );
    describe_counter!(
        "lake_failures_total",
        "Times that publishing to the lake failed and was begun again, by kind."
    );
    describe_gauge!("lake_committed_position", "Last position of the log whose facts are in the lake.");
    describe_gauge!("lake_lag_events", "Records of the log that the lake has not taken in.");
    describe_gauge!("lake_lag_seconds", "How long the oldest event that is not in the lake has waited.");
}

/// Names the counters that have no labels of their own, so that the first increase is seen.
pub fn begin() {
    for fact in facts::ALL {
        metrics::counter!("lake_commits_total", "table" => fact.table.name).increment(0);
        metrics::counter!("lake_rows_total", "table" => fact.table.name).increment(0);
        metrics::counter!("lake_compacted_files_total", "table" => fact.table.name).increment(0);
    }
    for kind in KINDS {
        metrics::counter!("lake_failures_total", "kind" => kind).increment(0);
    }
}

/// How far the lake is.
#[expect(clippy::cast_precision_loss, reason = "figures are floats; positions stay far below 2^52")]
pub fn lag(published: Position, head: Position, lag_ms: i64) {
    metrics::gauge!("lake_committed_position").set(published.0 as f64);
    metrics::gauge!("lake_lag_events").set(head.0.saturating_sub(published.0) as f64);
    metrics::gauge!("lake_lag_seconds").set(lag_ms as f64 / 1_000.0);
}

/// Publishing failed and will be begun again.
pub fn failed(error: &LakeError, again_ms: u64) {
    metrics::counter!("lake_failures_total", "kind" => error.name()).increment(1);
    let error_words = with_causes(error);
    tracing::warn!(
        event = "lake.failed",
        kind = error.name(),
        error = error_words,
        again_ms,
        "facts can't be published: nothing is lost, the log has them"
    );
}
