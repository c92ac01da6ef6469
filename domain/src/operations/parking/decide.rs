//! How parking decides.

use super::command::Command;
use super::event::{Event, EventParked, ParkedRetried, ParkedSkipped};
use super::rejection::Rejection;
use super::state::{Phase, State};
use crate::port::event_log::Position;
use crate::reason;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Park { projection, version, position, event_type, reason, at } => {
            let known = state.entry(&projection, position).filter(|(of, _)| *of == version);
            let tried = match known.map(|(_, entry)| (entry.phase, entry.attempt)) {
                // Two who fold meet the same event; a crash forgets who has said so.
                Some((Phase::Parked | Phase::Skipped, _)) => return Ok(vec![]),
                Some((Phase::Retried, attempt)) => attempt,
                None => 0,
            };
            let attempt = tried.saturating_add(1);
            let parked = EventParked { projection, version, position, event_type, reason, attempt, at };
            Ok(vec![Event::EventParked(parked)])
        }
        Command::Retry { projection, position, reason, at } => {
            let (version, phase) = asked(state, &projection, position, &reason)?;
            Ok(match phase {
                Phase::Parked | Phase::Skipped => {
                    let retried = ParkedRetried { projection, version, position, reason, at };
                    vec![Event::ParkedRetried(retried)]
                }
                Phase::Retried => vec![],
            })
        }
        Command::Skip { projection, position, reason, at } => {
            let (version, phase) = asked(state, &projection, position, &reason)?;
            match phase {
                Phase::Parked => {
                    let skipped = ParkedSkipped { projection, version, position, reason, at };
                    Ok(vec![Event::ParkedSkipped(skipped)])
                }
                Phase::Skipped => Ok(vec![]),
                Phase::Retried => Err(Rejection::Retried { projection, position }),
            }
        }
    }
}

fn asked(
    state: &State,
    projection: &str,
    position: Position,
    reason: &str,
) -> Result<(u32, Phase), Rejection> {
    if !reason::suffices(reason) {
        return Err(Rejection::ReasonMissing);
    }
    let known = state.entry(projection, position).map(|(version, entry)| (version, entry.phase));
    known.ok_or_else(|| Rejection::NotParked { projection: projection.to_owned(), position })
}
