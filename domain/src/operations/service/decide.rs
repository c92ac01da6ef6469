//! How a service decides.

use super::command::Command;
use super::event::{Event, ServiceDrained, ServiceDraining, ServicePaused, ServiceResumed, ServiceStarted};
use super::rejection::Rejection;
use super::state::{Phase, State};

/// Shortest reason that says anything, in characters.
const REASON_CHARS_MIN: usize = 3;
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Start { service, version, instance, at } => {
            let started = ServiceStarted { service, version, instance, at };
            let known = state.started.as_ref() == Some(&started);
            Ok(if known { vec![] } else { vec![Event::ServiceStarted(started)] })
        }
        Command::Pause { service, reason, at } => {
            let reason = checked(reason)?;
            match &state.phase {
                Phase::NeverStarted => Err(Rejection::NeverStarted),
                Phase::Paused { reason: known, .. } if *known == reason => Ok(vec![]),
                // A second reason is kept: whoever undoes the first pause must not undo this one unseen.
                Phase::Running | Phase::Paused { .. } => {
                    Ok(vec![Event::ServicePaused(ServicePaused { service, reason, at })])
                }
                Phase::Draining { .. } | Phase::Drained { .. } => Err(Rejection::Draining),
            }
        }
        Command::Resume { service, reason, at } => match state.phase {
            Phase::NeverStarted => Err(Rejection::NeverStarted),
            Phase::Running => Ok(vec![]),
            Phase::Paused { .. } | Phase::Draining { .. } | Phase::Drained { .. } => {
                Ok(vec![Event::ServiceResumed(ServiceResumed { service, reason, at })])
            }
        },
        Command::Drain { service, reason, at } => match state.phase {
            Phase::NeverStarted => Err(Rejection::NeverStarted),
            Phase::Running | Phase::Paused { .. } => {
                Ok(vec![Event::ServiceDraining(ServiceDraining { service, reason, at })])
            }
            Phase::Draining { .. } | Phase::Drained { .. } => Ok(vec![]),
        },
        Command::Drained { service, at } => match state.phase {
            Phase::Draining { .. } => Ok(vec![Event::ServiceDrained(ServiceDrained { service, at })]),
            Phase::Drained { .. } => Ok(vec![]),
            Phase::NeverStarted | Phase::Running | Phase::Paused { .. } => Err(Rejection::NotDraining),
        },
    }
}

fn checked(reason: String) -> Result<String, Rejection> {
    let length = reason.trim().chars().count();
    if (REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&length) {
        Ok(reason)
    } else {
        Err(Rejection::ReasonMissing)
    }
}
