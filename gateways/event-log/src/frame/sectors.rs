//! What a frame owes to the sectors it lies on: each of its pieces has at least two bits set, so a sector that
//! was written never looks like one that wasn't, even after a bit of it has flipped.
//!
//! The first piece holds the header's mark and the last one the trailer. A whole sector of payload between them
//! is left alone unless it is (nearly) all zeros, which JSON never is; then the payload is masked.

use crate::format::{FRAME_HEADER_BYTES, SECTOR_BYTES, sector_end, to_u64, to_usize};

/// The smallest mask under which every whole sector of `payload` has two bits set, for a frame at `offset`.
#[must_use]
pub fn mask_for(offset: u64, payload: &[u8]) -> u16 {
    if !whole_sectors(offset, payload).any(|(at, sector)| is_sparse(sector, at, 0)) {
        return 0;
    }
    // A sector rules out the one mask that it repeats, but for a bit: which is then its first word or its second.
    // A payload has fewer sectors than there are masks, so one is left.
    let mut ruled_out = vec![false; usize::from(u16::MAX) + 1];
    for (at, sector) in whole_sectors(offset, payload) {
        let even = sector.get(at % 2..).unwrap_or_default();
        for word in even.chunks_exact(2).take(2) {
            let mask = u16::from_le_bytes([word[0], word[1]]);
            if is_sparse(sector, at, mask) {
                ruled_out[usize::from(mask)] = true;
            }
        }
    }
    let mask = (0..=u16::MAX).find(|mask| !ruled_out[usize::from(*mask)]);
    assert!(mask.is_some(), "no mask fits a payload of {} bytes", payload.len());
    mask.unwrap_or_default()
}

/// Combines `payload` with the two bytes of `mask` in turn, by exclusive or. Doing it twice undoes it.
pub fn apply_mask(payload: &mut [u8], mask: u16) {
    if mask == 0 {
        return;
    }
    let pair = mask.to_le_bytes();
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= pair[index % 2];
    }
}

/// Whether a piece of a sector looks as it did before anything was written there.
#[must_use]
pub fn is_blank(piece: &[u8]) -> bool {
    piece.iter().all(|byte| *byte == 0)
}

/// Whether any sector that the frame `bytes` (as read at `offset`, possibly cut short) should cover is missing:
/// blank, or beyond the end of the file.
#[must_use]
pub fn any_missing(offset: u64, bytes: &[u8], frame_len: u64) -> bool {
    let end = offset + frame_len;
    let mut at = offset;
    while at < end {
        let stop = sector_end(at).min(end);
        match bytes.get(to_usize(at - offset)..to_usize(stop - offset)) {
            Some(piece) if !is_blank(piece) => at = stop,
            Some(_) | None => return true,
        }
    }
    false
}

/// The sectors that consist of payload alone, each with its index in the payload.
fn whole_sectors(offset: u64, payload: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let begin = offset + to_u64(FRAME_HEADER_BYTES);
    let first = to_usize((sector_end(offset) - begin).min(to_u64(payload.len())));
    let rest = payload.get(first..).unwrap_or_default();
    rest.chunks_exact(SECTOR_BYTES).enumerate().map(move |(nth, sector)| (first + nth * SECTOR_BYTES, sector))
}

/// Whether fewer than two bits are set once `mask` is applied.
fn is_sparse(sector: &[u8], at: usize, mask: u16) -> bool {
    let pair = mask.to_le_bytes();
    let mut ones = 0;
    for (index, byte) in sector.iter().enumerate() {
        ones += (byte ^ pair[(at + index) % 2]).count_ones();
        if ones >= 2 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{any_missing, apply_mask, is_sparse, mask_for, whole_sectors};
    use crate::format::{FRAME_HEADER_BYTES, to_u64};
    use uuid::Uuid;

    #[test]
    fn text_needs_no_mask() {
        assert_eq!(mask_for(4_096, &[b'{'; 5_000]), 0);
    }

    #[test]
    fn a_payload_of_zeros_is_masked_and_no_sector_of_it_looks_unwritten() {
        for offset in [4_096_u64, 4_107, 4_588] {
            let payload = vec![0; 3_000];
            let mut out = vec![];
            let (start, end) = crate::frame::append(&mut out, Uuid::nil(), 1, offset, &payload);
            let frame = &out[usize::try_from(start - offset).unwrap()..];
            assert_eq!(to_u64(frame.len()), end - start);
            assert!(!any_missing(start, frame, to_u64(frame.len())), "at {offset}");
        }
    }

    #[test]
    fn masks_avoid_every_sector_that_repeats_them() {
        // Sector n repeats mask n: only the mask after the last one is left.
        let begin = 512 - FRAME_HEADER_BYTES;
        let mut payload = vec![b'x'; begin];
        for mask in 0..700_u16 {
            payload.extend(mask.to_le_bytes().repeat(256));
        }
        let mask = mask_for(4_096, &payload);
        assert!(whole_sectors(4_096, &payload).all(|(at, sector)| !is_sparse(sector, at, mask)));
        let twice = {
            let mut copy = payload.clone();
            apply_mask(&mut copy, mask);
            apply_mask(&mut copy, mask);
            copy
        };
        assert_eq!(twice, payload);
    }

    #[test]
    fn a_file_that_ends_within_a_frame_lacks_a_sector() {
        let frame = vec![1; 1_000];
        assert!(!any_missing(4_100, &frame, 1_000));
        assert!(any_missing(4_100, &frame[..999], 1_000));
        assert!(any_missing(4_100, &frame[..20], 1_000));
    }
}
