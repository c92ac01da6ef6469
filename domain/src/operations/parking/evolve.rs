//! How parking remembers.

use super::event::Event;
use super::state::{Entry, Phase, State};
use crate::port::event_log::Position;

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::EventParked(fact) => {
            let entry = Entry {
                event_type: fact.event_type.clone(),
                reason: fact.reason.clone(),
                attempt: fact.attempt,
                phase: Phase::Parked,
            };
            let versions = state.projections.entry(fact.projection.clone()).or_default();
            versions.entry(fact.version).or_default().insert(fact.position, entry);
        }
        Event::ParkedRetried(fact) => {
            enter(&mut state, &fact.projection, fact.version, fact.position, Phase::Retried);
        }
        Event::ParkedSkipped(fact) => {
            enter(&mut state, &fact.projection, fact.version, fact.position, Phase::Skipped);
        }
    }
    state
}

fn enter(state: &mut State, projection: &str, version: u32, position: Position, phase: Phase) {
    let entries = state.projections.get_mut(projection).and_then(|versions| versions.get_mut(&version));
    if let Some(entry) = entries.and_then(|entries| entries.get_mut(&position)) {
        entry.phase = phase;
    }
}
