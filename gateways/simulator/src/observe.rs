//! Everything this crate says out loud. What passes the doors is in the journal, not here.

/// The simulator listens.
pub(crate) fn started(addr: std::net::SocketAddr, seed: u64) {
    tracing::info!(event = "simulator.started", %addr, seed, "simulator started");
}

/// The simulator has stopped.
pub(crate) fn stopped() {
    tracing::info!(event = "simulator.stopped", "simulator stopped");
}

/// The server ended by itself.
pub(crate) fn server_failed(error: &std::io::Error) {
    tracing::error!(event = "simulator.server_failed", %error, "simulator stopped serving");
}

/// A connection holds small frames back.
pub(crate) fn delays_frames(error: &std::io::Error) {
    tracing::warn!(event = "simulator.delays_frames", %error, "can't have frames sent at once");
}

/// A reader did not keep up and was dropped.
pub(crate) fn reader_too_slow(connection: u64) {
    metrics::counter!("simulator_slow_readers_total").increment(1);
    tracing::warn!(event = "simulator.reader_too_slow", connection, "reader too slow, connection dropped");
}

/// A quote was not published because too many auctions are open.
pub(crate) fn too_many_auctions(open: usize) {
    metrics::counter!("simulator_quotes_not_published_total").increment(1);
    tracing::warn!(
        event = "simulator.too_many_auctions",
        open,
        "too many open auctions, quote not published"
    );
}

/// A fault was armed, or an action done, by request.
pub(crate) fn asked_for(what: &str) {
    tracing::info!(event = "simulator.asked_for", what, "asked for");
}
