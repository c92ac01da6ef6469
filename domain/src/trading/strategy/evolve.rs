//! How the strategy remembers.

use super::event::Event;
use super::state::{RECENT_MAX, State};

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Decided(decided) => {
            state.last_demand = state.last_demand.max(decided.demand_position);
            if state.decided.insert(decided.quote_id.clone()) {
                state.order.push_back(decided.quote_id.clone());
            }
            while state.order.len() > RECENT_MAX {
                if let Some(oldest) = state.order.pop_front() {
                    state.decided.remove(&oldest);
                }
            }
        }
        // It follows from the decision beside it.
        Event::ExecutionCommanded(_) => {}
    }
    state
}
