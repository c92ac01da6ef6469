//! Where one stream's records lie in the log, in little more than a byte each: of all that is kept per record,
//! this alone grows with the log and not with its streams.
//!
//! Positions grow along a stream, so gaps are kept, in blocks that a look-up walks through. Not a storage format.

use crate::format::{to_u64, to_usize, varint};
use std::ops::Range;

/// Records of a block; a look-up decodes at most as many.
const BLOCK_RECORDS: usize = 128;

/// The positions of a stream's records, by revision.
///
/// Of a million streams most have a single record in a segment: that one takes no memory of its own.
#[derive(Debug, Default)]
pub struct Positions(Kept);

#[derive(Debug, Default)]
enum Kept {
    #[default]
    None,
    One(u64),
    Many(Box<Many>),
}

/// Two positions or more.
#[derive(Debug)]
struct Many {
    full: Vec<Block>,
    /// The records after the last full block.
    open: Vec<u64>,
}

/// [`BLOCK_RECORDS`] positions.
#[derive(Debug)]
struct Block {
    first: u64,
    /// How far each of the others is from the one before it.
    gaps: Box<[u8]>,
}

impl Positions {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        let (full, open) = self.kept();
        to_u64(full.len() * BLOCK_RECORDS + open.len())
    }

    /// Adds the next one, which is past all others.
    pub fn push(&mut self, position: u64) {
        match &mut self.0 {
            Kept::None => self.0 = Kept::One(position),
            Kept::One(first) => {
                self.0 = Kept::Many(Box::new(Many { full: vec![], open: vec![*first, position] }));
            }
            Kept::Many(many) => {
                many.open.push(position);
                if many.open.len() == BLOCK_RECORDS {
                    many.full.push(Block::of(&many.open));
                    many.open.clear();
                }
            }
        }
    }

    /// The position of a revision.
    #[must_use]
    pub fn get(&self, revision: u64) -> Option<u64> {
        let (full, open) = self.kept();
        let nth = to_usize(revision);
        match full.get(nth / BLOCK_RECORDS) {
            Some(block) => block.positions().nth(nth % BLOCK_RECORDS),
            None => open.get(nth - full.len() * BLOCK_RECORDS).copied(),
        }
    }

    /// The positions of these revisions, as far as they exist.
    #[must_use]
    pub fn range(&self, revisions: Range<u64>) -> Vec<u64> {
        let (full, open) = self.kept();
        let (start, end) = (to_usize(revisions.start), to_usize(revisions.end.min(self.len())));
        let skipped = (start / BLOCK_RECORDS).min(full.len());
        let blocks = full.get(skipped..).unwrap_or_default().iter().flat_map(Block::positions);
        let all = blocks.chain(open.iter().copied());
        all.skip(start - skipped * BLOCK_RECORDS).take(end.saturating_sub(start)).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let (full, open) = self.kept();
        full.iter().flat_map(Block::positions).chain(open.iter().copied())
    }

    /// How many of them are at `head` or before it.
    #[must_use]
    pub fn count_to(&self, head: u64) -> u64 {
        let (full, open) = self.kept();
        let begun = full.partition_point(|block| block.first <= head);
        let last = begun.checked_sub(1).and_then(|last| full.get(last));
        let within = last.map_or(0, |block| block.positions().take_while(|at| *at <= head).count());
        let before = begun.saturating_sub(1) * BLOCK_RECORDS;
        // Whatever is not in a block is past all blocks, and so past `head` when one of those is.
        let after = open.partition_point(|at| *at <= head);
        to_u64(before + within + after)
    }

    /// The full blocks, and what comes after them.
    fn kept(&self) -> (&[Block], &[u64]) {
        match &self.0 {
            Kept::None => (&[], &[]),
            Kept::One(only) => (&[], std::slice::from_ref(only)),
            Kept::Many(many) => (&many.full, &many.open),
        }
    }
}

impl Block {
    fn of(positions: &[u64]) -> Self {
        let mut gaps = Vec::with_capacity(positions.len() * 2);
        for pair in positions.windows(2) {
            let &[before, after] = pair else { continue };
            assert!(after > before, "position {after} after {before} in one stream");
            varint::put(&mut gaps, after - before);
        }
        Self { first: positions.first().copied().unwrap_or_default(), gaps: gaps.into() }
    }

    fn positions(&self) -> impl Iterator<Item = u64> {
        let mut rest = &*self.gaps;
        std::iter::successors(Some(self.first), move |at| Some(at + varint::take(&mut rest)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_RECORDS, Positions};
    use crate::format::{to_u64, to_usize};

    /// What a plain list would say.
    fn alike(gaps: &[u64]) -> bool {
        let mut plain: Vec<u64> = vec![];
        let mut packed = Positions::default();
        for gap in gaps {
            let next = plain.last().copied().unwrap_or_default() + 1 + gap % 100_000;
            plain.push(next);
            packed.push(next);
        }
        let count = to_u64(plain.len());
        let by_revision = (0..count + 2).all(|nth| packed.get(nth) == plain.get(to_usize(nth)).copied());
        let heads = plain.iter().flat_map(|at| [at - 1, *at, at + 1]).chain([0, u64::MAX]);
        let by_head = heads
            .into_iter()
            .all(|head| packed.count_to(head) == to_u64(plain.iter().filter(|at| **at <= head).count()));
        let ranges = (0..count).step_by(37).all(|from| {
            [0, 1, 100, 300].iter().all(|length| {
                let to = (from + length).min(count);
                packed.range(from..from + length) == plain[to_usize(from)..to_usize(to)]
            })
        });
        packed.len() == count && by_revision && by_head && ranges
    }

    #[test]
    fn the_packed_positions_say_what_a_plain_list_says() {
        #[expect(clippy::needless_pass_by_value, reason = "the property runner hands values over")]
        fn law(gaps: Vec<u64>) -> bool {
            alike(&gaps)
        }
        quickcheck::quickcheck(law as fn(Vec<u64>) -> bool);
    }

    #[test]
    fn the_ends_of_blocks_are_no_exception() {
        for records in [0, 1, BLOCK_RECORDS - 1, BLOCK_RECORDS, BLOCK_RECORDS + 1, 3 * BLOCK_RECORDS, 1_000] {
            assert!(alike(&vec![2; records]), "{records} records");
        }
    }

    #[test]
    fn a_stream_of_one_record_takes_no_memory_of_its_own() {
        assert!(size_of::<Positions>() <= 16, "{} bytes", size_of::<Positions>());
        let mut packed = Positions::default();
        packed.push(7);
        assert!(matches!(packed.0, super::Kept::One(7)));
    }

    #[test]
    fn a_record_among_a_few_busy_streams_costs_about_a_byte() {
        let mut packed = Positions::default();
        (0..1_280_000).for_each(|nth| packed.push(nth * 5 + 1));
        let bytes: usize = packed.kept().0.iter().map(|block| size_of_val(block) + block.gaps.len()).sum();
        assert!(bytes < 1_280_000 * 5 / 4, "{bytes} bytes");
        assert_eq!(packed.get(1_279_999), Some(1_279_999 * 5 + 1));
    }
}
