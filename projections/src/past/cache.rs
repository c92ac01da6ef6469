//! Folded states that are remembered, so that pages of one walk are folded once.

use super::view::View;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::event_log::Position;

/// The last ones that were asked for, as many as fit.
pub(super) struct Cache {
    bytes_max: usize,
    bytes: usize,
    /// Rises with every question.
    asked: u64,
    /// Rises whenever everything is forgotten.
    era: u64,
    entries: BTreeMap<Position, Entry>,
}

struct Entry {
    view: Arc<View>,
    bytes: usize,
    asked: u64,
}

impl Cache {
    pub fn of(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, asked: 0, era: 0, entries: BTreeMap::new() }
    }

    pub fn find(&mut self, position: Position) -> Option<Arc<View>> {
        self.asked = self.asked.saturating_add(1);
        let entry = self.entries.get_mut(&position)?;
        entry.asked = self.asked;
        Some(Arc::clone(&entry.view))
    }

    /// What is told to [`Cache::keep`] by those whose folding began now.
    pub fn era(&self) -> u64 {
        self.era
    }

    /// Remembers one whose folding began in this era, if that has not ended.
    pub fn keep(&mut self, position: Position, view: Arc<View>, bytes: usize, era: u64) {
        if era != self.era {
            return;
        }
        self.asked = self.asked.saturating_add(1);
        let entry = Entry { view, bytes, asked: self.asked };
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(before) = self.entries.insert(position, entry) {
            self.bytes = self.bytes.saturating_sub(before.bytes);
        }
        while self.bytes > self.bytes_max && self.entries.len() > 1 {
            let longest_ago = self.entries.iter().min_by_key(|(_, entry)| entry.asked).map(|(at, _)| *at);
            let Some(gone) = longest_ago.and_then(|at| self.entries.remove(&at)) else { return };
            self.bytes = self.bytes.saturating_sub(gone.bytes);
        }
    }

    pub fn clear(&mut self) {
        self.era = self.era.saturating_add(1);
        self.entries.clear();
        self.bytes = 0;
    }
}
