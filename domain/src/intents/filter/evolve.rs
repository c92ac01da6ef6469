//! How the filter remembers.

use super::event::Event;
use super::state::State;

pub(super) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::FilterSet(set) => State::Only(set.entries.iter().cloned().collect()),
        Event::FilterReset(_) => State::Configured,
    }
}
