//! The signing account, stream `account-{account}`: the safety aggregate.
//!
//! What must never disagree stands in this one stream: lease, arming, limits, reservations, open signatures.
//! So every safety rule is a single-stream expectation. It does no pricing and reads no clock.
//!
//! An offer's life (open offers keep their coin reserved):
//!
//! ```text
//!            ┌ Abandoned ── released at once: nothing was ever sent
//! Started ───┼ Accepted ──┐
//!            ├ Rejected ──┤   nonce used at a block    → Settled, released with that block's balances
//!            └ Uncertain ─┤   deadline + margin passed → ExpiredUnfilled, released with a later block
//!                         └ SettleFailed: the signature is still valid, so the coin stays reserved
//! ```
//!
//! `Rejected` and `SettleFailed` are results already: past their deadline only the coin is released. A nonce that
//! is first read after its own deadline proves nothing: the coin is released, and the result stays `Uncertain`.

pub mod command;
pub mod event;
pub mod rejection;
pub mod state;

mod decide;
mod evolve;
mod kept;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use decide::{
    ARMING_MS_MAX, EFFECTIVE_AHEAD_MS_MAX, EFFECTIVE_PAST_MS_MAX, LEASE_MS_MAX, NOTIONAL_TOLERANCE,
    REQUEST_MS_MAX, VALIDITY_SLACK_MS,
};
pub use event::Event;
pub use rejection::Rejection;
pub use state::State;

use crate::decider::{Decider, WrittenDown};

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Account;

impl Decider for Account {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        decide::decide(state, command)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}

impl WrittenDown for Account {
    const SOURCES: &'static [&'static str] = &[
        include_str!("account/state.rs"),
        include_str!("account/kept.rs"),
        include_str!("account/evolve.rs"),
        include_str!("account/event.rs"),
        include_str!("account/event/arming.rs"),
        // What those carry. An older build that does not know one of their fields would leave it out.
        include_str!("limits.rs"),
        include_str!("../port/venue.rs"),
    ];
}
