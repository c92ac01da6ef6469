//! How the reference price remembers.

use super::event::Event;
use super::state::State;

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::PriceObserved(observed) => {
            state.observed.insert(observed.source, observed.clone());
        }
        Event::SourceStateChanged(change) => {
            state.sources.insert(change.source, change.clone());
        }
        Event::ReferencePriced(priced) => state.priced = Some(priced.clone()),
    }
    state
}
