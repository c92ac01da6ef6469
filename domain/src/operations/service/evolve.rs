//! How a service remembers.

use super::event::Event;
use super::state::{Phase, State};

pub(super) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::ServiceStarted(started) => State { phase: Phase::Running, started: Some(started.clone()) },
        Event::ServicePaused(paused) => {
            State { phase: Phase::Paused { reason: paused.reason.clone(), since: paused.at }, ..state }
        }
        Event::ServiceResumed(_) => State { phase: Phase::Running, ..state },
        Event::ServiceDraining(draining) => {
            State { phase: Phase::Draining { reason: draining.reason.clone(), since: draining.at }, ..state }
        }
        Event::ServiceDrained(drained) => State { phase: Phase::Drained { since: drained.at }, ..state },
    }
}
