//! The numbers of the file format, and the small encodings that all of its parts share. `FORMAT.md` is the
//! authority; what stands here follows it.

pub mod varint;

/// The version that every segment header carries.
pub const FORMAT_VERSION: u32 = 1;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// Length of a segment header in bytes.
pub const SEGMENT_HEADER_BYTES: usize = 4_096;

/// Length of a commit frame's header in bytes.
pub const FRAME_HEADER_BYTES: usize = 20;

/// First bytes of every segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"SteleLog";

/// Fifth byte of every commit frame. Several bits are set, so that one flipped bit doesn't make it zero.
pub const FRAME_MARK: u8 = 0xd7;

/// The only kind of frame in version 1: a commit.
pub const FRAME_KIND_COMMIT: u8 = 1;

/// Last byte of every commit frame, set for the same reason as [`FRAME_MARK`].
pub const FRAME_TRAILER: u8 = 0xff;

/// Longest frame body in bytes: the largest append, with all of its names and lengths, and room to spare.
pub const FRAME_BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Largest position, revision and number of commits: what is counted on from there within a file never overflows.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Fewest bytes of a record: its id, and one byte each for where it belongs, the length of its type, its type, and the
/// lengths of data and metadata.
pub const RECORD_BYTES_MIN: usize = 21;

/// Name of the file that says who owns the directory.
pub const LOCK_FILE: &str = "LOCK";

/// Name of the file with the signing key.
pub const KEY_FILE: &str = "key";

/// Name of the file with the verification key.
pub const PUBLIC_KEY_FILE: &str = "key.pub";

/// Name of the file with the signed checkpoints.
pub const CHECKPOINTS_FILE: &str = "checkpoints";

/// Name of the file with the newest checkpoint that a witness has cosigned.
pub const COSIGNED_FILE: &str = "cosigned";

/// Name of the same while it is not whole yet.
pub const COSIGNED_UNFINISHED_FILE: &str = "cosigned.tmp";

/// Name of the file that will be the next segment, or the one that is `nth` after it: zeros.
#[must_use]
pub fn prepared_file(nth: u64) -> String {
    if nth == 0 { "next.tmp".to_owned() } else { format!("next-{nth}.tmp") }
}

/// Whether a file of this name was to be a segment.
#[must_use]
pub fn is_prepared_file(name: &str) -> bool {
    let nth = name.strip_prefix("next-").and_then(|rest| rest.strip_suffix(".tmp"));
    nth.map_or(Some(0), |nth| nth.parse().ok()).is_some_and(|nth| prepared_file(nth) == name)
}

/// Name of an index file that is not whole yet.
pub const INDEX_UNFINISHED_FILE: &str = "index.tmp";

/// A length or offset as the language counts it.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the crate is built for 64-bit machines only, see lib.rs"
)]
pub const fn to_usize(number: u64) -> usize {
    number as usize
}

/// A length or offset as files count it.
#[must_use]
pub const fn to_u64(number: usize) -> u64 {
    number as u64
}

/// A length that the format keeps in 32 bits.
///
/// # Panics
///
/// When it doesn't fit, which the limits on appends and segments rule out.
#[must_use]
pub fn to_u32(number: u64) -> u32 {
    let narrow = u32::try_from(number);
    assert!(narrow.is_ok(), "{number} does not fit in the 32 bits that the format has for it");
    narrow.unwrap_or_default()
}

/// Where the sector after the one that holds `offset` begins.
#[must_use]
pub const fn sector_end(offset: u64) -> u64 {
    (offset / SECTOR_BYTES as u64 + 1) * SECTOR_BYTES as u64
}

/// Where the frame after the byte `end` begins: there, unless its header would cross into another sector.
#[must_use]
pub const fn frame_start(end: u64) -> u64 {
    let boundary = sector_end(end);
    if boundary - end < FRAME_HEADER_BYTES as u64 { boundary } else { end }
}

/// Reads a little-endian `u32`; `None` past the end.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|chunk| u32::from_le_bytes(*chunk))
}

/// Reads a little-endian `u64`; `None` past the end.
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::{FRAME_HEADER_BYTES, SECTOR_BYTES, frame_start, to_u64};

    #[test]
    fn a_frame_header_never_crosses_a_sector_boundary() {
        for end in 0..to_u64(4 * SECTOR_BYTES) {
            let start = frame_start(end);
            let last = start + to_u64(FRAME_HEADER_BYTES) - 1;
            assert!(start >= end && start - end < to_u64(FRAME_HEADER_BYTES), "{end} moved to {start}");
            assert_eq!(start / 512, last / 512, "a header at {start} crosses");
        }
    }
}
