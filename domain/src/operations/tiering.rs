//! Where the partitions of histories are, stream [`STREAM`]: which of them are in the lake, and which were brought
//! back. The rows themselves follow from the log; this says who may stop keeping them, and what they came to.

pub mod command;
pub mod event;
pub mod rejection;
pub mod state;

mod decide;
mod evolve;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use event::{Event, PartitionRestored, PartitionTiered, Span};
pub use rejection::Rejection;
pub use state::{Known, State};

use crate::decider::Decider;

/// The stream of its facts.
pub const STREAM: &str = "tiering-partitions";

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Tiering;

impl Decider for Tiering {
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
