//! What is remembered of parked events.

use crate::port::event_log::Position;
use std::collections::BTreeMap;

/// What is remembered of parked events, by projection and version: rows of another version are folded anew and try for
/// themselves, also while both are folded, as by the builds before and after an upgrade.
///
/// What is remembered stays small. A projection has few versions, one more with each release that changes its rows, and in
/// each of them whoever folds stops when too many events wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) projections: BTreeMap<String, Versions>,
}

/// Those of one projection.
pub(super) type Versions = BTreeMap<u32, BTreeMap<Position, Entry>>;

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
        let known = self.projections.get(projection).and_then(|versions| versions.get(&version));
        known.into_iter().flatten().map(|(at, entry)| (*at, entry))
    }

    /// What every version of every projection could not take in, also of versions that nobody folds any more: its name,
    /// its version, where the event stands.
    pub fn all(&self) -> impl Iterator<Item = (&str, u32, Position, &Entry)> {
        self.projections.iter().flat_map(|(projection, versions)| {
            versions.iter().flat_map(move |(version, entries)| {
                entries.iter().map(move |(at, entry)| (projection.as_str(), *version, *at, entry))
            })
        })
    }

    /// One event that a version of a projection could not take in.
    pub(super) fn entry(&self, projection: &str, version: u32, position: Position) -> Option<&Entry> {
        self.projections.get(projection)?.get(&version)?.get(&position)
    }

    /// The versions of a projection that could not take an event in, lowest first, and what is to become of it in each.
    pub(super) fn versions(&self, projection: &str, position: Position) -> Vec<(u32, Phase)> {
        let lacking = |(version, entries): (&u32, &BTreeMap<Position, Entry>)| {
            entries.get(&position).map(|entry| (*version, entry.phase))
        };
        self.projections.get(projection).into_iter().flatten().filter_map(lacking).collect()
    }
}
