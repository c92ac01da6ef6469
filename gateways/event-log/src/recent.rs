//! The ids of the last records of the log, for telling a repetition from news without a look at the disk.

use crate::hash::Table;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
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
    /// By stream and id, as far as anybody has asked: only appends at any revision do.
    found: Mutex<Found>,
}

/// The last position of each id in its stream. What lies before the remembered records counts for nothing.
#[derive(Debug, Default)]
struct Found {
    positions: Table<(StreamNumber, EventId), u64>,
    /// The first position that is not in the table yet.
    next: u64,
}

impl Default for RecentIds {
    /// With room for all of them: no append waits while they are moved to a larger place.
    fn default() -> Self {
        Self { first_position: 0, records: VecDeque::with_capacity(RECENT_RECORDS), found: Mutex::default() }
    }
}

impl RecentIds {
    /// Remembers the record at `position`, which follows the one remembered before.
    pub fn push(&mut self, position: u64, stream: StreamNumber, revision: u64, id: EventId) {
        if self.records.is_empty() {
            self.first_position = position;
        }
        if self.records.len() == RECENT_RECORDS {
            self.records.pop_front();
            self.first_position += 1;
        }
        self.records.push_back(Remembered { stream, id, revision });
    }

    /// The revision of the last record of `stream` with this id.
    #[must_use]
    pub fn revision(&self, stream: StreamNumber, id: EventId) -> Option<u64> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut found);
        let nth = self.place(*found.positions.get(&(stream, id))?)?;
        self.records.get(nth).map(|record| record.revision)
    }

    /// The id at a position; `None` when it is not remembered.
    #[must_use]
    pub fn id_at(&self, position: u64) -> Option<EventId> {
        self.records.get(self.place(position)?).map(|record| record.id)
    }

    fn place(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.first_position)?).ok()
    }

    /// Takes in what has come since somebody asked, the later place of an id over the earlier one.
    fn fill(&self, found: &mut Found) {
        let from = found.next.max(self.first_position);
        let skipped = crate::format::to_usize(from - self.first_position);
        for (position, record) in (from..).zip(self.records.iter().skip(skipped)) {
            found.positions.insert((record.stream, record.id), position);
            found.next = position + 1;
        }
        if found.positions.len() > 2 * RECENT_RECORDS {
            found.positions.retain(|_, position| *position >= self.first_position);
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
        assert_eq!(recent.records.len(), RECENT_RECORDS);
        for n in count + 10..4 * count {
            recent.push(n + 1, 0, n, id(n));
            if n % 1_000 == 0 {
                assert_eq!(recent.revision(0, id(n)), Some(n));
            }
        }
        let kept = recent.found.lock().unwrap().positions.len();
        assert!(kept <= 2 * RECENT_RECORDS, "{kept} are kept");
    }

    #[test]
    fn an_id_that_came_twice_is_known_by_its_later_place() {
        let mut recent = RecentIds::default();
        let id = EventId(Uuid::nil());
        recent.push(1, 0, 0, id);
        recent.push(2, 0, 1, id);
        assert_eq!(recent.revision(0, id), Some(1));
        assert_eq!(recent.revision(1, id), None, "another stream");
        recent.push(3, 0, 2, id);
        assert_eq!(recent.revision(0, id), Some(2), "it came again after somebody had asked");
    }
}
