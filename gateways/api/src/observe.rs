//! Everything this crate says out loud. Wording, labels and fields are reviewed here and nowhere else.

use axum::http::Method;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use stele_domain::port::event_log::LogError;
use stele_domain::time::Timestamp;

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_counter!("http_requests_total", "Requests answered, by route and status.");
    announce_audits();
    describe_histogram!("http_request_seconds", "Time to the head of an answer, by route.");
    describe_gauge!("ready", "1 while everything that this process needs works, as /readyz says it.");
    describe_counter!("api_strangers_total", "Connections of other users of this machine that were refused.");
    describe_counter!("api_accept_failures_total", "Connections that could not be accepted.");
    describe_counter!("grpc_requests_total", "gRPC methods called, by the code that the answer began with.");
    describe_histogram!("grpc_request_seconds", "Time to the head of a gRPC answer, by method.");
    describe_counter!("api_handshake_failures_total", "TLS handshakes that came to nothing.");
    describe_counter!(
        "api_certificates_refused_total",
        "Times that the door's files of certificates were replaced by some that can't be used."
    );
    counter!("api_certificates_refused_total").increment(0);
    describe_counter!(
        "api_live_failures_total",
        "Times the shared reading of the log for live events failed."
    );
    counter!("api_handshake_failures_total").increment(0);
    counter!("api_live_failures_total").increment(0);
    counter!("api_strangers_total").increment(0);
    counter!("api_accept_failures_total").increment(0);
    describe_counter!(
        "api_crowded_total",
        "Connections that were closed at once because their address has as many as one may."
    );
    counter!("api_crowded_total").increment(0);
}

fn announce_audits() {
    describe_gauge!("audit_running", "1 while this process audits.");
    describe_gauge!(
        "audit_done_ratio",
        "How much of what it does now a running audit has done, from 0 to 1."
    );
    describe_gauge!(
        "audit_differs",
        "1 since an audit of this process found what does not follow from the log, until one of everything agrees."
    );
    describe_gauge!(
        "audit_timestamp_seconds",
        "When the last audit of this process ended with a report, as Unix time; 0 before the first."
    );
    describe_counter!(
        "audits_total",
        "Audits of this process that ended, by verdict; failed ones have no report."
    );
    for name in ["audit_running", "audit_done_ratio", "audit_differs", "audit_timestamp_seconds"] {
        metrics::gauge!(name).set(0.0);
    }
    for verdict in ["agrees", "differs", "not_compared", "failed"] {
        counter!("audits_total", "verdict" => verdict).increment(0);
    }
}

/// An audit begins.
pub(crate) fn audit_begins() {
    metrics::gauge!("audit_running").set(1.0);
}

/// An audit is so far with what it does now.
#[expect(clippy::cast_precision_loss, reason = "metrics are floats; exact up to 2^53")]
pub(crate) fn audit_is(done: u64, total: u64) {
    metrics::gauge!("audit_done_ratio").set(if total == 0 { 0.0 } else { done as f64 / total as f64 });
}

/// An audit has ended, with a report or without one.
#[expect(clippy::cast_precision_loss, reason = "metrics are floats; microseconds since 1970 fit 52 bits")]
pub(crate) fn audit_ended(verdict: Option<&str>, saw_everything: bool, at: Timestamp) {
    metrics::gauge!("audit_running").set(0.0);
    metrics::gauge!("audit_done_ratio").set(0.0);
    counter!("audits_total", "verdict" => verdict.unwrap_or("failed").to_owned()).increment(1);
    if verdict.is_some() {
        metrics::gauge!("audit_timestamp_seconds").set(at.micros() as f64 / 1_000_000.0);
    }
    match verdict {
        Some("differs") => metrics::gauge!("audit_differs").set(1.0),
        // One that did not look at everything takes nothing back.
        Some("agrees") if saw_everything => metrics::gauge!("audit_differs").set(0.0),
        Some(_) | None => {}
    }
}

/// Whether everything that this process needs works.
pub(crate) fn readiness(ready: bool) {
    metrics::gauge!("ready").set(if ready { 1.0 } else { 0.0 });
}

/// A request was answered. The route is the pattern, never the path: labels stay few.
pub(crate) fn answered(method: &Method, route: &str, status: u16, took: Duration) {
    let labels = [
        ("method", method_label(method).to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_seconds", "route" => route.to_owned()).record(took.as_secs_f64());
    tracing::debug!(event = "api.answered", %method, route, status, "request answered");
}

/// A gRPC method was called. The code is the one that the answer began with: a stream that began is OK so far.
pub(crate) fn called(method: &'static str, code: tonic::Code, took: Duration) {
    let labels = [("method", method.to_owned()), ("code", format!("{code:?}"))];
    metrics::counter!("grpc_requests_total", &labels).increment(1);
    metrics::histogram!("grpc_request_seconds", "method" => method).record(took.as_secs_f64());
    tracing::debug!(event = "api.called", method, ?code, "method called");
}

/// A decision in the log can't be told.
pub(crate) fn untold(position: u64, error: &dyn std::error::Error) {
    tracing::error!(event = "api.untold", position, %error, "a decision was left out of a stream");
}

/// Callers may send any word as a method; only these become a label.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// A value of ours has no JSON form.
pub(crate) fn unwritable(error: &serde_json::Error) {
    tracing::error!(event = "api.unwritable", %error, "a line was left out of a stream");
}

/// The door is open.
pub(crate) fn open(path: &Path) {
    tracing::info!(event = "api.open", path = %path.display(), "unix socket open");
}

/// A socket file without a process behind it was taken away.
pub(crate) fn stale_removed(path: &Path) {
    tracing::warn!(event = "api.stale_socket", path = %path.display(), "stale socket removed");
}

/// Somebody else's process knocked.
pub(crate) fn stranger(uid: Option<u32>) {
    metrics::counter!("api_strangers_total").increment(1);
    tracing::warn!(event = "api.stranger", uid, "connection of another user refused");
}

/// A connection could not be accepted.
pub(crate) fn not_accepted(error: &std::io::Error) {
    metrics::counter!("api_accept_failures_total").increment(1);
    tracing::warn!(event = "api.not_accepted", %error, "connection not accepted");
}

/// An address has as many connections as one may.
pub(crate) fn crowded(address: &str) {
    metrics::counter!("api_crowded_total").increment(1);
    tracing::debug!(event = "api.crowded", address, "connection closed: its address has its share already");
}

/// A connection ended in disorder: a client that hung up, nonsense on the wire, or a head that came too slowly.
pub(crate) fn connection_failed(error: &dyn std::error::Error) {
    tracing::debug!(event = "api.connection_failed", %error, "connection ended");
}

/// The door is closed.
pub(crate) fn closed(path: &Path, cut: usize) {
    tracing::info!(event = "api.closed", path = %path.display(), cut, "unix socket closed");
}

/// The socket file could not be taken away.
pub(crate) fn not_removed(path: &Path, error: &std::io::Error) {
    tracing::warn!(event = "api.not_removed", path = %path.display(), %error, "socket file left behind");
}

/// The door to the network is open.
pub(crate) fn listening(address: SocketAddr, tls: bool) {
    tracing::info!(event = "api.listening", %address, tls, "network door open");
}

/// Keys travel in the clear, and not only on this machine.
pub(crate) fn in_the_clear(address: SocketAddr) {
    tracing::warn!(
        event = "api.in_the_clear",
        %address,
        "the network door has no tls and is not on loopback: put a tls proxy before it, or set api.tls"
    );
}

/// A TLS handshake came to nothing.
pub(crate) fn handshake_failed(address: &str, error: &std::io::Error) {
    metrics::counter!("api_handshake_failures_total").increment(1);
    tracing::debug!(event = "api.handshake_failed", address, %error, "tls handshake failed");
}

/// A TLS handshake took too long.
pub(crate) fn handshake_late(address: &str) {
    metrics::counter!("api_handshake_failures_total").increment(1);
    tracing::debug!(event = "api.handshake_late", address, "tls handshake not finished in time");
}

/// The door's files of certificates hold something else: callers from now on are received with it.
pub(crate) fn certificates_renewed(chain: &Path) {
    tracing::info!(event = "api.certificates_renewed", path = %chain.display(), "certificates read again");
}

/// The files hold something that can't be used: what was read before stays in use.
pub(crate) fn certificates_refused(why: &str) {
    metrics::counter!("api_certificates_refused_total").increment(1);
    tracing::error!(
        event = "api.certificates_refused",
        why,
        "certificates can't be used: the ones before stay in use"
    );
}

/// The certificate that a caller came with has ended or was taken back: so has the connection.
pub(crate) fn certificate_no_longer_taken(address: &str, why: &str) {
    tracing::warn!(
        event = "api.certificate_no_longer_taken",
        address,
        why,
        "connection ended: the certificate that it came with is no longer taken"
    );
}

/// The door to the network is closed.
pub(crate) fn network_closed(address: SocketAddr, cut: usize) {
    tracing::info!(event = "api.closed", %address, cut, "network door closed");
}

/// The shared reading of the log failed; it tries again.
pub(crate) fn live_failed(error: &LogError) {
    metrics::counter!("api_live_failures_total").increment(1);
    tracing::warn!(event = "api.live_failed", %error, "live events: the log could not be read");
}
