//! Everything the binary itself says out loud. Wording and fields are reviewed here and nowhere else.

use crate::audit::report::Report;
use std::path::Path;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::LogError;
use stele_projections::audit::Verdict;

/// The process begins.
pub(crate) fn starting(instance: &str, roles: &str, version: &str) {
    tracing::info!(event = "desk.starting", instance, roles, version, "desk starting");
}

/// The desk can't sign.
pub(crate) fn no_signing_key(why: &str) {
    tracing::warn!(event = "executor.no_signing_key", why, "no signing key: the desk watches and can't sign");
}

/// The desk can sign.
pub(crate) fn signing_key(public_key: &str) {
    tracing::info!(event = "executor.signing_key", public_key, "signing key loaded");
}

/// An audit of this desk has ended with a report.
pub(crate) fn audited(report: &Report) {
    let (position, rows_different) = (report.position.unwrap_or_default().0, report.rows_different());
    match report.verdict {
        Verdict::Agrees | Verdict::NotCompared => {
            tracing::info!(event = "audit.ended", position, verdict = ?report.verdict, "audit ended");
        }
        Verdict::Differs => tracing::error!(
            event = "audit.differs",
            position,
            rows_different,
            log_verified = report.log.verified,
            "audit found what does not follow from the log: see the report, and ops/runbooks/audit-failed.md"
        ),
    }
}

/// The desk answers, and its tables show everything that was in the log when it started.
pub(crate) fn ready(socket: Option<&Path>, instance: &str, head: u64, start_ms: u64) {
    let socket = socket.map(|path| path.display().to_string()).unwrap_or_default();
    tracing::info!(event = "desk.ready", socket, instance, head, start_ms, "desk ready");
}

/// The tables do not show yet what was in the log when the desk started.
pub(crate) fn catching_up(position: u64, head: u64) {
    let percent = position.saturating_mul(100).checked_div(head).unwrap_or(100);
    tracing::info!(event = "desk.catching_up", position, head, percent, "tables are catching up");
}

/// The desk is told to end.
pub(crate) fn stopping(why: &str) {
    tracing::info!(event = "desk.stopping", why, "desk stopping");
}

/// A part has ended.
pub(crate) fn part_ended(part: &str, error: Option<&str>) {
    match error {
        None => tracing::debug!(event = "desk.part_ended", part, "part ended"),
        Some(error) => tracing::error!(event = "desk.part_failed", part, error, "part failed"),
    }
}

/// Parts did not end in time.
pub(crate) fn parts_cut_off(count: usize) {
    tracing::error!(event = "desk.parts_cut_off", count, "parts did not end in time and were cut off");
}

/// The log was closed in good order.
pub(crate) fn log_closed() {
    tracing::info!(event = "log.closed", "event log closed");
}

/// The log was not closed in good order; the next start recovers it.
pub(crate) fn log_not_closed(error: &LogError) {
    tracing::error!(event = "log.not_closed", %error, "event log not closed in good order");
}

/// The runner of the projections follows its switch.
pub(crate) fn projections_switched(phase: &str) {
    tracing::info!(
        event = "projections.switched",
        phase,
        service = Service::Projections.name(),
        "projections switched"
    );
}

/// Spans were sent, or could not be.
pub(crate) fn spans(outcome: &'static str, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    metrics::counter!("trace_spans_total", "outcome" => outcome).increment(count);
}

/// Traces were asked for and can't be sent anywhere.
pub(crate) fn collector_unusable(endpoint: &str, why: &str) {
    tracing::error!(event = "telemetry.collector_unusable", endpoint, why, "traces can't be sent");
}

/// The collector of traces does not take them.
pub(crate) fn collector_away(endpoint: &str, why: &str) {
    tracing::warn!(event = "telemetry.collector_away", endpoint, why, "traces are dropped");
}

/// It takes them again.
pub(crate) fn collector_back(endpoint: &str) {
    tracing::info!(event = "telemetry.collector_back", endpoint, "traces are taken again");
}

/// The process that owns the log answers.
pub(crate) fn log_connected(url: &str, head: u64) {
    tracing::info!(event = "log.connected", url, head, "working on the event log of another process");
}

/// The process that owns the log does not answer yet.
pub(crate) fn log_awaited(url: &str, error: &str) {
    tracing::warn!(event = "log.awaited", url, error, "waiting for the process that owns the event log");
}

/// The archive of the log can't be used yet. The log is opened without it.
pub(crate) fn archive_away(url: &str, error: &str) {
    tracing::warn!(
        event = "archive.away",
        url,
        error,
        "the archive of the log is away: what is only there can't be read"
    );
}

/// The start needs records that the log can't give now.
pub(crate) fn start_awaits(what: &str, error: &str) {
    tracing::warn!(event = "start.awaits", what, error, "the start waits for records of the event log");
}

/// A private PostgreSQL runs for the tables.
pub(crate) fn private_database(seconds: f64) {
    tracing::info!(event = "tables.private", seconds, "a private PostgreSQL keeps the tables");
}

/// A private PostgreSQL did not end in time. It holds nothing that does not follow from the log.
pub(crate) fn database_cut_off() {
    tracing::error!(event = "tables.cut_off", "the private PostgreSQL did not end in time and is cut off");
}

/// The process ends with an error, which a supervisor sees as nothing but a number.
pub(crate) fn ended(code: u8, why: &str, advice: &str) {
    tracing::error!(event = "desk.ended", code, why, advice, "desk ended");
}

/// The tables are looked at from the process that decides, and what is seen has changed.
pub(crate) fn tables_looked_at(why: Option<&str>) {
    match why {
        None => tracing::info!(event = "strict.tables_kept", "the tables are kept: the strategy may work"),
        Some(why) => {
            tracing::warn!(event = "strict.tables_away", why, "the tables are not kept: the strategy waits");
        }
    }
}

/// The operating system grants fewer open files than the doors let callers in.
pub(crate) fn few_handles(granted: u64, wanted: u64) {
    tracing::warn!(
        event = "desk.few_handles",
        granted,
        wanted,
        "fewer open files than callers are let in: raise the limit (ulimit -n)"
    );
}
