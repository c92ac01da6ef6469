//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::grants::Process;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::{LogError, Position};

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_counter!(
        "remote_log_calls_total",
        "Calls to the process that owns the log, by what came of them."
    );
    describe_histogram!("remote_log_call_seconds", "Time of one call to the process that owns the log.");
    describe_counter!(
        "remote_log_readings_interrupted_total",
        "Times a live reading of the log had to begin again."
    );
    describe_counter!(
        "remote_log_certificates_refused_total",
        "Times that files of certificates for the log were replaced by some that can't be used."
    );
    describe_counter!("log_service_denied_total", "Appends of other processes that the write lists refused.");
    describe_gauge!("log_service_readings", "Live readings of the log by other processes.");
    for name in [
        "remote_log_readings_interrupted_total",
        "remote_log_certificates_refused_total",
        "log_service_denied_total",
    ] {
        counter!(name).increment(0);
    }
}

/// A call to the log's owner came to an end.
pub fn called(method: &'static str, took: Duration, error: Option<&LogError>) {
    let outcome = error.map_or("ok", LogError::name);
    metrics::counter!("remote_log_calls_total", "method" => method, "outcome" => outcome).increment(1);
    metrics::histogram!("remote_log_call_seconds", "method" => method).record(took.as_secs_f64());
    if let Some(LogError::Unreachable(source)) = error {
        tracing::debug!(event = "remote_log.unreachable", method, error = %source, "the owner of the log did not answer");
    }
}

/// A live reading was interrupted and will begin again where it was.
pub fn interrupted(from: Position, error: &LogError, wait: Duration) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    metrics::counter!("remote_log_readings_interrupted_total").increment(1);
    metrics::counter!("subscription_reconnects_total", "source" => "log").increment(1);
    tracing::warn!(
        event = "remote_log.interrupted",
        from = from.0,
        error = with_causes(error),
        wait_ms,
        "the reading of the log was interrupted"
    );
}

/// The files of certificates hold something else: connections from now on are made with it.
pub fn certificates_renewed() {
    tracing::info!(event = "remote_log.certificates_renewed", "certificates for the log read again");
}

/// The files hold something that can't be used: what was read before stays in use.
pub fn certificates_refused(why: &str) {
    metrics::counter!("remote_log_certificates_refused_total").increment(1);
    tracing::error!(
        event = "remote_log.certificates_refused",
        why,
        "certificates for the log can't be used: the ones before stay in use"
    );
}

/// A process of the desk asked for what it may not do.
pub fn denied(actor: &str, what: &str, roles: &[Process]) {
    metrics::counter!("log_service_denied_total").increment(1);
    let roles: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    tracing::warn!(event = "log_service.denied", actor, what, roles = roles.join(","), "denied at the log");
}

/// A process of the desk begins a live reading.
pub fn following(actor: &str, from: Position, readings: usize) {
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    metrics::gauge!("log_service_readings").set(readings as f64);
    tracing::info!(event = "log_service.following", actor, from = from.0, "a process follows the log");
}

/// A live reading ends because the credential of whoever reads is no longer taken.
pub fn no_longer_let_in(actor: &str, why: &str) {
    tracing::warn!(
        event = "log_service.no_longer_let_in",
        actor,
        why,
        "a reading of the log ends: its credential is no longer taken"
    );
}

/// It has ended.
pub fn left(actor: &str, readings: usize) {
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    metrics::gauge!("log_service_readings").set(readings as f64);
    tracing::info!(event = "log_service.left", actor, "a process follows the log no longer");
}
