//! The connection to the relay, stream `relay-{venue}`: up, down, frames that could not be read, settlements of our
//! own offers, and replies to them that nobody waited for any more.
//!
//! A process that was killed never said that its connection was gone, so one that starts says it first.

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
pub struct Relay;

impl Decider for Relay {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        Ok(decide::decide(state, command))
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}

impl WrittenDown for Relay {
    const SOURCES: &'static [&'static str] = &[
        include_str!("relay/state.rs"),
        include_str!("relay/evolve.rs"),
        include_str!("relay/event.rs"),
        include_str!("../port/feeds.rs"),
    ];
}
