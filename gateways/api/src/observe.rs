//! Everything this crate says out loud. Wording, labels and fields are reviewed here and nowhere else.

use axum::http::Method;
use std::path::Path;
use std::time::Duration;

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
