//! Events that read models could not take in, stream [`STREAM`]: parked by whoever folds, tried again or skipped for good by
//! a person.
//!
//! What stands here decides what a fold leaves out, so that tables with a gap follow from the log like all others.

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
pub use state::{Entry, Phase, State};

use crate::decider::Decider;

/// The one stream of all projections.
pub const STREAM: &str = "parking-projections";

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Parking;

impl Decider for Parking {
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
