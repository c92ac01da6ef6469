//! What the strategy is asked: to decide on one demand, given all that is known at that place in the log.

use crate::ids::EventId;
use crate::intents::demand::Demand;
use crate::market::reference::event::ReferencePriced;
use crate::money::{Decimals, Units};
use crate::port::event_log::Position;
use crate::time::Timestamp;
use crate::trading::account::event::{LimitsSet, Mode};
use crate::trading::strategy::event::Footing;
use crate::treasury::inventory::event::BalancesObserved;
use std::sync::Arc;

/// The one thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Speak on a demand.
    Decide(Box<Sight>),
}

/// All that a decision sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The strategy's name, for the decision's id: the pair.
    pub strategy: Arc<str>,
    /// The demand.
    pub demand: Arc<Demand>,
    /// Its event.
    pub demand_event_id: EventId,
    /// Where it stands.
    pub demand_position: Position,
    /// Decimals of both sides.
    pub decimals: Decimals,
    /// How offers are priced, and how far the log was read.
    pub footing: Footing,
    /// Whether the strategy works.
    pub running: Running,
    /// The newest reference price.
    pub price: Option<Seen<ReferencePriced>>,
    /// The newest balances.
    pub inventory: Option<Seen<BalancesObserved>>,
    /// The account, as far as this demand needs it.
    pub account: AccountView,
    /// Now.
    pub at: Timestamp,
}

/// An event that was seen, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    /// The event's id.
    pub event_id: EventId,
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub fact: Arc<T>,
}

/// Whether a service works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// It takes work.
    #[default]
    Running,
    /// It takes no work.
    Paused,
    /// It finishes what it has.
    Draining,
}

/// What the account's arming comes to at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Offers may be made.
    Armed(Mode),
    /// They were allowed until a moment that has passed.
    Expired,
    /// They may not be made.
    Disarmed,
    /// They may not be made, and somebody must look.
    Killed,
}

/// The account, as far as one demand needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Whether offers may be made.
    pub permission: Permission,
    /// The limits in force.
    pub limits: Option<Arc<LimitsSet>>,
    /// Reserved of the token that we would give.
    pub reserved: Units,
    /// Notional of open offers in the demand's direction.
    pub open_notional: Units,
    /// Base that open offers in the demand's direction would move.
    pub open_base: Units,
    /// How many offers are open.
    pub open_offers: u32,
    /// How many of them answer this partner's takers.
    pub partner_offers: u32,
    /// How many outcomes are unknown.
    pub uncertain: u32,
    /// When an offer was last settled.
    pub last_settled_at: Option<Timestamp>,
    /// The newest block whose balances released coin: older balances would count that coin twice.
    pub last_release_height: u64,
    /// Credited base coin, all its tokens together.
    pub base_held: Option<Units>,
}

impl AccountView {
    /// What a demand needs to know of the account at a moment. `start` is the strategy's own: what was armed for
    /// another start does not hold for this one.
    #[must_use]
    pub fn of(
        account: &crate::trading::account::State,
        start: u64,
        demand: &Demand,
        base_held: Option<Units>,
        at: Timestamp,
    ) -> Self {
        use crate::trading::account::state::Arming;
        let permission = match account.arming() {
            Arming::Armed(_) if account.lapsed(at).is_some() => Permission::Expired,
            Arming::Armed(armed) if armed.strategy_start != start => Permission::Disarmed,
            Arming::Armed(armed) => Permission::Armed(armed.mode),
            Arming::Disarmed => Permission::Disarmed,
            Arming::Killed { .. } => Permission::Killed,
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            permission,
            limits: account.limits_at(at).cloned(),
            reserved: account.reserved(&demand.token_out),
            open_notional: account.open_notional(demand.direction),
            open_base: account.open_base(demand.direction),
            open_offers: count(account.open().len()),
            partner_offers: demand.partner_id.as_deref().map_or(0, |p| count(account.open_of_partner(p))),
            uncertain: count(account.uncertain()),
            last_settled_at: account.last_settled_at(),
            last_release_height: account.last_release_height(),
            base_held,
        }
    }
}
