//! How an alert decides.

use super::command::Command;
use super::event::{AlertCleared, AlertRaised, Event};
use super::state::State;

pub(super) fn decide(state: &State, command: Command) -> Vec<Event> {
    match (command, state) {
        (Command::Raise { kind, detail, at }, State::Quiet) => {
            vec![Event::AlertRaised(AlertRaised { kind, detail, at })]
        }
        (Command::Clear { kind, detail, at }, State::Raised(_)) => {
            vec![Event::AlertCleared(AlertCleared { kind, detail, at })]
        }
        (Command::Raise { .. }, State::Raised(_)) | (Command::Clear { .. }, State::Quiet) => vec![],
    }
}
