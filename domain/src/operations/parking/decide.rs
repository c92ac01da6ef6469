//! How parking decides.
//!
//! Whoever folds parks for their own version. A person names a projection and a position, and means every version that
//! lacks the event there: one fact for each of them. Both wishes are about the event and its cause, and not about one
//! build's tables. To try again is never wrong, since what still does not fit is parked anew by the version that it does not
//! fit; and to skip changes nothing of what a parked event leaves out. Were it one version only, say the newest, then what
//! another one parked could not be settled while both have it, and would stay for ever when that one is folded no more.

use super::command::Command;
use super::event::{Event, EventParked, ParkedRetried, ParkedSkipped};
use super::rejection::Rejection;
use super::state::{Phase, State};
use crate::port::event_log::Position;
use crate::reason;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Park { projection, version, position, event_type, reason, at } => {
            let known = state.entry(&projection, version, position);
            let tried = match known.map(|entry| (entry.phase, entry.attempt)) {
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
            let known = asked(state, &projection, position, &reason)?;
            let left_out = known.into_iter().filter(|(_, phase)| match phase {
                Phase::Parked | Phase::Skipped => true,
                Phase::Retried => false,
            });
            let retried = |(version, _)| {
                let (projection, reason) = (projection.clone(), reason.clone());
                Event::ParkedRetried(ParkedRetried { projection, version, position, reason, at })
            };
            Ok(left_out.map(retried).collect())
        }
        Command::Skip { projection, position, reason, at } => {
            let known = asked(state, &projection, position, &reason)?;
            // One that is tried again may have been taken in since, in tables that nobody folds any more: it keeps nobody
            // from skipping what waits elsewhere, or from saying so twice. Where every version tries again there is nothing
            // to leave out.
            if known.iter().all(|(_, phase)| *phase == Phase::Retried) {
                return Err(Rejection::Retried { projection, position });
            }
            let waiting = known.into_iter().filter(|(_, phase)| *phase == Phase::Parked);
            let skipped = |(version, _)| {
                let (projection, reason) = (projection.clone(), reason.clone());
                Event::ParkedSkipped(ParkedSkipped { projection, version, position, reason, at })
            };
            Ok(waiting.map(skipped).collect())
        }
    }
}

/// The versions that a person speaks of, lowest first; at least one.
fn asked(
    state: &State,
    projection: &str,
    position: Position,
    reason: &str,
) -> Result<Vec<(u32, Phase)>, Rejection> {
    if !reason::suffices(reason) {
        return Err(Rejection::ReasonMissing);
    }
    let known = state.versions(projection, position);
    if known.is_empty() {
        return Err(Rejection::NotParked { projection: projection.to_owned(), position });
    }
    Ok(known)
}
