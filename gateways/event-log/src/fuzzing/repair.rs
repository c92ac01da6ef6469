//! Makes the checksums of bytes right, so that what lies behind them is looked at, too. Nothing else is altered.

use crate::format::{
    FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_KIND_COMMIT, FRAME_MARK, FRAME_TRAILER,
    SEGMENT_HEADER_BYTES, frame_start, to_u64, to_usize, u32_at,
};
use crate::frame::Place;
use crate::frame::header::FrameHeader;
use crate::index::Owner;
use uuid::Uuid;

/// The checksum of a segment's header.
pub fn segment_header(bytes: &mut [u8]) {
    let Some(header) = bytes.get_mut(..SEGMENT_HEADER_BYTES) else { return };
    let (covered, crc) = header.split_at_mut(SEGMENT_HEADER_BYTES - 4);
    crc.copy_from_slice(&crc_fast::crc32_iscsi(covered).to_le_bytes());
}

/// Mark, trailer and checksums of the frame that begins at `at` of `bytes`, which is `offset` of the segment. Returns
/// where the frame ends in `bytes`; `None` when there is none.
pub fn frame(bytes: &mut [u8], log: Uuid, segment: u64, offset: u64, at: usize) -> Option<usize> {
    let body_len = u32_at(bytes, at.checked_add(8)?)?;
    let (begin, len) = (at.checked_add(FRAME_HEADER_BYTES)?, to_usize(body_len.into()));
    if !(2..=FRAME_BODY_BYTES_MAX).contains(&len) {
        return None;
    }
    let end = begin.checked_add(len)?;
    let body = bytes.get_mut(begin..end)?;
    *body.last_mut()? = FRAME_TRAILER;
    let body_crc = crc_fast::crc32_iscsi(body);
    let header = bytes.get_mut(at..begin)?;
    let mask = u16::from_le_bytes([*header.get(6)?, *header.get(7)?]);
    let back = u32_at(header, 12)?;
    let right = FrameHeader { mask, body_len, back, body_crc };
    header.copy_from_slice(&right.encode(Place { log, segment, offset }));
    debug_assert_eq!((header.get(4), header.get(5)), (Some(&FRAME_MARK), Some(&FRAME_KIND_COMMIT)));
    Some(end)
}

/// All checksums of a segment.
pub fn segment(bytes: &mut [u8], log: Uuid) {
    segment_header(bytes);
    let Some(first) = crate::format::u64_at(bytes, 32) else { return };
    let mut end = SEGMENT_HEADER_BYTES;
    while let Some(at) = Some(to_usize(frame_start(to_u64(end)))).filter(|at| *at < bytes.len()) {
        match frame(bytes, log, first, to_u64(at), at) {
            Some(after) => end = after,
            None => return,
        }
    }
}

/// The checksum of every line of the file that says what is archived.
pub fn manifest(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        let Some(at) = line.len().checked_sub(8) else { continue };
        let (covered, crc) = line.split_at_mut(at);
        crc.copy_from_slice(format!("{:08x}", crc_fast::crc32_iscsi(covered)).as_bytes());
    }
}

/// The checksums of the pages of an index file.
pub fn index(bytes: &mut [u8], log: Uuid, first: u64) {
    Owner { log, first }.seal(bytes);
}
