//! One alert, stream `alert-{kind}`: raised once, cleared once, never repeated in between.

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

use crate::decider::Decider;

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Alert;

impl Decider for Alert {
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
