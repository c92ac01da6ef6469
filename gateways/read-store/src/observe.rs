//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::postgres::Trouble;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::path::Path;
use std::time::Duration;

/// Says what the metrics of this crate mean. They are there when PostgreSQL is used.
pub fn announce() {
    describe_gauge!("postgres_up", "1 while PostgreSQL does what it is asked; 0 since it failed.");
    describe_histogram!(
        "postgres_query_seconds",
        "Time of one statement, or of one batch in its transaction."
    );
    describe_counter!("postgres_troubles_total", "Calls to PostgreSQL that failed on its side, and how.");
    describe_counter!("postgres_rows_cut_total", "Rows that left with an old partition, by table.");
    describe_counter!(
        "postgres_private_deaths_total",
        "Times the private PostgreSQL ended by itself, or could not be started again."
    );
}

/// PostgreSQL did what it was asked.
pub fn answered(took: Duration) {
    gauge!("postgres_up").set(1.0);
    histogram!("postgres_query_seconds").record(took.as_secs_f64());
}

pub fn trouble(trouble: &Trouble) {
    counter!("postgres_troubles_total", "code" => trouble.code()).increment(1);
    // Too many callers of ours say nothing of the server.
    if !matches!(trouble, Trouble::AllBusy { .. }) {
        gauge!("postgres_up").set(0.0);
    }
    tracing::debug!(
        event = "postgres.trouble",
        code = trouble.code(),
        error = trouble as &dyn std::error::Error,
        "postgresql did not answer"
    );
}

pub fn opened(tables: usize) {
    tracing::info!(event = "postgres.opened", tables, "database found in order");
}

pub fn partition(table: &str, from: i64, to: i64) {
    tracing::debug!(event = "postgres.partition", table, from, to, "partition ready");
}

pub fn dropped(table: &'static str, partition: &str, rows: u64) {
    counter!("postgres_rows_cut_total", "table" => table).increment(rows);
    tracing::info!(event = "postgres.partition_dropped", table, partition, rows, "old partition dropped");
}

pub fn starts_over(projection: &str, stored: u32, version: u32) {
    tracing::warn!(
        event = "postgres.starts_over",
        projection,
        stored,
        version,
        "rows of another version, or without digests, dropped; the projection is folded again"
    );
}

/// Another run of the migrations is at work.
pub fn waits_for_another_run(other: Option<i32>, bound: Duration) {
    tracing::info!(
        event = "postgres.waits_for_another_run",
        server_process = other,
        bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
        "another run of the migrations is at work, waiting for it"
    );
}

pub fn migrated(version: i32, file: &str, took: Duration) {
    tracing::info!(
        event = "postgres.migrated",
        version,
        file,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "migration applied"
    );
}

/// There is a private server whose deaths can be counted: an alert sees the first.
pub fn private_begins() {
    counter!("postgres_private_deaths_total").increment(0);
}

pub fn private_started(directory: &Path, binaries: &Path, pid: u32) {
    tracing::info!(
        event = "postgres.private_started",
        directory = %directory.display(),
        binaries = %binaries.display(),
        pid,
        "private database started"
    );
}

pub fn private_orphan(pid: u32) {
    tracing::warn!(
        event = "postgres.private_orphan",
        pid,
        "the database of a desk that is gone still ran, and was stopped"
    );
}

pub fn private_stopped(pid: u32, how: &str) {
    tracing::info!(event = "postgres.private_stopped", pid, how, "private database stopped");
}

pub fn private_died(how: &str) {
    counter!("postgres_private_deaths_total").increment(1);
    tracing::error!(event = "postgres.private_died", how, "the private database is gone, starting it again");
}
