//! Everything this crate says out loud. What passes the doors is in the journal, not here.

/// The simulator listens.
pub(crate) fn started(addr: std::net::SocketAddr, seed: u64) {
    tracing::info!(%addr, seed, "simulator started");
}

/// The simulator has stopped.
pub(crate) fn stopped() {
    tracing::info!("simulator stopped");
}

/// The server ended by itself.
pub(crate) fn server_failed(error: &std::io::Error) {
    tracing::error!(%error, "simulator stopped serving");
}

/// A reader did not keep up and was dropped.
pub(crate) fn reader_too_slow(connection: u64) {
    metrics::counter!("simulator_slow_readers_total").increment(1);
    tracing::warn!(connection, "reader too slow, connection dropped");
}

/// A quote was not published because too many auctions are open.
pub(crate) fn too_many_auctions(open: usize) {
    metrics::counter!("simulator_quotes_not_published_total").increment(1);
    tracing::warn!(open, "too many open auctions, quote not published");
}

/// A fault was armed, or an action done, by request.
pub(crate) fn asked_for(what: &str) {
    tracing::info!(what, "asked for");
}
