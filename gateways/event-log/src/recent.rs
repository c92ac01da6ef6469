//! The ids of the last records of the log, for telling a repetition from news without a look at the disk.

use crate::format::{to_u64, to_usize};
use crate::hash::Table;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::StreamId;

/// How many of the last records are remembered: the port promises 65,536 or more.
pub const RECENT_RECORDS: usize = 65_536;

/// Remembered records that follow each other in the log and in their stream.
#[derive(Debug, Clone)]
struct Run {
    /// The position of the first of them.
    first: u64,
    stream: StreamId,
    /// Its revision.
    revision: u64,
}

impl Run {
    /// The revision of its record at a position.
    fn revision_at(&self, position: u64) -> u64 {
        self.revision + (position - self.first)
    }

    /// Whether the next run only goes on with this one.
    fn goes_on_to(&self, next: &Self) -> bool {
        self.revision_at(next.first) == next.revision && self.stream.as_str() == next.stream.as_str()
    }
}

/// The last [`RECENT_RECORDS`] records, by position and by stream and id.
#[derive(Debug)]
pub struct RecentIds {
    first_position: u64,
    ids: VecDeque<EventId>,
    /// Where they belong, in order; the first of them begins at the first position.
    runs: VecDeque<Run>,
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
        // A run comes before the one goes that it drives out.
        let (ids, runs) =
            (VecDeque::with_capacity(RECENT_RECORDS), VecDeque::with_capacity(RECENT_RECORDS + 1));
        Self { first_position: 0, ids, runs, found: Mutex::default() }
    }
}

impl RecentIds {
    /// Remembers records of one stream, the first at `position`, which follows the last one that is remembered.
    pub fn push(
        &mut self,
        position: u64,
        stream: &StreamId,
        revision: u64,
        ids: impl Iterator<Item = EventId>,
    ) {
        if self.ids.is_empty() {
            self.first_position = position;
        }
        let run = Run { first: position, stream: stream.clone(), revision };
        if !self.runs.back().is_some_and(|last| last.goes_on_to(&run)) {
            self.runs.push_back(run);
        }
        for id in ids {
            if self.ids.len() == RECENT_RECORDS {
                self.ids.pop_front();
                self.first_position += 1;
            }
            self.ids.push_back(id);
        }
        self.forget();
    }

    /// Forgets the runs of records that are not remembered any more, and how the first of them began.
    fn forget(&mut self) {
        while self.runs.get(1).is_some_and(|next| next.first <= self.first_position) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut() {
            run.revision = run.revision_at(self.first_position);
            run.first = self.first_position;
        }
    }

    /// Positions up to `head` that should be remembered and are not, because another process wrote them.
    #[must_use]
    pub fn missing(&self, head: u64) -> Range<u64> {
        let end = if self.ids.is_empty() { head + 1 } else { self.first_position };
        (head + 1).saturating_sub(to_u64(RECENT_RECORDS)).clamp(1, end)..end
    }

    /// Remembers records that come right before those that are remembered, the first of them at `first`.
    pub fn prepend(&mut self, first: u64, records: Vec<(StreamId, u64, EventId)>) {
        for (nth, (stream, revision, id)) in records.into_iter().enumerate().rev() {
            let run = Run { first: first + to_u64(nth), stream, revision };
            self.ids.push_front(id);
            match self.runs.front_mut().filter(|next| run.goes_on_to(next)) {
                Some(next) => (next.first, next.revision) = (run.first, run.revision),
                None => self.runs.push_front(run),
            }
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
        let position = *found.positions.get(&(stream.clone(), id))?;
        let run = self.runs.get(self.run_of(position)).filter(|_| position >= self.first_position);
        run.map(|run| run.revision_at(position))
    }

    /// The id at a position; `None` when it is not remembered.
    #[must_use]
    pub fn id_at(&self, position: u64) -> Option<EventId> {
        self.ids.get(to_usize(position.checked_sub(self.first_position)?)).copied()
    }

    /// Which run has a position that is remembered.
    fn run_of(&self, position: u64) -> usize {
        self.runs.partition_point(|run| run.first <= position).saturating_sub(1)
    }

    /// Takes in what has come since somebody asked, the later place of an id over the earlier one.
    fn fill(&self, found: &mut Found) {
        let from = found.next.max(self.first_position);
        let mut runs = self.runs.iter().skip(self.run_of(from)).peekable();
        let Some(mut run) = runs.next() else { return };
        for (position, id) in (from..).zip(self.ids.iter().skip(to_usize(from - self.first_position))) {
            if let Some(next) = runs.next_if(|next| next.first <= position) {
                run = next;
            }
            found.positions.insert((run.stream.clone(), *id), position);
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
            recent.push(n + 1, &a, n, std::iter::once(id(n)));
        }
        assert_eq!(recent.revision(&a, id(9)), None);
        assert_eq!(recent.id_at(10), None);
        assert_eq!(recent.revision(&a, id(10)), Some(10));
        assert_eq!(recent.id_at(11), Some(id(10)));
        recent.push(count + 11, &a, count + 10, std::iter::once(id(count + 10)));
        assert_eq!(recent.revision(&a, id(10)), None, "it was found, and is forgotten since");
        assert_eq!(recent.ids.len(), RECENT_RECORDS);
        for n in count + 11..4 * count {
            recent.push(n + 1, &a, n, std::iter::once(id(n)));
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
        recent.push(1, &a, 0, std::iter::once(id));
        recent.push(2, &a, 1, std::iter::once(id));
        assert_eq!(recent.revision(&a, id), Some(1));
        assert_eq!(recent.revision(&stream("b-1"), id), None, "another stream");
        recent.push(3, &a, 2, std::iter::once(id));
        assert_eq!(recent.revision(&a, id), Some(2), "it came again after somebody had asked");
    }

    #[test]
    fn what_another_process_wrote_is_asked_for_and_remembered_before_the_rest() {
        let (mut recent, a) = (RecentIds::default(), stream("a-1"));
        let id = |n: u64| EventId(Uuid::from_u128(n.into()));
        assert_eq!(recent.missing(0), 1..1);
        assert_eq!(recent.missing(10), 1..11);
        assert_eq!(recent.missing(100_000), 100_001 - u64::try_from(RECENT_RECORDS).unwrap()..100_001);
        recent.push(11, &a, 9, std::iter::once(id(11)));
        assert_eq!((recent.revision(&a, id(10)), recent.missing(11)), (None, 1..11));
        let b = stream("b-1");
        let before = |n: u64| match n {
            0..4 => (a.clone(), n - 1, id(n)),
            4 => (b.clone(), 7, id(n)),
            _ => (a.clone(), n - 2, id(n)),
        };
        recent.prepend(1, (1..11).map(before).collect());
        assert_eq!((recent.revision(&a, id(10)), recent.missing(11)), (Some(8), 1..1));
        assert_eq!((recent.revision(&a, id(11)), recent.id_at(1)), (Some(9), Some(id(1))));
        assert_eq!((recent.revision(&a, id(3)), recent.revision(&b, id(4))), (Some(2), Some(7)));
        assert_eq!((recent.revision(&a, id(5)), recent.runs.len()), (Some(3), 3));
    }

    #[test]
    fn records_of_several_streams_are_known_by_their_own_revisions_however_they_came() {
        let streams = [stream("a-1"), stream("b-1"), stream("c-1")];
        let id = |n: u64| EventId(Uuid::from_u128(n.into()));
        let (mut recent, mut all, mut next) = (RecentIds::default(), vec![], [0_u64; 3]);
        for turn in 0..30_000_u64 {
            // Now and then the same stream comes twice in a row.
            let nth = usize::try_from(turn * turn / 3 % 3).unwrap();
            let (first, count) = (u64::try_from(all.len()).unwrap() + 1, 1 + turn % 7);
            recent.push(first, &streams[nth], next[nth], (first..first + count).map(id));
            all.extend((0..count).map(|one| (nth, next[nth] + one)));
            next[nth] += count;
            if turn % 500 == 0 {
                assert_eq!(recent.revision(&streams[nth], id(first)), Some(next[nth] - count));
            }
        }
        let end = u64::try_from(all.len()).unwrap();
        let begin = end + 1 - u64::try_from(RECENT_RECORDS).unwrap();
        assert!(begin > 1_000);
        let before = all[usize::try_from(begin - 2).unwrap()];
        assert_eq!(
            (recent.id_at(begin - 1), recent.revision(&streams[before.0], id(begin - 1))),
            (None, None)
        );
        for position in begin..=end {
            let (nth, revision) = all[usize::try_from(position - 1).unwrap()];
            assert_eq!(recent.id_at(position), Some(id(position)));
            assert_eq!(recent.revision(&streams[nth], id(position)), Some(revision), "at {position}");
            assert_eq!(recent.revision(&streams[(nth + 1) % 3], id(position)), None, "at {position}");
        }
        assert!(recent.runs.len() < RECENT_RECORDS / 3, "{} runs", recent.runs.len());
    }
}
