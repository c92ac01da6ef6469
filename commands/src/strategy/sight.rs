//! From what is known to what a decision sees: one way, for the desk that trades and for who asks what it would have
//! done under other limits.

use super::Pending;
use std::sync::Arc;
use stele_domain::ids::{EventId, TokenId};
use stele_domain::intents::demand::Demand;
use stele_domain::market::reference::event::ReferencePriced;
use stele_domain::money::{Decimals, Units};
use stele_domain::pair::Pair;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::State as AccountState;
use stele_domain::trading::strategy::command::{AccountView, Running, Seen, Sight};
use stele_domain::trading::strategy::event::Footing;
use stele_domain::treasury::inventory::event::BalancesObserved;

/// What is known when a demand is decided on.
pub(crate) struct Known<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) decimals: Decimals,
    pub(crate) account: &'a AccountState,
    pub(crate) pending: &'a Pending,
    pub(crate) running: Running,
    pub(crate) price: Option<Seen<ReferencePriced>>,
    pub(crate) inventory: Option<Seen<BalancesObserved>>,
}

impl Known<'_> {
    /// What the decision on a demand sees; `event` is the demand's id and place.
    pub(crate) fn sight(
        self,
        footing: Footing,
        demand: &Arc<Demand>,
        event: (EventId, Position),
        at: Timestamp,
    ) -> Sight {
        let base_held = self.inventory.as_ref().map(|seen| held(&self.pair.base.tokens, &seen.fact));
        let mut account = AccountView::of(self.account, footing.start, demand, base_held, at);
        self.pending.add_to(&mut account, demand, at);
        let (demand_event_id, demand_position) = event;
        Sight {
            strategy: Arc::from(self.pair.id.as_str()),
            demand: Arc::clone(demand),
            demand_event_id,
            demand_position,
            decimals: self.decimals,
            footing,
            running: self.running,
            price: self.price,
            inventory: self.inventory,
            account,
            at,
        }
    }
}

/// Credited coin of several tokens that count as one asset. Venue amounts fit 127 bits, so the sum fits.
pub(crate) fn held(tokens: &[TokenId], fact: &BalancesObserved) -> Units {
    let of = |token: &TokenId| fact.credited.get(token).copied().unwrap_or(Units::ZERO);
    tokens.iter().fold(Units::ZERO, |sum, token| sum.plus(of(token)).unwrap_or(sum))
}
