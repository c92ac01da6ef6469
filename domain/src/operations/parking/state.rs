//! What is remembered of parked events.

use crate::port::event_log::Position;
use std::collections::BTreeMap;

/// What is remembered of parked events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) projections: BTreeMap<String, OfProjection>,
}

/// Those of one projection, of the version that parked last: rows of another version are folded anew, and try for
/// themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OfProjection {
    pub version: u32,
    pub entries: BTreeMap<Position, Entry>,
}

/// One event that a projection could not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its type, as stored.
    pub event_type: String,
    /// What was wrong with it, at the last try.
    pub reason: String,
    /// How often it was tried in vain.
    pub attempt: u32,
    /// What is to become of it.
    pub phase: Phase,
}

/// What is to become of a parked event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a person.
    Parked,
    /// The next fold takes it in, or parks it again.
    Retried,
    /// It stays out.
    Skipped,
}

impl State {
    /// What this version of a projection could not take in, by position.
    pub fn of(&self, projection: &str, version: u32) -> impl Iterator<Item = (Position, &Entry)> {
        let known = self.projections.get(projection).filter(|known| known.version == version);
        known.into_iter().flat_map(|known| known.entries.iter().map(|(at, entry)| (*at, entry)))
    }

    /// What every projection could not take in: its name, its version, where the event stands.
    pub fn all(&self) -> impl Iterator<Item = (&str, u32, Position, &Entry)> {
        self.projections.iter().flat_map(|(projection, known)| {
            let of_one = known.entries.iter();
            of_one.map(|(at, entry)| (projection.as_str(), known.version, *at, entry))
        })
    }

    /// One event of a projection, and the version that could not take it in.
    pub(super) fn entry(&self, projection: &str, position: Position) -> Option<(u32, &Entry)> {
        let known = self.projections.get(projection)?;
        Some((known.version, known.entries.get(&position)?))
    }
}
