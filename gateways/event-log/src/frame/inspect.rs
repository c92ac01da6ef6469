//! Says what lies where a frame should begin: a commit, free space, a write that did not finish, or damage.
//!
//! The rule rests on two facts. A disk leaves each 512-byte sector of an unfinished write as it was (zero, or
//! beyond the end of the file) or as it should be. And no piece of a finished frame is zero, not even after one
//! of its bits has flipped. So a frame that lacks a sector may be an unfinished write, and a frame that lacks
//! none and is wrong all the same is damaged. Whether an unfinished write is *possible* at that place is for
//! recovery to say, which knows what was durable.

use super::header::FrameHeader;
use super::{Place, sectors};
use crate::format::{FRAME_HEADER_BYTES, FRAME_TRAILER, sector_end, to_u64, to_usize};
use crate::window::Window;
use std::io;

/// What lies at a place.
#[derive(Debug)]
pub enum Found<'a> {
    /// A commit, whole and with the right checksums.
    Commit {
        /// Its header.
        header: FrameHeader,
        /// Its payload, as it was before masking.
        payload: &'a [u8],
        /// Offset after the frame.
        end: u64,
    },
    /// The sector that would hold the frame's header is blank from here on.
    Blank,
    /// The header is whole, and at least one sector of the rest is missing.
    Unfinished,
    /// Something that neither a finished nor an unfinished write leaves behind.
    Damaged(&'static str),
}

/// Looks at `place`, whose offset is where a frame may begin.
pub fn inspect(window: &mut Window, place: Place) -> io::Result<Found<'_>> {
    let to_boundary = to_usize(sector_end(place.offset) - place.offset);
    let piece = window.slice(place.offset, to_boundary)?;
    if sectors::is_blank(piece) {
        return Ok(Found::Blank);
    }
    // A file that ends within a header was cut by a write that did not finish; a durable one is whole.
    let Some(header) = piece.first_chunk::<FRAME_HEADER_BYTES>() else {
        return Ok(Found::Unfinished);
    };
    match FrameHeader::decode(header, place) {
        Ok(header) => inspect_body(window, place.offset, header),
        Err(what) => Ok(Found::Damaged(what)),
    }
}

fn inspect_body(window: &mut Window, offset: u64, header: FrameHeader) -> io::Result<Found<'_>> {
    let end = header.end(offset);
    let frame_len = end - offset;
    let frame = window.slice(offset, to_usize(frame_len))?;
    let body = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    if to_u64(frame.len()) != frame_len || crc_fast::crc32_iscsi(body) != header.body_crc {
        let missing = sectors::any_missing(offset, frame, frame_len);
        let damaged = Found::Damaged("the checksum of the commit's body is wrong");
        return Ok(if missing { Found::Unfinished } else { damaged });
    }
    if body.last() != Some(&FRAME_TRAILER) {
        return Ok(Found::Damaged("the commit's trailer is wrong"));
    }
    let begin = offset + to_u64(FRAME_HEADER_BYTES);
    let payload = window.unmasked(begin, to_usize(frame_len) - FRAME_HEADER_BYTES - 1, header.mask)?;
    Ok(Found::Commit { header, payload, end })
}
