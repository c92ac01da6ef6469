//! How the filter decides.

use super::command::Command;
use super::event::{Entry, Event, FilterReset, FilterSet};
use super::rejection::Rejection;
use super::state::State;
use crate::pair::Pair;
use crate::reason;
use std::collections::BTreeSet;

/// Most lines that the filter holds.
pub(super) const ENTRIES_MAX: usize = 256;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Set { entries, configured, reason, at } => {
            let reason = checked(reason)?;
            let entries = known(entries, &configured)?;
            if matches!(state, State::Only(current) if *current == entries) {
                return Ok(vec![]);
            }
            let entries = entries.into_iter().collect();
            Ok(vec![Event::FilterSet(FilterSet { entries, reason, at })])
        }
        Command::Reset { reason, at } => {
            let reason = checked(reason)?;
            match state {
                State::Configured => Ok(vec![]),
                State::Only(_) => Ok(vec![Event::FilterReset(FilterReset { reason, at })]),
            }
        }
    }
}

/// The lines without repetition, each of them about a configured pair.
fn known(entries: Vec<Entry>, configured: &[Pair]) -> Result<BTreeSet<Entry>, Rejection> {
    if entries.len() > ENTRIES_MAX {
        return Err(Rejection::TooManyEntries(entries.len()));
    }
    for entry in &entries {
        match entry {
            Entry::Pair(id) => {
                if !configured.iter().any(|pair| pair.id == *id) {
                    return Err(Rejection::UnknownPair(id.clone()));
                }
            }
            Entry::Tokens { token_in, token_out } => {
                if !configured.iter().any(|pair| pair.direction(token_in, token_out).is_some()) {
                    let (token_in, token_out) = (token_in.clone(), token_out.clone());
                    return Err(Rejection::UnknownTokens { token_in, token_out });
                }
            }
        }
    }
    Ok(entries.into_iter().collect())
}

fn checked(reason: String) -> Result<String, Rejection> {
    if reason::suffices(&reason) { Ok(reason) } else { Err(Rejection::ReasonMissing) }
}
