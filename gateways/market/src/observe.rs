//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else; no key gets here.

use metrics::{counter, describe_counter, describe_gauge};
use stele_domain::market::reference::event::{Link, Source, SourceStateChanged};

/// Every source of this crate, as it stands in labels.
const SOURCES: [&str; 3] = [Source::Kraken.name(), Source::CoinGecko.name(), Source::Peg.name()];

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_gauge!("price_source_usable", "1 while a price source is connected and healthy.");
    describe_counter!("price_source_changes_total", "Changes of a price source's connection or health.");
    describe_counter!("price_observations_total", "Prices that a source named.");
    describe_counter!(
        "price_messages_unreadable_total",
        "Messages of a price source that could not be read."
    );
    describe_counter!("price_news_dropped_total", "Prices that nobody read in time.");
    for source in SOURCES {
        for name in
            ["price_source_changes_total", "price_observations_total", "price_messages_unreadable_total"]
        {
            counter!(name, "source" => source).increment(0);
        }
    }
    counter!("price_news_dropped_total").increment(0);
    counter!("subscription_reconnects_total", "source" => Source::Kraken.name()).increment(0);
}

/// The stream of prices was lost, or could not be had; it is opened again.
pub fn reconnecting() {
    counter!("subscription_reconnects_total", "source" => Source::Kraken.name()).increment(1);
}

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
            topic = "ref.market_price",
            source,
            ?link,
            healthy,
            reason,
            "price source changed"
        );
    } else {
        tracing::warn!(
            event = "market.source_changed",
            topic = "ref.market_price",
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
