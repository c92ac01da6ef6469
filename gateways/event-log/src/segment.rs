//! A segment: its name, and its header, which follows from all that was written before it. So a reader can say
//! of every byte of a header what it should be.

use crate::format::{
    FORMAT_VERSION, NUMBER_MAX, SECTOR_BYTES, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC, to_u32, to_u64, u32_at,
    u64_at,
};
use crate::frame::sectors::is_blank;
use crate::tree::{Frontier, Hash};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// What every segment's file name ends with.
const SUFFIX: &str = ".seg";

/// The name of the segment whose first record has position `first`.
#[must_use]
pub fn file_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// Whether a file claims to be a segment, rightly or not.
#[must_use]
pub fn claims_to_be(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// The first position that a segment's name tells; `None` when it is no such name.
#[must_use]
pub fn first_position(name: &str) -> Option<u64> {
    let first = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (file_name(first) == name && first > 0).then_some(first)
}

/// What stands at the beginning of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log that the segment belongs to.
    pub log: Uuid,
    /// Position of its first record.
    pub first: u64,
    /// First position of the segment before it; 0 in the first segment.
    pub previous_first: u64,
    /// Offset after the last commit of the segment before it; 0 in the first segment.
    pub previous_end: u64,
    /// When the commit before it was recorded; the epoch in the first segment.
    pub recorded_before: Timestamp,
    /// The tree over all commits before it.
    pub tree: Frontier,
}

const PEAKS_AT: usize = 80;
const CRC_AT: usize = SEGMENT_HEADER_BYTES - 4;

impl SegmentHeader {
    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&to_u32(to_u64(SEGMENT_HEADER_BYTES)).to_le_bytes());
        bytes.extend_from_slice(self.log.as_bytes());
        for number in [self.first, self.tree.size(), self.previous_first, self.previous_end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.recorded_before.micros().to_le_bytes());
        bytes.extend_from_slice(&to_u64(self.tree.peaks().len()).to_le_bytes());
        for peak in self.tree.peaks() {
            bytes.extend_from_slice(peak);
        }
        bytes.resize(CRC_AT, 0);
        let crc = crc_fast::crc32_iscsi(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; says what is wrong with it otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "the segment's header is cut short".to_owned();
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES).ok_or_else(cut)?;
        if !bytes.starts_with(&SEGMENT_MAGIC) {
            return Err("the file does not begin like a segment".to_owned());
        }
        let version = u32_at(bytes, 8).ok_or_else(cut)?;
        if version != FORMAT_VERSION {
            return Err(format!(
                "the segment has format version {version}, this program reads {FORMAT_VERSION}"
            ));
        }
        let whole = bytes.get(..CRC_AT).ok_or_else(cut)?;
        if u32_at(bytes, CRC_AT) != Some(crc_fast::crc32_iscsi(whole)) {
            return Err("the checksum of the segment's header is wrong".to_owned());
        }
        Self::fields(bytes).ok_or_else(|| "the segment's header contradicts itself".to_owned())
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let count = usize::try_from(u64_at(bytes, 72)?).ok().filter(|count| *count <= 64)?;
        let peaks: Vec<Hash> = (0..count)
            .map(|nth| bytes.get(PEAKS_AT + 32 * nth..)?.first_chunk::<32>().copied())
            .collect::<Option<_>>()?;
        let header = Self {
            log: Uuid::from_slice(bytes.get(16..32)?).ok()?,
            first: u64_at(bytes, 32)?,
            previous_first: u64_at(bytes, 48)?,
            previous_end: u64_at(bytes, 56)?,
            recorded_before: Timestamp::from_micros(i64::from_le_bytes(u64_at(bytes, 64)?.to_le_bytes())),
            tree: Frontier::from_parts(u64_at(bytes, 40)?, peaks)?,
        };
        let numbers = [header.first, header.previous_first, header.previous_end, header.tree.size()];
        let in_range = header.first > 0 && numbers.iter().all(|number| *number <= NUMBER_MAX);
        (in_range && header.encode() == bytes).then_some(header)
    }
}

/// How the beginning of a file compares with the header that belongs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderState {
    /// It is there, byte for byte.
    Whole,
    /// Every sector is as it should be, or blank, or beyond the end of the file; at least one is missing.
    Unfinished,
    /// It differs at this offset.
    Differs(usize),
}

/// Compares what was read from the beginning of a file with the header that belongs there.
#[must_use]
pub fn compare(read: &[u8], expected: &[u8]) -> HeaderState {
    let mut state = HeaderState::Whole;
    for (nth, sector) in expected.chunks(SECTOR_BYTES).enumerate() {
        let at = nth * SECTOR_BYTES;
        let there = read.get(at..read.len().min(at + sector.len())).unwrap_or_default();
        if there == sector {
            continue;
        }
        let cut = there.len() < sector.len() && sector.starts_with(there);
        if !cut && !is_blank(there) {
            let differs = there.iter().zip(sector).take_while(|(a, b)| a == b).count();
            return HeaderState::Differs(at + differs);
        }
        state = HeaderState::Unfinished;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::{HeaderState, SegmentHeader, compare, file_name, first_position};
    use crate::tree::{Frontier, leaf_hash};
    use stele_domain::time::Timestamp;
    use uuid::Uuid;

    fn header() -> SegmentHeader {
        let mut tree = Frontier::default();
        (0..7_u8).for_each(|leaf| tree.push(leaf_hash(&[&[leaf]])));
        SegmentHeader {
            log: Uuid::from_u128(7),
            first: 12,
            previous_first: 1,
            previous_end: 9_000,
            recorded_before: Timestamp::from_micros(5),
            tree,
        }
    }

    #[test]
    fn a_name_tells_the_first_position_and_no_other_name_does() {
        assert_eq!(first_position(&file_name(42)), Some(42));
        for name in ["42.seg", "00000000000000000000.seg", "+0000000000000000042.seg", "key"] {
            assert_eq!(first_position(name), None, "{name}");
        }
    }

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_noticed() {
        let bytes = header().encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
            assert_eq!(compare(&flipped, &bytes), HeaderState::Differs(bit / 8), "bit {bit}");
        }
    }

    #[test]
    fn missing_sectors_of_a_header_are_an_unfinished_write() {
        let bytes = header().encode();
        assert_eq!(compare(&bytes, &bytes), HeaderState::Whole);
        assert_eq!(compare(&[], &bytes), HeaderState::Unfinished);
        assert_eq!(compare(&bytes[..700], &bytes), HeaderState::Unfinished);
        let mut torn = bytes.clone();
        torn[..512].fill(0);
        assert_eq!(compare(&torn, &bytes), HeaderState::Unfinished);
    }
}
