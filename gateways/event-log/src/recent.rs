//! The ids of the last records of the log, for telling a repetition from news without a look at the disk.

use crate::hash::{Seeded, Table};
use std::collections::VecDeque;
use stele_domain::ids::EventId;

/// How many of the last records are remembered: the port promises 65,536 or more.
pub const RECENT_RECORDS: usize = 65_536;

/// A stream by its number in the index.
pub type StreamNumber = u32;

/// One remembered record.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    stream: StreamNumber,
    id: EventId,
    revision: u64,
}

/// The last [`RECENT_RECORDS`] records, by position and by stream and id.
#[derive(Debug)]
pub struct RecentIds {
    first_position: u64,
    records: VecDeque<Remembered>,
    revisions: Table<(StreamNumber, EventId), u64>,
}

impl Default for RecentIds {
    /// With room for all of them: no append waits while a table is moved to a larger place.
    fn default() -> Self {
        Self {
            first_position: 0,
            records: VecDeque::with_capacity(RECENT_RECORDS),
            revisions: Table::with_capacity_and_hasher(RECENT_RECORDS, Seeded::default()),
        }
    }
}

impl RecentIds {
    /// Remembers the record at `position`, which follows the one remembered before.
    pub fn push(&mut self, position: u64, stream: StreamNumber, revision: u64, id: EventId) {
        if self.records.is_empty() {
            self.first_position = position;
        }
        if self.records.len() == RECENT_RECORDS {
            self.forget_oldest();
        }
        self.records.push_back(Remembered { stream, id, revision });
        self.revisions.insert((stream, id), revision);
    }

    /// The revision of the last record of `stream` with this id.
    #[must_use]
    pub fn revision(&self, stream: StreamNumber, id: EventId) -> Option<u64> {
        self.revisions.get(&(stream, id)).copied()
    }

    /// The id at a position; `None` when it is not remembered.
    #[must_use]
    pub fn id_at(&self, position: u64) -> Option<EventId> {
        let nth = usize::try_from(position.checked_sub(self.first_position)?).ok()?;
        self.records.get(nth).map(|record| record.id)
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.records.pop_front() else {
            return;
        };
        self.first_position += 1;
        // The id may have come again later in the stream; then the later one is what the map knows.
        let key = (oldest.stream, oldest.id);
        if self.revisions.get(&key) == Some(&oldest.revision) {
            self.revisions.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RECENT_RECORDS, RecentIds};
    use stele_domain::ids::EventId;
    use uuid::Uuid;

    #[test]
    fn the_promised_number_is_remembered_and_no_more_is_kept() {
        let mut recent = RecentIds::default();
        let id = |n: u64| EventId(Uuid::from_u128(n.into()));
        let count = u64::try_from(RECENT_RECORDS).unwrap();
        for n in 0..count + 10 {
            recent.push(n + 1, 0, n, id(n));
        }
        assert_eq!(recent.revision(0, id(9)), None);
        assert_eq!(recent.id_at(10), None);
        assert_eq!(recent.revision(0, id(10)), Some(10));
        assert_eq!(recent.id_at(11), Some(id(10)));
        assert_eq!(recent.revisions.len(), RECENT_RECORDS);
    }

    #[test]
    fn an_id_that_came_twice_is_known_by_its_later_place() {
        let mut recent = RecentIds::default();
        let id = EventId(Uuid::nil());
        recent.push(1, 0, 0, id);
        recent.push(2, 0, 1, id);
        recent.forget_oldest();
        assert_eq!(recent.revision(0, id), Some(1));
        assert_eq!(recent.revision(1, id), None, "another stream");
    }
}
