//! How a service remembers.

use super::event::Event;
use super::state::{Phase, State};

pub(super) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::ServiceStarted(started) => {
            let phase = match state.phase {
                Phase::NeverStarted | Phase::Running => Phase::Running,
                // A new process is no reason to undo what a person asked for.
                stopped @ (Phase::Paused { .. } | Phase::Draining { .. } | Phase::Drained { .. }) => stopped,
            };
            let starts = state.starts.saturating_add(1).max(started.start);
            State { phase, started: Some(started.clone()), starts, ..state }
        }
        Event::ServicePaused(paused) => {
            State { phase: Phase::Paused { reason: paused.reason.clone(), since: paused.at }, ..state }
        }
        Event::ServiceResumed(_) => State { phase: Phase::Running, ..state },
        Event::ServiceDraining(draining) => {
            State { phase: Phase::Draining { reason: draining.reason.clone(), since: draining.at }, ..state }
        }
        Event::RefreshAsked(asked) => State { refresh_asked_at: Some(asked.at), ..state },
        Event::ServiceDrained(drained) => State { phase: Phase::Drained { since: drained.at }, ..state },
    }
}
