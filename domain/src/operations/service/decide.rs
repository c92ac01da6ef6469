//! How a service decides.

use super::command::Command;
use super::event::{
    Event, RefreshAsked, ServiceDrained, ServiceDraining, ServicePaused, ServiceResumed, ServiceStarted,
};
use super::rejection::Rejection;
use super::state::{Phase, State};
use crate::reason;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Start { service, version, instance, at } => {
            let known = state.started.as_ref().is_some_and(|known| {
                (&known.version, &known.instance, known.at) == (&version, &instance, at)
            });
            let start = state.starts.saturating_add(1);
            let started = ServiceStarted { service, version, instance, start, at };
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
        Command::AskRefresh { service, reason, at } => match state.phase {
            Phase::NeverStarted => Err(Rejection::NeverStarted),
            Phase::Running | Phase::Paused { .. } | Phase::Draining { .. } | Phase::Drained { .. } => {
                let asked = RefreshAsked { service, reason: reason::cut(reason), at };
                let known = state.refresh_asked_at == Some(at);
                Ok(if known { vec![] } else { vec![Event::RefreshAsked(asked)] })
            }
        },
        Command::Drained { service, at } => match state.phase {
            Phase::Draining { .. } => Ok(vec![Event::ServiceDrained(ServiceDrained { service, at })]),
            Phase::Drained { .. } => Ok(vec![]),
            Phase::NeverStarted | Phase::Running | Phase::Paused { .. } => Err(Rejection::NotDraining),
        },
    }
}

fn checked(reason: String) -> Result<String, Rejection> {
    if reason::suffices(&reason) { Ok(reason) } else { Err(Rejection::ReasonMissing) }
}
