//! The reference price of one pair, stream `price-{pair}`: observations in, a priced policy verdict out.
//!
//! It prices nothing that the desk signs; that is [`crate::trading::pricing`]. What the sources say is kept
//! whatever it is; whether it can be relied on is the [`policy`]'s verdict, which is stated again with every
//! observation and whenever time alone changes it.

pub mod command;
pub mod event;
pub mod policy;
pub mod rejection;
pub mod state;

mod decide;
mod evolve;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use event::Event;
pub use policy::Policy;
pub use rejection::Rejection;
pub use state::State;

use crate::decider::{Decider, WrittenDown};

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Reference;

impl Decider for Reference {
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

impl WrittenDown for Reference {
    const SOURCES: &'static [&'static str] = &[
        include_str!("reference/state.rs"),
        include_str!("reference/evolve.rs"),
        include_str!("reference/event.rs"),
    ];
}
