//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use crate::no::No;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_counter!("kurrent_appended_total", "Events that clients of the KurrentDB protocol appended.");
    describe_histogram!("kurrent_append_seconds", "Time of one append over the KurrentDB protocol.");
    describe_counter!("kurrent_refused_total", "Noes over the KurrentDB protocol, by kind.");
    describe_gauge!(
        "kurrent_readings",
        "Readings and subscriptions that are open over the KurrentDB protocol."
    );
    describe_gauge!("kurrent_connections", "Connections that speak the KurrentDB protocol.");
    describe_counter!(
        "kurrent_crowded_total",
        "Connections that were closed at once because their address, or strangers together, have as many as they may."
    );
    counter!("kurrent_appended_total").increment(0);
    counter!("kurrent_crowded_total").increment(0);
}

/// The door is open.
pub fn listening(address: SocketAddr, tls: bool) {
    tracing::info!(event = "kurrent.listening", %address, tls, "the KurrentDB protocol is spoken here");
}

/// Other machines can read what is said.
pub fn in_the_clear(address: SocketAddr) {
    tracing::warn!(event = "kurrent.in_the_clear", %address, "keys and events cross the network in the clear: set TLS files");
}

/// The door is closed.
pub fn closed(address: SocketAddr, cut: bool) {
    tracing::info!(event = "kurrent.closed", %address, cut, "the KurrentDB protocol is no longer spoken");
}

/// The system has no room for a connection.
pub fn not_accepted(error: &std::io::Error) {
    tracing::warn!(event = "kurrent.not_accepted", %error, "a connection was not accepted");
}

/// An address, or all strangers together, have as many connections as they may.
pub fn crowded(address: &str) {
    metrics::counter!("kurrent_crowded_total").increment(1);
    tracing::debug!(
        event = "kurrent.crowded",
        address,
        "connection closed: its address has its share already"
    );
}

/// A handshake failed.
pub fn handshake_failed(address: &str, error: &(dyn Error + 'static)) {
    tracing::debug!(event = "kurrent.handshake_failed", address, error, "a TLS handshake failed");
}

/// The server ended by itself.
pub fn failed(error: &(dyn Error + 'static)) {
    tracing::error!(event = "kurrent.failed", error, "the KurrentDB protocol can't be served any longer");
}

/// So many connections are open.
pub fn connections(open: usize) {
    #[expect(clippy::cast_precision_loss, reason = "at most a few thousand")]
    metrics::gauge!("kurrent_connections").set(open as f64);
}

/// A reading begins.
pub fn reading(actor: &str, open: usize) {
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    metrics::gauge!("kurrent_readings").set(open as f64);
    tracing::debug!(event = "kurrent.reading", actor, "a client reads");
}

/// A reading has ended.
pub fn left(open: usize) {
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    metrics::gauge!("kurrent_readings").set(open as f64);
}

/// Events were kept.
pub fn appended(events: u64, took: Duration) {
    metrics::counter!("kurrent_appended_total").increment(events);
    metrics::histogram!("kurrent_append_seconds").record(took.as_secs_f64());
}

/// A no went out.
pub fn refused(no: &No) {
    metrics::counter!("kurrent_refused_total", "kind" => no.name()).increment(1);
    if let No::Log(error) = no {
        tracing::warn!(event = "kurrent.log_failed", %error, "the log refused a client of the KurrentDB protocol");
    }
}

/// A known caller asked for what they may not do.
pub fn denied(actor: &str, what: &str) {
    tracing::warn!(event = "kurrent.denied", actor, what, "denied over the KurrentDB protocol");
}
