//! How an alert decides.

use super::command::Command;
use super::event::{AlertCleared, AlertRaised, Event};
use super::rejection::Rejection;
use super::state::{Standing, State};
use crate::reason;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Raise { kind, cause, detail, at } => {
            let news = match (&state.standing, cause) {
                // Another fact of its kind is news, also while nobody has looked at the last one.
                (Standing::Quiet | Standing::Raised(_), Some(cause)) => cause > state.last_cause,
                (Standing::Quiet, None) => true,
                (Standing::Raised(_), None) => false,
            };
            Ok(if news { vec![Event::AlertRaised(AlertRaised { kind, detail, cause, at })] } else { vec![] })
        }
        Command::Clear { kind, detail, at } => Ok(cleared(state, AlertCleared { kind, detail, at })),
        Command::Dismiss { kind, reason, at } => {
            if !reason::suffices(&reason) {
                return Err(Rejection::ReasonMissing);
            }
            if !kind.waits_for_a_person() {
                return Err(Rejection::ClearsItself(kind));
            }
            Ok(cleared(state, AlertCleared { kind, detail: reason, at }))
        }
    }
}

fn cleared(state: &State, fact: AlertCleared) -> Vec<Event> {
    match state.standing {
        Standing::Quiet => vec![],
        Standing::Raised(_) => vec![Event::AlertCleared(fact)],
    }
}
