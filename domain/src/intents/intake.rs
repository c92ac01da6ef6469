//! The intake of one pair, stream `quote-{pair}`: raw requests kept, demands normalised, repeats recognised.
//!
//! It judges whether a request makes sense, not whether the desk wants it; that is the strategy's.

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
pub struct Intake;

impl Decider for Intake {
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
