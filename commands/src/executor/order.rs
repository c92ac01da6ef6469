//! What the account is told beside an order: balances, and how long the offer would hold. One way, for the executor that
//! trades and for who asks what it would have done under other limits.

use crate::strategy::held;
use stele_domain::ids::EventId;
use stele_domain::pair::Pair;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::command::Balances;
use stele_domain::trading::strategy::event::ExecutionCommanded;
use stele_domain::treasury::inventory::event::BalancesObserved;

/// The balances, as far as an order needs them.
pub(crate) fn balances_for(
    order: &ExecutionCommanded,
    pair: &Pair,
    event_id: EventId,
    fact: &BalancesObserved,
) -> Balances {
    Balances {
        event_id,
        height: fact.height,
        observed_at: fact.observed_at,
        credited: fact.credited.get(&order.give.token).copied().unwrap_or_default(),
        pending_out: fact.pending_out.get(&order.give.token).copied().unwrap_or_default(),
        base_held: held(&pair.base.tokens, fact),
        blocked: fact.blocked.first().copied(),
    }
}

/// Until when an offer that is fixed at a moment holds, and until when its nonce can be asked about. `margins` are how
/// much longer than asked the one, and than that the other, in milliseconds. Cut to the millisecond: the venue's words
/// can carry no more.
pub(crate) fn deadlines(
    order: &ExecutionCommanded,
    margins: (u64, u64),
    at: Timestamp,
) -> (Timestamp, Timestamp) {
    let (offer_margin_ms, nonce_margin_ms) = margins;
    let valid_ms = order.min_deadline_ms.saturating_add(offer_margin_ms);
    let offer = Timestamp::from_millis(at.millis()).plus_millis(valid_ms);
    (offer, offer.plus_millis(nonce_margin_ms))
}
