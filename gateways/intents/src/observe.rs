//! Everything this crate says out loud. Wording and labels are reviewed here and nowhere else; no secret gets here.

use metrics::{counter, describe_counter, describe_gauge};
use stele_domain::port::feeds::{ReplyNotice, ReplyWord};
use stele_domain::port::venue::Submission;

/// Shows every metric of this crate from the start, and says what it means.
pub fn announce() {
    describe_gauge!("relay_connected", "1 while this process is connected to the relay.");
    describe_counter!("relay_connections_total", "Connections to the relay that were opened.");
    describe_counter!(
        "relay_disconnections_total",
        "Outages of the relay: a connection lost, or not to be had."
    );
    describe_counter!("relay_frames_unreadable_total", "Frames of the relay that could not be read.");
    describe_counter!("relay_frames_stale_total", "Frames of an earlier subscription, ignored.");
    describe_counter!("relay_quotes_dropped_total", "Requests for quotes that nobody read in time.");
    describe_counter!("relay_news_dropped_total", "Other news of the relay that nobody read in time.");
    describe_counter!("relay_submissions_total", "Offers by the relay's answer.");
    describe_counter!(
        "relay_further_replies_total",
        "Replies to offers that were answered before, or given up."
    );
    describe_counter!(
        "verifier_provider_failures_total",
        "Readings that a provider did not answer properly."
    );
    describe_counter!(
        "verifier_provider_stale_total",
        "Readings for which a provider's newest block was too old."
    );
    describe_counter!("verifier_disagreements_total", "Readings in which providers contradicted each other.");
    for name in [
        "relay_connections_total",
        "relay_disconnections_total",
        "relay_frames_unreadable_total",
        "relay_frames_stale_total",
        "relay_quotes_dropped_total",
        "relay_news_dropped_total",
        "verifier_disagreements_total",
    ] {
        counter!(name).increment(0);
    }
    for outcome in ["accepted", "refused", "late", "not_sent", "unknown"] {
        counter!("relay_submissions_total", "outcome" => outcome).increment(0);
    }
    for word in [ReplyWord::Accepted, ReplyWord::Rejected] {
        counter!("relay_further_replies_total", "word" => word.name()).increment(0);
    }
    counter!("subscription_reconnects_total", "source" => "relay").increment(0);
}

/// The verifier will be read from this provider.
pub fn provider_begins(provider: &str) {
    counter!("verifier_provider_failures_total", "provider" => provider.to_owned()).increment(0);
    counter!("verifier_provider_stale_total", "provider" => provider.to_owned()).increment(0);
}

/// The relay will be connected to.
pub fn relay_begins() {
    metrics::gauge!("relay_connected").set(0.0);
}

/// The connection was lost, or could not be had; it is opened again.
pub fn relay_reconnecting() {
    counter!("subscription_reconnects_total", "source" => "relay").increment(1);
}

/// A connection to the relay was opened and all streams were granted.
pub fn relay_connected(url: &str, streams: usize) {
    metrics::counter!("relay_connections_total").increment(1);
    metrics::gauge!("relay_connected").set(1.0);
    tracing::debug!(event = "relay.connected", url, streams, "relay connected");
}

/// The connection is gone, or could not be had.
pub fn relay_disconnected(url: &str, reason: &str) {
    metrics::counter!("relay_disconnections_total").increment(1);
    metrics::gauge!("relay_connected").set(0.0);
    tracing::debug!(event = "relay.disconnected", url, reason, "relay not connected");
}

/// A stream that is not needed for safety was refused.
pub fn stream_refused(stream: &'static str, reply: &str) {
    tracing::warn!(event = "relay.stream_refused", stream, reply, "relay refused an optional stream");
}

/// A frame could not be read; it is passed on as such.
pub fn unreadable_frame(reason: &str, bytes: usize) {
    metrics::counter!("relay_frames_unreadable_total").increment(1);
    tracing::warn!(event = "relay.unreadable_frame", reason, bytes, "relay frame unreadable");
}

/// A frame named a subscription of an earlier connection.
pub fn stale_subscription(subscription: &str) {
    metrics::counter!("relay_frames_stale_total").increment(1);
    tracing::debug!(
        event = "relay.stale_subscription",
        subscription,
        "frame of an earlier subscription ignored"
    );
}

/// The reader of the feed is too slow, and quotes were dropped.
pub fn quotes_dropped(dropped: u64) {
    metrics::counter!("relay_quotes_dropped_total").increment(dropped);
    tracing::error!(
        event = "relay.quotes_dropped",
        dropped,
        "quotes dropped, the reader of the feed is too slow"
    );
}

/// News other than quotes found no room.
pub fn news_dropped() {
    metrics::counter!("relay_news_dropped_total").increment(1);
    tracing::error!(event = "relay.news_dropped", "relay news dropped, nobody reads the feed");
}

/// An offer's fate, as far as it is known.
pub fn submitted(quote_hash: &str, submission: &Submission) {
    let (outcome, said) = match submission {
        Submission::Accepted { reply } => ("accepted", reply),
        Submission::Refused { reply, late: false } => ("refused", reply),
        Submission::Refused { reply, late: true } => ("late", reply),
        Submission::NotSent { reason } => ("not_sent", reason),
        Submission::Unknown { reason } => ("unknown", reason),
    };
    metrics::counter!("relay_submissions_total", "outcome" => outcome).increment(1);
    tracing::debug!(event = "relay.submitted", quote_hash, outcome, said, "offer submitted");
}

/// The relay replied to an offer that was answered before, or given up.
pub fn further_reply(notice: &ReplyNotice) {
    let (quote_id, quote_hash) = (notice.quote_id.as_str(), notice.quote_hash.as_str());
    let (outcome, said) = (notice.word.name(), notice.reply.as_str());
    metrics::counter!("relay_further_replies_total", "word" => outcome).increment(1);
    tracing::warn!(
        event = "relay.further_reply",
        quote_id,
        quote_hash,
        outcome,
        said,
        "the relay replied to an offer that nobody waits for"
    );
}

/// A provider of the verifier's views did not answer properly and is left out of this snapshot.
pub fn provider_left_out(provider: &str, error: &str) {
    metrics::counter!("verifier_provider_failures_total", "provider" => provider.to_owned()).increment(1);
    tracing::warn!(event = "relay.provider_left_out", provider, error, "verifier provider left out");
}

/// A provider's newest final block is too old, and it is left out of this snapshot.
pub fn provider_stale(provider: &str, height: u64, behind_ms: i64) {
    metrics::counter!("verifier_provider_stale_total", "provider" => provider.to_owned()).increment(1);
    tracing::warn!(
        event = "relay.provider_stale",
        provider,
        height,
        behind_ms,
        "verifier provider is behind"
    );
}

/// Providers contradict each other.
pub fn providers_disagree(height: u64, what: &str) {
    metrics::counter!("verifier_disagreements_total").increment(1);
    tracing::error!(event = "relay.providers_disagree", height, what, "verifier providers disagree");
}
