//! How an alert remembers.

use super::event::Event;
use super::state::State;

pub(super) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::AlertRaised(raised) => State::Raised(raised.clone()),
        Event::AlertCleared(_) => State::Quiet,
    }
}
