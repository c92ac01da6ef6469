//! The ids of the last records of the log, for telling a repetition from news without a look at the disk.

use crate::format::to_u64;
use crate::hash::Table;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::StreamId;

/// How many of the last records are remembered: the port promises 65,536 or more.
pub const RECENT_RECORDS: usize = 65_536;

/// One remembered record.
#[derive(Debug, Clone)]
struct Remembered {
    stream: StreamId,
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
    positions: Table<(StreamId, EventId), u64>,
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
    pub fn push(&mut self, position: u64, stream: &StreamId, revision: u64, id: EventId) {
        if self.records.is_empty() {
            self.first_position = position;
        }
        if self.records.len() == RECENT_RECORDS {
            self.records.pop_front();
            self.first_position += 1;
        }
        self.records.push_back(Remembered { stream: stream.clone(), id, revision });
    }

    /// Positions up to `head` that should be remembered and are not, because another process wrote them.
    #[must_use]
    pub fn missing(&self, head: u64) -> Range<u64> {
        let end = if self.records.is_empty() { head + 1 } else { self.first_position };
        (head + 1).saturating_sub(to_u64(RECENT_RECORDS)).clamp(1, end)..end
    }

    /// Remembers records that come right before those that are remembered, the first of them at `first`.
    pub fn prepend(&mut self, first: u64, records: Vec<(StreamId, u64, EventId)>) {
        for (stream, revision, id) in records.into_iter().rev() {
            self.records.push_front(Remembered { stream, id, revision });
        }
        self.first_position = first;
        // What has been found so far may have been overlooked.
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Found::default();
    }

    /// The revision of the last record of `stream` with this id.
    #[must_use]
    pub fn revision(&self, stream: &StreamId, id: EventId) -> Option<u64> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut found);
        let nth = self.place(*found.positions.get(&(stream.clone(), id))?)?;
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
            found.positions.insert((record.stream.clone(), record.id), position);
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
    use stele_domain::port::event_log::StreamId;
    use uuid::Uuid;

    fn stream(name: &str) -> StreamId {
        StreamId::new(name).unwrap()
    }

    #[test]
    fn the_promised_number_is_remembered_and_no_more_is_kept() {
        let (mut recent, a) = (RecentIds::default(), stream("a-1"));
        let id = |n: u64| EventId(Uuid::from_u128(n.into()));
        let count = u64::try_from(RECENT_RECORDS).unwrap();
        for n in 0..count + 10 {
            recent.push(n + 1, &a, n, id(n));
        }
        assert_eq!(recent.revision(&a, id(9)), None);
        assert_eq!(recent.id_at(10), None);
        assert_eq!(recent.revision(&a, id(10)), Some(10));
        assert_eq!(recent.id_at(11), Some(id(10)));
        assert_eq!(recent.records.len(), RECENT_RECORDS);
        for n in count + 10..4 * count {
            recent.push(n + 1, &a, n, id(n));
            if n % 1_000 == 0 {
                assert_eq!(recent.revision(&a, id(n)), Some(n));
            }
        }
        let kept = recent.found.lock().unwrap().positions.len();
        assert!(kept <= 2 * RECENT_RECORDS, "{kept} are kept");
    }

    #[test]
    fn an_id_that_came_twice_is_known_by_its_later_place() {
        let (mut recent, a) = (RecentIds::default(), stream("a-1"));
        let id = EventId(Uuid::nil());
        recent.push(1, &a, 0, id);
        recent.push(2, &a, 1, id);
        assert_eq!(recent.revision(&a, id), Some(1));
        assert_eq!(recent.revision(&stream("b-1"), id), None, "another stream");
        recent.push(3, &a, 2, id);
        assert_eq!(recent.revision(&a, id), Some(2), "it came again after somebody had asked");
    }

    #[test]
    fn what_another_process_wrote_is_asked_for_and_remembered_before_the_rest() {
        let (mut recent, a) = (RecentIds::default(), stream("a-1"));
        let id = |n: u64| EventId(Uuid::from_u128(n.into()));
        assert_eq!(recent.missing(0), 1..1);
        assert_eq!(recent.missing(10), 1..11);
        assert_eq!(recent.missing(100_000), 100_001 - u64::try_from(RECENT_RECORDS).unwrap()..100_001);
        recent.push(11, &a, 10, id(11));
        assert_eq!((recent.revision(&a, id(10)), recent.missing(11)), (None, 1..11));
        recent.prepend(1, (1..11).map(|n| (a.clone(), n - 1, id(n))).collect());
        assert_eq!((recent.revision(&a, id(10)), recent.missing(11)), (Some(9), 1..1));
        assert_eq!((recent.revision(&a, id(11)), recent.id_at(1)), (Some(10), Some(id(1))));
    }
}
