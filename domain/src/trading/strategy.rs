//! The strategy of one pair, stream `strategy-{pair}`: one decision on every demand, and a command when every
//! gate is open.
//!
//! It sees what the reactor has folded from the log up to the demand, never a read model, and it never looks at
//! a demand twice.

pub mod command;
pub mod event;
pub mod gates;
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

use crate::decider::Decider;

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Strategy;

impl Decider for Strategy {
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
