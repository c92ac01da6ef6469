//! Facts whose append got no answer: they may stand in the stream or not, and the stream tells.
//!
//! Whoever asks again for the same command gets the facts that were kept, as if the first answer had come through.

use crate::envelope::Outcome;
use std::collections::{BTreeMap, VecDeque};
use stele_domain::ids::{CommandId, EventId};
use stele_domain::port::event_log::{APPEND_RECORDS_MAX, Record};

/// Facts without an answer.
pub(super) struct Unsure<E> {
    /// Offered, and not seen since.
    offered: BTreeMap<EventId, CommandId>,
    /// Seen in the stream, and not handed to whoever offered them.
    found: BTreeMap<CommandId, Outcome<E>>,
    found_order: VecDeque<CommandId>,
}

impl<E> Default for Unsure<E> {
    fn default() -> Self {
        Self { offered: BTreeMap::new(), found: BTreeMap::new(), found_order: VecDeque::new() }
    }
}

impl<E> Unsure<E> {
    /// Whether the stream must be read before anything is decided on it.
    pub(super) fn must_look(&self) -> bool {
        !self.offered.is_empty()
    }

    /// Takes note of facts that may or may not be kept.
    pub(super) fn offered(&mut self, facts: impl IntoIterator<Item = (EventId, CommandId)>) {
        if self.offered.len() >= APPEND_RECORDS_MAX {
            // Those before have been looked for at every command since.
            self.offered.clear();
        }
        self.offered.extend(facts);
    }

    /// The stream has gone on without them: what was not found by now was not kept and can't be any more.
    pub(super) fn settled(&mut self) {
        self.offered.clear();
    }

    /// A record of the stream was read.
    pub(super) fn see(&mut self, record: &Record, event: &E)
    where
        E: Clone,
    {
        let Some(command) = self.offered.remove(&record.event_id) else { return };
        let (position, id) = (record.position, record.event_id);
        if let Some(Outcome::Recorded { events, ids, last, revision, .. }) = self.found.get_mut(&command) {
            events.push(event.clone());
            ids.push(id);
            (*last, *revision) = (position, record.revision);
            return;
        }
        let outcome = Outcome::Recorded {
            events: vec![event.clone()],
            ids: vec![id],
            first: position,
            last: position,
            revision: record.revision,
        };
        self.found.insert(command, outcome);
        self.found_order.push_back(command);
        while self.found_order.len() > APPEND_RECORDS_MAX {
            if let Some(oldest) = self.found_order.pop_front() {
                self.found.remove(&oldest);
            }
        }
    }

    /// The answer that did not come through. It stays until it is delivered: whatever else fails before that, whoever
    /// asks again gets it.
    pub(super) fn answer(&self, command: CommandId) -> Option<Outcome<E>>
    where
        E: Clone,
    {
        self.found.get(&command).cloned()
    }

    /// The answer was handed to whoever offered the facts: from now on they are as any others.
    pub(super) fn delivered(&mut self, command: CommandId) {
        if self.found.remove(&command).is_some() {
            self.found_order.retain(|other| *other != command);
        }
    }
}
