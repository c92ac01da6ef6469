//! A commit frame: one append on disk. A header that lies within one sector, then the payload and a trailer.
//!
//! The layout lets a reader tell a write that did not finish from damage: see [`inspect`].

pub mod header;
pub mod inspect;
pub mod payload;
pub mod sectors;

use crate::format::{FRAME_HEADER_BYTES, FRAME_TRAILER, frame_start, to_u32, to_u64, to_usize};
use header::FrameHeader;
use uuid::Uuid;

/// Where a frame lies. Part of its checksum, so that bytes that are right in the wrong place are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The log.
    pub log: Uuid,
    /// First position of the segment.
    pub segment: u64,
    /// Offset of the frame in the segment in bytes.
    pub offset: u64,
}

/// Appends one frame to `out`, and the zeros before it that keep its header within a sector.
///
/// `out` holds what will be written from `durable_end` of the segment on. Returns the frame's offset and the
/// offset after it, in the segment.
pub fn append(out: &mut Vec<u8>, log: Uuid, segment: u64, durable_end: u64, payload: &[u8]) -> (u64, u64) {
    let offset = frame_start(durable_end + to_u64(out.len()));
    out.resize(to_usize(offset - durable_end), 0);
    let mask = sectors::mask_for(offset, payload);
    let body_at = out.len() + FRAME_HEADER_BYTES;
    out.resize(body_at, 0);
    out.extend_from_slice(payload);
    sectors::apply_mask(out.get_mut(body_at..).unwrap_or_default(), mask);
    out.push(FRAME_TRAILER);
    let body = out.get(body_at..).unwrap_or_default();
    let header = FrameHeader {
        mask,
        body_len: to_u32(to_u64(body.len())),
        back: to_u32(offset - durable_end),
        body_crc: crc_fast::crc32_iscsi(body),
    };
    let encoded = header.encode(Place { log, segment, offset });
    if let Some(space) = out.get_mut(body_at - FRAME_HEADER_BYTES..body_at) {
        space.copy_from_slice(&encoded);
    }
    (offset, durable_end + to_u64(out.len()))
}
