//! How an alert remembers.

use super::event::Event;
use super::state::{Standing, State};

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::AlertRaised(raised) => {
            state.last_cause = state.last_cause.max(raised.cause.unwrap_or_default());
            state.standing = Standing::Raised(raised.clone());
        }
        Event::AlertCleared(_) => state.standing = Standing::Quiet,
    }
    state
}
