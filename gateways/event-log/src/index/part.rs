//! The index of one segment: a function of its bytes alone, so that it can be made for every segment by itself, beside
//! others, and again when it is lost.

use crate::format::{NUMBER_MAX, SEGMENT_HEADER_BYTES, to_u32, to_u64, to_usize};
use crate::hash::Table;
use crate::positions::Positions;
use crate::segment::SegmentHeader;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use stele_domain::port::event_log::{InvalidStream, StreamId};
use stele_domain::time::Timestamp;

/// Between two marks of a segment lie at least this many bytes; a look-up walks about as many.
const MARK_EVERY_BYTES: u64 = 4_096;

/// A commit whose place is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Position of its first record.
    pub position: u64,
    /// Its number: how many commits are before it.
    pub commit: u64,
    /// Where its frame lies in the segment.
    pub offset: u64,
}

/// A commit to be entered.
#[derive(Debug, Clone, Copy)]
pub struct CommitEntry {
    /// Where its frame lies.
    pub offset: u64,
    /// Offset after its frame.
    pub end: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// What an index covers, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Position of the segment's first record.
    pub first: u64,
    /// How many commits are before it.
    pub first_commit: u64,
    /// Offset after the last commit.
    pub end: u64,
    /// How many records there are.
    pub records: u64,
    /// How many commits there are.
    pub commits: u64,
    /// When the last commit was recorded; the one before the segment when there is none.
    pub recorded_at: Timestamp,
    /// How many streams have records.
    pub streams: u64,
    /// How many of these have their first record here.
    pub begun: u64,
}

impl Extent {
    /// The position after the last record.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.first + self.records
    }

    /// The number of the commit after the last one.
    #[must_use]
    pub fn next_commit(&self) -> u64 {
        self.first_commit + self.commits
    }
}

/// The index of one segment.
#[derive(Debug)]
pub struct Part {
    extent: Extent,
    numbers: Table<Name, u32>,
    streams: Vec<Held>,
    /// The stream that was last looked up twice in a row.
    last: Option<(StreamId, u32)>,
    /// The stream of the last record.
    before: Option<u32>,
    /// Which of the counts is that of a category.
    categories: Table<Box<str>, u32>,
    /// How many records each category has, counted as they come: to sum over streams takes as long as there are streams.
    counts: Vec<u64>,
    marks: Vec<Mark>,
}

/// A stream's name, which is found by its text: scans look up every record's stream and make a name of few.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Name(StreamId);

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// What a segment holds of one stream.
#[derive(Debug)]
pub struct Held {
    /// Revision of the first of its records.
    pub first_revision: u64,
    /// Where they are.
    pub positions: Positions,
    /// Which of the part's counts they are in.
    category: u32,
}

impl Held {
    /// Revision of the stream's record after these.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        self.first_revision + self.positions.len()
    }
}

impl Part {
    /// The index of a segment without commits.
    #[must_use]
    pub fn begin(header: &SegmentHeader) -> Self {
        Self::resume(Extent {
            first: header.first,
            first_commit: header.tree.size(),
            end: to_u64(SEGMENT_HEADER_BYTES),
            records: 0,
            commits: 0,
            recorded_at: header.recorded_before,
            streams: 0,
            begun: 0,
        })
    }

    /// The index that covers `extent`, once its streams and marks are put in.
    #[must_use]
    pub fn resume(extent: Extent) -> Self {
        let (numbers, categories) = (Table::default(), Table::default());
        let (streams, counts, marks) = (vec![], vec![], vec![]);
        Self { extent, numbers, streams, last: None, before: None, categories, counts, marks }
    }

    /// Puts in a stream that the extent counts already; `None` when its positions don't grow, or its revisions are out
    /// of range.
    pub fn hold(
        &mut self,
        stream: &StreamId,
        first_revision: u64,
        positions: impl Iterator<Item = u64>,
    ) -> Option<()> {
        if first_revision > NUMBER_MAX {
            return None;
        }
        let category = self.category(stream);
        let mut held = Held { first_revision, positions: Positions::default(), category };
        let mut before = 0;
        for position in positions {
            if position <= before {
                return None;
            }
            held.positions.push(position);
            before = position;
        }
        self.count(category, held.positions.len());
        self.numbers.insert(Name(stream.clone()), to_u32(to_u64(self.streams.len())));
        self.streams.push(held);
        Some(())
    }

    /// Puts in all marks.
    pub fn put_marks(&mut self, marks: Vec<Mark>) {
        self.marks = marks;
    }

    /// What it covers.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// All marks in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Enters a commit. The records come after it, by [`Self::add_records`].
    pub fn add_commit(&mut self, entry: CommitEntry) {
        let extent = &mut self.extent;
        assert!(entry.offset >= extent.end, "a commit at {} before {}", entry.offset, extent.end);
        let (position, commit) = (extent.next_position(), extent.next_commit());
        let mark = Mark { position, commit, offset: entry.offset };
        if self.marks.last().is_none_or(|last| entry.offset - last.offset >= MARK_EVERY_BYTES) {
            self.marks.push(mark);
        }
        extent.commits += 1;
        (extent.end, extent.recorded_at) = (entry.end, entry.recorded_at);
    }

    /// Enters the next records, at least one, all of one stream, the first of them having this revision. False, and nothing
    /// is entered, when it is not the next of those that are here.
    pub fn add_records(&mut self, stream: &StreamId, revision: u64, count: u64) -> bool {
        let known = self.number(stream.as_str());
        let number = known.unwrap_or_else(|| self.enter(stream.clone(), revision));
        self.add_to(number, revision, count)
    }

    /// The same of one record, for a name as it stands on disk.
    pub fn add_read(&mut self, stream: &str, revision: u64) -> Result<bool, InvalidStream> {
        let number = match self.number(stream) {
            Some(number) => number,
            None => self.enter(StreamId::new(stream)?, revision),
        };
        Ok(self.add_to(number, revision, 1))
    }

    fn add_to(&mut self, number: u32, revision: u64, count: u64) -> bool {
        let position = self.extent.next_position();
        let Some(held) = self.streams.get_mut(to_usize(number.into())) else {
            return false;
        };
        if held.next_revision() != revision {
            return false;
        }
        for nth in 0..count {
            held.positions.push(position + nth);
        }
        let category = held.category;
        self.count(category, count);
        self.extent.records += count;
        true
    }

    /// What is here of a stream.
    #[must_use]
    pub fn get(&self, stream: &StreamId) -> Option<&Held> {
        self.streams.get(to_usize((*self.numbers.get(stream.as_str())?).into()))
    }

    /// All streams that have records here, in no order.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamId, &Held)> {
        let held = |number: &u32| self.streams.get(to_usize((*number).into()));
        self.numbers.iter().filter_map(move |(name, number)| Some((&name.0, held(number)?)))
    }

    /// How many records each category has here.
    #[must_use]
    pub fn categories(&self) -> BTreeMap<String, u64> {
        let count = |number: &u32| self.counts.get(to_usize((*number).into())).copied().unwrap_or_default();
        self.categories.iter().map(|(category, number)| (category.to_string(), count(number))).collect()
    }

    /// The number of a stream's category.
    fn category(&mut self, stream: &StreamId) -> u32 {
        if let Some(number) = self.categories.get(stream.category()) {
            return *number;
        }
        let number = to_u32(to_u64(self.counts.len()));
        self.categories.insert(stream.category().into(), number);
        self.counts.push(0);
        number
    }

    fn count(&mut self, category: u32, records: u64) {
        if let Some(count) = self.counts.get_mut(to_usize(category.into())) {
            *count += records;
        }
    }

    /// A commit at or before the first one for which `stands` no longer holds.
    #[must_use]
    pub fn mark(&self, stands: impl Fn(&Mark) -> bool) -> Option<Mark> {
        let after = self.marks.partition_point(stands);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    fn number(&mut self, stream: &str) -> Option<u32> {
        if let Some((last, number)) = &self.last
            && last.as_str() == stream
        {
            return Some(*number);
        }
        let (name, number) = self.numbers.get_key_value(stream)?;
        // To remember a name costs more than to look one up.
        if self.before == Some(*number) {
            self.last = Some((name.0.clone(), *number));
        }
        self.before = Some(*number);
        Some(*number)
    }

    fn enter(&mut self, stream: StreamId, revision: u64) -> u32 {
        let number = to_u32(to_u64(self.streams.len()));
        self.before = Some(number);
        let category = self.category(&stream);
        self.numbers.insert(Name(stream), number);
        self.streams.push(Held { first_revision: revision, positions: Positions::default(), category });
        self.extent.streams += 1;
        self.extent.begun += u64::from(revision == 0);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::{CommitEntry, Extent, Part};
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};
    use stele_domain::port::event_log::StreamId;
    use stele_domain::time::Timestamp;

    fn part() -> Part {
        Part::resume(Extent {
            first: 1,
            first_commit: 0,
            end: 4_096,
            records: 0,
            commits: 0,
            recorded_at: Timestamp::default(),
            streams: 0,
            begun: 0,
        })
    }

    fn summed(part: &Part) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (stream, held) in part.streams() {
            *sums.entry(stream.category().to_owned()).or_default() += held.positions.len();
        }
        sums
    }

    #[test]
    fn categories_are_counted_as_records_come_however_they_come() {
        let mut part = part();
        let held = StreamId::new("order-0").unwrap();
        part.hold(&held, 0, [1, 2, 3].into_iter()).unwrap();
        part.add_commit(CommitEntry { offset: 4_096, end: 5_000, recorded_at: Timestamp::default() });
        for (name, revision, taken) in [
            ("order-1", 0, true),
            ("fill-1", 0, true),
            ("order-1", 1, true),
            ("order-1", 5, false),
            ("alone-1", 7, true),
        ] {
            assert_eq!(part.add_read(name, revision).unwrap(), taken, "{name}@{revision}");
        }
        let fill = StreamId::new("fill-1").unwrap();
        assert!(part.add_records(&fill, 1, 3) && !part.add_records(&fill, 3, 2));
        assert_eq!(part.get(&fill).unwrap().positions.range(0..9), [2, 5, 6, 7]);
        let expected =
            [("alone", 1), ("fill", 4), ("order", 5)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(part.categories(), BTreeMap::from(expected));
        assert_eq!(part.categories(), summed(&part));
    }

    #[test]
    fn to_ask_for_categories_takes_no_longer_with_many_streams() {
        let mut part = part();
        for nth in 0..50_000 {
            assert!(part.add_read(&format!("order-{nth}"), 0).unwrap());
        }
        let took = |work: &dyn Fn() -> BTreeMap<String, u64>| -> Duration {
            let begun = Instant::now();
            assert_eq!(work().values().sum::<u64>(), 50_000);
            begun.elapsed()
        };
        // The best of several: others may be at work on the machine.
        let asked = (0..20).map(|_| took(&|| part.categories())).min().unwrap();
        let walked = (0..3).map(|_| took(&|| summed(&part))).min().unwrap();
        assert!(asked * 20 < walked, "{asked:?} to ask, {walked:?} to go through the streams");
    }
}
