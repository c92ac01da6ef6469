//! How parking remembers.

use super::event::Event;
use super::state::{Entry, OfProjection, Phase, State};
use crate::port::event_log::Position;

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::EventParked(fact) => {
            let known = state.projections.entry(fact.projection.clone()).or_default();
            if known.version != fact.version {
                *known = OfProjection { version: fact.version, ..OfProjection::default() };
            }
            let entry = Entry {
                event_type: fact.event_type.clone(),
                reason: fact.reason.clone(),
                attempt: fact.attempt,
                phase: Phase::Parked,
            };
            known.entries.insert(fact.position, entry);
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
    let known = state.projections.get_mut(projection).filter(|known| known.version == version);
    if let Some(entry) = known.and_then(|known| known.entries.get_mut(&position)) {
        entry.phase = phase;
    }
}
