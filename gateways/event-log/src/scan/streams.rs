//! Whether every stream goes on where the segments before left it: of each stream its place is remembered, and of its
//! name a print of 128 bits that is drawn anew for every scan: 24 bytes for each stream, and as little as there can be
//! beside them.

use crate::hash::Seeded;
use crate::index::{Extent, Part};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

/// What stands for a stream's name. With keys that nobody knows, two of a million streams have the same with a
/// probability of less than 2⁻⁸⁰.
pub type Print = [u64; 2];

/// The keys of one scan's prints.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prints([Seeded; 2]);

impl Prints {
    fn of(&self, name: &str) -> Print {
        self.0.map(|seeded| seeded.hash_one(name))
    }
}

/// What a segment holds of its streams, when nobody will look anything up in it.
pub struct Runs {
    /// What it covers.
    pub extent: Extent,
    /// How many records each category has there.
    pub categories: BTreeMap<String, u64>,
    /// In the order of their prints.
    sorted: Vec<Run>,
}

struct Run {
    print: Print,
    /// Revision of the first record there, and of the one after the last.
    first: u64,
    next: u64,
}

impl Runs {
    /// What is left of a part.
    pub fn of(part: &Part, prints: &Prints) -> Self {
        let run = |(name, held): (&stele_domain::port::event_log::StreamId, &crate::index::Held)| Run {
            print: prints.of(name.as_str()),
            first: held.first_revision,
            next: held.next_revision(),
        };
        let mut runs: Vec<Run> = part.streams().map(run).collect();
        runs.sort_unstable_by_key(|run| run.print);
        Self { extent: part.extent(), categories: part.categories(), sorted: runs }
    }
}

/// The next revision of each stream, in the order of their prints.
#[derive(Default)]
pub struct Streams {
    next: Vec<(Print, u64)>,
}

/// A place grows by at least this part of itself when it has to: an eighth.
const GROWTH: usize = 8;

impl Streams {
    /// Goes on with a segment; says which of its streams don't. Where nobody has looked at the log before, a stream
    /// may begin with any revision.
    pub fn go_on(&mut self, runs: &Runs, partial: bool) -> BTreeSet<Print> {
        let mut wrong = BTreeSet::new();
        let mut begun: Vec<(Print, u64)> = vec![];
        let mut known = self.next.iter_mut().peekable();
        for run in &runs.sorted {
            while known.next_if(|(print, _)| *print < run.print).is_some() {}
            let here = known.next_if(|(print, _)| *print == run.print);
            let expected = if let Some((_, next)) = here {
                Some(std::mem::replace(next, run.next))
            } else {
                begun.push((run.print, run.next));
                (!partial).then_some(0)
            };
            if expected.is_some_and(|expected| expected != run.first) {
                wrong.insert(run.print);
            }
        }
        self.add(&begun);
        wrong
    }

    /// Adds streams that are not there, in the order of their prints, from the last one on: each is moved once.
    fn add(&mut self, begun: &[(Print, u64)]) {
        let mut old = self.next.len();
        if self.next.capacity() < old + begun.len() {
            self.next.reserve_exact(begun.len().max(old / GROWTH));
        }
        self.next.resize(old + begun.len(), Default::default());
        let mut rest = begun;
        for place in (0..self.next.len()).rev() {
            let Some((last, before)) = rest.split_last() else { break };
            let kept = old.checked_sub(1).and_then(|nth| self.next.get(nth)).copied();
            let item = if let Some(kept) = kept.filter(|kept| kept.0 > last.0) {
                old -= 1;
                kept
            } else {
                rest = before;
                *last
            };
            if let Some(place) = self.next.get_mut(place) {
                *place = item;
            }
        }
    }
}

/// The first record of these streams in a segment: its position, and what is wrong with it.
pub fn first_of(part: &Part, prints: &Prints, wrong: &BTreeSet<Print>) -> Option<(u64, String)> {
    let streams = part.streams().filter(|(name, _)| wrong.contains(&prints.of(name.as_str())));
    let (position, name, held) = streams
        .map(|(name, held)| (held.positions.get(0).unwrap_or_default(), name, held))
        .min_by_key(|(position, ..)| *position)?;
    Some((position, format!("revision {} is not the next of stream {name}", held.first_revision)))
}

#[cfg(test)]
mod tests {
    use super::{Prints, Runs, Streams, first_of};
    use crate::index::{CommitEntry, Part};
    use crate::segment::SegmentHeader;
    use crate::tree::Frontier;
    use stele_domain::port::event_log::StreamId;
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    /// A segment that begins with position `first`, with one commit of these records.
    fn part(first: u64, records: &[(&str, u64)]) -> Part {
        let mut part = Part::begin(&SegmentHeader {
            log: Uuid::nil(),
            first,
            previous_first: 0,
            previous_end: 0,
            recorded_before: Timestamp::default(),
            tree: Frontier::default(),
        });
        part.add_commit(CommitEntry { offset: 4_096, end: 8_192, recorded_at: Timestamp::default() });
        for (stream, revision) in records {
            assert!(part.add_records(&StreamId::new(stream).unwrap(), *revision, 1));
        }
        part
    }

    #[test]
    fn a_stream_goes_on_where_any_segment_before_left_it() {
        let (prints, mut streams) = (Prints::default(), Streams::default());
        let mut go_on = |part: &Part| streams.go_on(&Runs::of(part, &prints), false);
        assert!(go_on(&part(1, &[("a-1", 0), ("b-1", 0), ("a-1", 1)])).is_empty());
        assert!(go_on(&part(4, &[("c-1", 0)])).is_empty());
        assert!(go_on(&part(5, &[("b-1", 1), ("a-1", 2)])).is_empty());
        for wrong in [("a-1", 2), ("a-1", 4), ("b-1", 0), ("d-1", 1)] {
            assert_eq!(go_on(&part(7, &[wrong])).len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn as_many_streams_are_remembered_as_begin_however_they_are_spread() {
        let (prints, mut streams) = (Prints::default(), Streams::default());
        let name = |nth: u64| format!("order-{nth}");
        for round in 0..4_u64 {
            // A third of them goes on, the others begin.
            let numbers: Vec<u64> = (0..300).map(|nth| nth + round * 200).collect();
            let names: Vec<String> = numbers.iter().map(|nth| name(*nth)).collect();
            let revision = |nth: u64| u64::from(round > 0 && nth < round * 200 + 100);
            let records: Vec<(&str, u64)> =
                numbers.iter().zip(&names).map(|(nth, name)| (name.as_str(), revision(*nth))).collect();
            assert!(streams.go_on(&Runs::of(&part(1, &records), &prints), false).is_empty(), "round {round}");
            assert!(streams.next.is_sorted_by(|a, b| a.0 < b.0));
            assert_eq!(streams.next.len(), 300 + 200 * usize::try_from(round).unwrap());
        }
    }

    #[test]
    fn of_several_streams_that_do_not_go_on_the_first_is_named() {
        let (prints, mut streams) = (Prints::default(), Streams::default());
        let part = part(1, &[("a-1", 0), ("b-1", 7), ("c-1", 3), ("b-1", 8)]);
        let wrong = streams.go_on(&Runs::of(&part, &prints), false);
        assert_eq!(wrong.len(), 2);
        let (position, what) = first_of(&part, &prints, &wrong).unwrap();
        assert_eq!((position, what.as_str()), (2, "revision 7 is not the next of stream b-1"));
        assert!(
            Streams::default().go_on(&Runs::of(&part, &prints), true).is_empty(),
            "the log before is unknown"
        );
    }
}
