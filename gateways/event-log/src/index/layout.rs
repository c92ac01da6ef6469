//! What an index file consists of: its first numbers, from which the place of everything else follows.

use super::Extent;
use super::filter::BLOCK_BYTES;
use super::pages::Unusable;
use crate::format::{NUMBER_MAX, to_u32, to_u64, u64_at};
use std::ops::Range;
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// First bytes of every index file.
const MAGIC: [u8; 8] = *b"SteleIdx";

/// The version that every index file carries.
const VERSION: u64 = 1;

/// Bytes of the numbers at the beginning.
pub const HEAD_BYTES: u64 = 160;

/// Every so manieth stream, and mark, is repeated in the part that is kept in memory.
pub const FENCE_EVERY: u64 = 64;

/// Bytes of one mark.
pub const MARK_BYTES: u64 = 12;

/// Bytes of one stream.
pub const STREAM_BYTES: u64 = 32;

/// Bytes of one position.
pub const POSITION_BYTES: u64 = 4;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// What the index covers.
    pub extent: Extent,
    /// Roots of the tree's subtrees of 256 commits that end within the segment.
    pub roots: u64,
    /// Peaks of the tree over all commits up to its end.
    pub peaks: u64,
    /// Bytes of the categories.
    pub category_bytes: u64,
    /// Blocks of the filter.
    pub filter_blocks: u64,
    /// Marks.
    pub marks: u64,
    /// Bytes of names.
    pub name_bytes: u64,
}

/// Where everything lies in the content.
#[derive(Debug, Clone)]
pub struct Places {
    /// The peaks.
    pub peaks: Range<u64>,
    /// The roots.
    pub roots: Range<u64>,
    /// The categories.
    pub categories: Range<u64>,
    /// The hash of every 64th stream.
    pub stream_fences: Range<u64>,
    /// Every 64th mark.
    pub mark_fences: Range<u64>,
    /// The filter.
    pub filter: Range<u64>,
    /// The marks.
    pub marks: Range<u64>,
    /// The streams.
    pub streams: Range<u64>,
    /// Their names.
    pub names: Range<u64>,
    /// Their positions.
    pub positions: Range<u64>,
}

impl Layout {
    /// The numbers at the beginning.
    #[must_use]
    pub fn encode(&self, log: Uuid) -> Vec<u8> {
        let extent = &self.extent;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(log.as_bytes());
        for number in [extent.first, extent.first_commit, extent.end, extent.records, extent.commits] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&extent.recorded_at.micros().to_le_bytes());
        let counts = [
            extent.streams,
            extent.begun,
            self.roots,
            self.peaks,
            self.category_bytes,
            self.filter_blocks,
            self.marks,
            self.name_bytes,
        ];
        for number in counts {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(crate::format::to_usize(HEAD_BYTES), 0);
        bytes
    }

    /// Reads the numbers at the beginning.
    pub fn decode(bytes: &[u8], log: Uuid, first: u64) -> Result<Self, Unusable> {
        let wrong = |offset, what| Unusable::Wrong { offset, what };
        let number = |nth: usize| u64_at(bytes, 8 * nth).unwrap_or_default();
        if !bytes.starts_with(&MAGIC) || number(1) != VERSION {
            return Err(wrong(0, "the file does not begin like an index of version 1"));
        }
        let layout = Self {
            extent: Extent {
                first: number(4),
                first_commit: number(5),
                end: number(6),
                records: number(7),
                commits: number(8),
                recorded_at: Timestamp::from_micros(i64::from_le_bytes(number(9).to_le_bytes())),
                streams: number(10),
                begun: number(11),
            },
            roots: number(12),
            peaks: number(13),
            category_bytes: number(14),
            filter_blocks: number(15),
            marks: number(16),
            name_bytes: number(17),
        };
        let limits = [
            layout.extent.records,
            layout.extent.commits,
            layout.extent.streams,
            layout.extent.begun,
            layout.extent.end,
            layout.roots,
            layout.category_bytes,
            layout.filter_blocks,
            layout.marks,
            layout.name_bytes,
        ];
        let counted_on = [layout.extent.first, layout.extent.first_commit];
        // Offsets are kept in 32 bits.
        if layout.peaks > 64
            || limits.iter().any(|number| *number > u64::from(u32::MAX))
            || counted_on.iter().any(|number| *number > NUMBER_MAX)
        {
            return Err(wrong(0, "the index has numbers that no index has"));
        }
        if bytes.get(16..32) != Some(log.as_bytes()) || layout.extent.first != first {
            return Err(wrong(16, "the index belongs to another segment"));
        }
        Ok(layout)
    }

    /// Where everything lies.
    #[must_use]
    pub fn places(&self) -> Places {
        let mut at = HEAD_BYTES;
        let mut next = |bytes: u64| {
            let begin = at;
            at += bytes;
            begin..at
        };
        let streams = self.extent.streams;
        Places {
            peaks: next(self.peaks * 32),
            roots: next(self.roots * 32),
            categories: next(self.category_bytes),
            stream_fences: next(streams.div_ceil(FENCE_EVERY) * 8),
            mark_fences: next(self.marks.div_ceil(FENCE_EVERY) * MARK_BYTES),
            filter: next(self.filter_blocks * to_u64(BLOCK_BYTES)),
            marks: next(self.marks * MARK_BYTES),
            streams: next(streams * STREAM_BYTES),
            names: next(self.name_bytes),
            positions: next(self.extent.records * POSITION_BYTES),
        }
    }
}

/// A stream of a segment, as its index file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEntry {
    /// The hash of its name.
    pub hash: u64,
    /// Revision of the first of its records here.
    pub first_revision: u64,
    /// Where its name begins among the names.
    pub name_at: u32,
    /// How long its name is, in bytes.
    pub name_len: u32,
    /// Where its positions begin among the positions.
    pub positions_at: u32,
    /// How many records of it are here.
    pub count: u32,
}

impl StreamEntry {
    /// Its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        out.extend_from_slice(&self.first_revision.to_le_bytes());
        for number in [self.name_at, self.name_len, self.positions_at, self.count] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at| crate::format::u32_at(bytes, at);
        Some(Self {
            hash: u64_at(bytes, 0)?,
            first_revision: u64_at(bytes, 8)?,
            name_at: number(16)?,
            name_len: number(20)?,
            positions_at: number(24)?,
            count: number(28)?,
        })
    }

    /// Revision of the stream's record after these.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        self.first_revision.saturating_add(self.count.into())
    }
}

/// Appends the low 32 bits of numbers that fit.
pub fn put_u32(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.extend_from_slice(&to_u32(*number).to_le_bytes());
    }
}
