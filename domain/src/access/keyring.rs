//! The keys, stream `access-keys`: who was given one, what it lets them do, and until when.
//!
//! Of a key's secret only a keyed hash is here, so whoever reads the log can't use what they read. Whether a
//! presented secret is the right one is found out at the doors.

pub mod command;
pub mod event;
pub mod rejection;
pub mod state;

mod decide;
mod evolve;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use decide::{KEYS_MAX, VALIDITY_MS_MAX};
pub use event::Event;
pub use rejection::Rejection;
pub use state::{Key, Standing, State};

use crate::decider::Decider;

/// The aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Keyring;

impl Decider for Keyring {
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
