//! Trading: what we would offer, whether we may, and what became of it.

#[cfg(test)]
pub(crate) mod fixtures;

pub mod event;
pub mod gate;
pub mod limits;
pub mod pricing;

pub mod account;
pub mod strategy;

/// The sources of all that decides on offers: two builds with the same sources decide alike on the same facts.
pub const DECIDER_SOURCES: &[&str] = &[
    include_str!("money.rs"),
    include_str!("market/reference/event.rs"),
    include_str!("market/reference/policy.rs"),
    include_str!("intents/demand.rs"),
    include_str!("trading/gate.rs"),
    include_str!("trading/limits.rs"),
    include_str!("trading/pricing.rs"),
    include_str!("trading/strategy/command.rs"),
    include_str!("trading/strategy/decide.rs"),
    include_str!("trading/strategy/event.rs"),
    include_str!("trading/strategy/gates.rs"),
    include_str!("trading/account/command.rs"),
    include_str!("trading/account/decide/offer.rs"),
    include_str!("trading/account/decide/price.rs"),
    include_str!("trading/account/decide/terms.rs"),
    include_str!("trading/account/event.rs"),
    include_str!("trading/account/event/arming.rs"),
    include_str!("trading/account/evolve.rs"),
    include_str!("trading/account/state.rs"),
    include_str!("treasury/inventory/event.rs"),
];
