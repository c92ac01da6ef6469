//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else; no key gets here.

use stele_domain::market::reference::event::{Link, SourceStateChanged};

/// A source's connection or health changed.
pub fn source_changed(change: &SourceStateChanged) {
    let source = change.source.name();
    let usable = change.link == Link::Alive && change.healthy;
    metrics::gauge!("price_source_usable", "source" => source).set(if usable { 1.0 } else { 0.0 });
    metrics::counter!("price_source_changes_total", "source" => source).increment(1);
    let (link, healthy, reason) = (change.link, change.healthy, &change.reason);
    if usable {
        tracing::info!(
            event = "market.source_changed",
            source,
            ?link,
            healthy,
            reason,
            "price source changed"
        );
    } else {
        tracing::warn!(
            event = "market.source_changed",
            source,
            ?link,
            healthy,
            reason,
            "price source changed"
        );
    }
}

/// A price came in.
pub fn price_observed(source: &'static str) {
    metrics::counter!("price_observations_total", "source" => source).increment(1);
}

/// A message could not be read; the stream goes on.
pub fn unreadable_message(source: &'static str, reason: &str) {
    metrics::counter!("price_messages_unreadable_total", "source" => source).increment(1);
    tracing::warn!(event = "market.unreadable_message", source, reason, "price message unreadable");
}

/// The feed's reader is dead.
pub fn news_dropped() {
    metrics::counter!("price_news_dropped_total").increment(1);
    tracing::error!(event = "market.news_dropped", "price news dropped, nobody reads the feed");
}
