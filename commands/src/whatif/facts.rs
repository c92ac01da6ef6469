//! Facts that decisions name by their place: kept as long as a decision to come may name them.

use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::Position;
use stele_domain::trading::strategy::command::Seen;

/// Most facts of one kind that are kept.
pub(super) const KEPT_MAX: usize = 200_000;

/// Facts of one kind by their place.
#[derive(Debug, Clone)]
pub(super) struct Facts<T> {
    kept: BTreeMap<Position, (EventId, Arc<T>)>,
}

impl<T> Default for Facts<T> {
    fn default() -> Self {
        Self { kept: BTreeMap::new() }
    }
}

impl<T> Facts<T> {
    pub(super) fn push(&mut self, position: Position, event_id: EventId, fact: Arc<T>) {
        self.kept.insert(position, (event_id, fact));
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The fact at a place.
    pub(super) fn at(&self, position: Position) -> Option<Seen<T>> {
        let (event_id, fact) = self.kept.get(&position)?;
        Some(Seen { event_id: *event_id, position, fact: Arc::clone(fact) })
    }

    /// The newest.
    pub(super) fn newest(&self) -> Option<Seen<T>> {
        let (position, (event_id, fact)) = self.kept.last_key_value()?;
        Some(Seen { event_id: *event_id, position: *position, fact: Arc::clone(fact) })
    }

    /// The fact with this id, if it is kept.
    pub(super) fn named(&self, id: EventId) -> Option<Seen<T>> {
        let found = self.kept.iter().rev().find(|(_, (event_id, _))| *event_id == id);
        found.map(|(position, (event_id, fact))| Seen {
            event_id: *event_id,
            position: *position,
            fact: Arc::clone(fact),
        })
    }

    /// Whatever stands before this place is not asked for any more, but for the newest of it and a few that the executor
    /// may still name.
    pub(super) fn forget_before(&mut self, place: Position) {
        if self.kept.len() <= SPARE.saturating_mul(2) {
            return;
        }
        let kept_back = self.kept.range(..place).rev().nth(SPARE).map(|(position, _)| *position);
        if let Some(first) = kept_back {
            self.kept = self.kept.split_off(&first);
        }
    }
}

/// How many facts before the last that was asked for are kept: the executor names what it had read, which is no more than
/// a moment older than what the strategy had.
const SPARE: usize = 64;
