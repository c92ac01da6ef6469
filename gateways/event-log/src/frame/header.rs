//! The first twenty bytes of a commit frame. They never cross a sector, so they are there whole or not at all.

use super::Place;
use crate::format::{
    FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_KIND_COMMIT, FRAME_MARK, to_u64, u32_at,
};

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the payload is combined with by exclusive or, two bytes in turn; almost always zero.
    pub mask: u16,
    /// Bytes after the header: the payload and the trailer.
    pub body_len: u32,
    /// How far before the frame everything was durable when it was written, in bytes.
    pub back: u32,
    /// CRC-32C of the body as stored.
    pub body_crc: u32,
}

impl FrameHeader {
    /// The bytes of the header at its place.
    #[must_use]
    pub fn encode(&self, place: Place) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[4] = FRAME_MARK;
        bytes[5] = FRAME_KIND_COMMIT;
        bytes[6..8].copy_from_slice(&self.mask.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.back.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = checksum(&bytes, place);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header that must lie at `place`; says what is wrong with it otherwise.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES], place: Place) -> Result<Self, &'static str> {
        if bytes[4] != FRAME_MARK {
            return Err("there should be a commit here, and its mark is missing");
        }
        if u32_at(bytes, 0) != Some(checksum(bytes, place)) {
            return Err("the checksum of the commit's header is wrong");
        }
        if bytes[5] != FRAME_KIND_COMMIT {
            return Err("the frame is of a kind that this version doesn't know");
        }
        let field = |at| u32_at(bytes, at).unwrap_or_default();
        let header = Self {
            mask: u16::from_le_bytes([bytes[6], bytes[7]]),
            body_len: field(8),
            back: field(12),
            body_crc: field(16),
        };
        if header.body_len < 2 || u64::from(header.body_len) > to_u64(FRAME_BODY_BYTES_MAX) {
            return Err("the commit's length is out of range");
        }
        if u64::from(header.back) > place.offset {
            return Err("the commit's durable end lies before the segment");
        }
        Ok(header)
    }

    /// Offset after the frame, when it begins at `offset`.
    #[must_use]
    pub fn end(&self, offset: u64) -> u64 {
        offset + to_u64(FRAME_HEADER_BYTES) + u64::from(self.body_len)
    }
}

/// What a header's checksum covers, where the processor takes eight bytes at a time: every reader of every commit asks
/// for it.
#[repr(align(8))]
struct Covered([u8; 48]);

/// CRC-32C of where the header lies and of all its bytes but the checksum.
fn checksum(bytes: &[u8; FRAME_HEADER_BYTES], place: Place) -> u32 {
    let mut covered = Covered([0; 48]);
    let whole = &mut covered.0;
    whole[..16].copy_from_slice(place.log.as_bytes());
    whole[16..24].copy_from_slice(&place.segment.to_le_bytes());
    whole[24..32].copy_from_slice(&place.offset.to_le_bytes());
    whole[32..].copy_from_slice(&bytes[4..]);
    crc_fast::crc32_iscsi(whole)
}
