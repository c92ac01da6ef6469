//! The balances of one account, stream `inventory-{account}`: credited coin at one block, what is still on its
//! way, and whether the chain's word fits what we know we did.
//!
//! Reservations are not here: they are the account's ([`crate::trading::account`]).

pub mod command;
pub mod event;
pub mod rejection;
pub mod state;

mod decide;
mod evolve;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use event::Event;
pub use rejection::Rejection;
pub use state::State;

use crate::decider::{Decider, WrittenDown};

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Inventory;

impl Decider for Inventory {
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

impl WrittenDown for Inventory {
    const SOURCES: &'static [&'static str] = &[
        include_str!("inventory/state.rs"),
        include_str!("inventory/evolve.rs"),
        include_str!("inventory/event.rs"),
    ];
}
