//! Looks behind a commit that is not whole for proof that it was durable once: a later commit that was written
//! when everything up to its own beginning was.

use crate::format::{FRAME_HEADER_BYTES, FRAME_MARK, SECTOR_BYTES, to_u64};
use crate::frame::Place;
use crate::frame::header::FrameHeader;
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::io;

/// The offset of a commit behind `suspect` whose durable end lies behind `suspect`'s beginning.
///
/// Headers are looked for at every byte, since what lies between can't be measured. A header's checksum covers
/// its log, segment and offset, so data that looks like a commit doesn't pass for one.
pub fn of_later_commit(window: &mut Window, suspect: Place) -> io::Result<Option<u64>> {
    let mut offset = suspect.offset + 1;
    loop {
        let piece = window.slice(offset, SCAN_CHUNK_BYTES)?;
        let found = piece.windows(FRAME_HEADER_BYTES).zip(offset..).find(|(bytes, at)| {
            bytes.get(4) == Some(&FRAME_MARK)
                && proves(bytes, Place { offset: *at, ..suspect }, suspect.offset)
        });
        if let Some((_, at)) = found {
            return Ok(Some(at));
        }
        if piece.len() < SCAN_CHUNK_BYTES {
            return Ok(None);
        }
        offset += to_u64(piece.len() - FRAME_HEADER_BYTES + 1);
    }
}

fn proves(bytes: &[u8], place: Place, suspect: u64) -> bool {
    let within = place.offset % to_u64(SECTOR_BYTES) + to_u64(FRAME_HEADER_BYTES) <= to_u64(SECTOR_BYTES);
    let header = bytes.first_chunk().and_then(|bytes| FrameHeader::decode(bytes, place).ok());
    within && header.is_some_and(|header| place.offset - u64::from(header.back) > suspect)
}
