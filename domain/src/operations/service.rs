//! One service of the desk, stream `service-{name}`: running, paused or draining. The same three words mean
//! the same for all of them; arming is not here, it is the account's.

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
pub struct Lifecycle;

impl Decider for Lifecycle {
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
