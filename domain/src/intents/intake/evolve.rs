//! How the intake remembers.

use super::event::Event;
use super::state::{Content, State};

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::DemandNormalised(demand) => state.remember(&demand.quote_id, Content::of_demand(demand)),
        Event::RequestRejected(rejected) => {
            state.remember(&rejected.quote_id, Content::of_rejected(rejected));
        }
        // What was received stands beside what it was taken to mean; a repetition teaches nothing.
        Event::QuoteReceived(_) | Event::DuplicateReceived(_) => {}
    }
    state
}
