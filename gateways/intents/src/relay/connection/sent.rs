//! The offers that were sent, by request id, so that a reply that nobody waits for is known as what it is: a second
//! answer, or one that came too late. It does not know what was answered before; that stands on the log.

use std::collections::BTreeMap;
use std::time::Duration;
use stele_domain::ids::{QuoteHash, QuoteId};
use tokio::time::Instant;

/// Most offers that are remembered. A reply to an older one is reported as unreadable.
const OFFERS_MAX: usize = 4_096;

/// How long an offer is remembered after it was sent. Limits let none stay valid for more than 11 minutes, and a reply
/// to an offer whose coin is free again changes nothing.
const REMEMBERED: Duration = Duration::from_mins(15);

/// Which offer a request was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferName {
    /// The auction that it answered.
    pub quote_id: QuoteId,
    /// The digest that was signed.
    pub quote_hash: QuoteHash,
}

/// The offers that were sent. It outlives the socket: ids are not used again as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct SentOffers {
    by_id: BTreeMap<u64, (OfferName, Instant)>,
}

impl SentOffers {
    /// Remembers an offer, and forgets those that are too old or too many; the smallest ids are the oldest.
    pub(super) fn remember(&mut self, id: u64, offer: OfferName, now: Instant) {
        self.by_id.insert(id, (offer, now));
        while let Some(oldest) = self.by_id.first_entry() {
            let (_, sent) = oldest.get();
            if !is_over(*sent, now) {
                break;
            }
            oldest.remove();
        }
        while self.by_id.len() > OFFERS_MAX {
            self.by_id.pop_first();
        }
    }

    /// The offer that was sent under this request id, while it is remembered.
    pub(super) fn find(&self, id: u64, now: Instant) -> Option<&OfferName> {
        let (offer, sent) = self.by_id.get(&id)?;
        (!is_over(*sent, now)).then_some(offer)
    }
}

fn is_over(sent: Instant, now: Instant) -> bool {
    now.saturating_duration_since(sent) >= REMEMBERED
}

#[cfg(test)]
mod tests;
