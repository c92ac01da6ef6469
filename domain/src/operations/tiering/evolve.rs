//! How it is remembered where partitions are.

use super::event::Event;
use super::state::{Known, State};

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::PartitionTiered(tiered) => {
            let known = Known { tiered: tiered.clone(), held_until: None };
            state.known.insert(tiered.span.clone(), known);
        }
        Event::PartitionRestored(restored) => {
            if let Some(known) = state.known.get_mut(&restored.span) {
                known.held_until = Some(restored.held_until);
            }
        }
    }
    state
}
