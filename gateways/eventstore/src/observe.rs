//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else.

use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;
use stele_domain::causes::with_causes;
use stele_domain::port::event_log::{LogError, Position};

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_counter!("event_store_calls_total", "Calls to the KurrentDB server, by what came of them.");
    describe_histogram!("event_store_call_seconds", "Time of one call to the KurrentDB server.");
    describe_counter!(
        "event_store_connections_total",
        "Times that the connection to the KurrentDB server was made anew."
    );
    describe_counter!(
        "event_store_readings_interrupted_total",
        "Times that a live reading of the KurrentDB server had to begin again."
    );
    for name in ["event_store_connections_total", "event_store_readings_interrupted_total"] {
        counter!(name).increment(0);
    }
}

/// A call came to an end.
pub fn called(method: &'static str, took: Duration, error: Option<&LogError>) {
    let outcome = error.map_or("ok", LogError::name);
    counter!("event_store_calls_total", "method" => method, "outcome" => outcome).increment(1);
    histogram!("event_store_call_seconds", "method" => method).record(took.as_secs_f64());
    if let Some(LogError::Unreachable(source)) = error {
        tracing::debug!(event = "event_store.unreachable", method, error = %source, "the server did not answer");
    }
}

/// The client was thrown away, because it would not have found back by itself.
pub fn connected_anew(why: &dyn std::fmt::Display) {
    counter!("event_store_connections_total").increment(1);
    tracing::warn!(event = "event_store.connected_anew", %why, "the connection to the KurrentDB server is made anew");
}

/// A live reading was interrupted and will begin again where it was.
pub fn interrupted(from: Position, error: &LogError, wait: Duration) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    counter!("event_store_readings_interrupted_total").increment(1);
    counter!("subscription_reconnects_total", "source" => "log").increment(1);
    tracing::warn!(
        event = "event_store.interrupted",
        from = from.0,
        error = with_causes(error),
        wait_ms,
        "the reading of the log was interrupted"
    );
}
