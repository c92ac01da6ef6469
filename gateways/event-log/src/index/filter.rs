//! Says of most streams that they are not in a segment, from memory: a split-block filter of about twelve bits a stream,
//! which is wrong in the other direction for fewer than one in a hundred.

use crate::format::to_u64;

/// Words of a block.
const WORDS: usize = 8;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 4 * WORDS;

/// Bits of the filter for each stream.
const BITS_PER_STREAM: u64 = 12;

/// Each word of a block gets the bit that the upper five bits of the hash times its salt name.
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The hash of a stream's name in index files: FNV-1a, its bits mixed once more.
#[must_use]
pub fn hash_of(name: &str) -> u64 {
    let fnv = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// The filter of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    blocks: Vec<[u32; WORDS]>,
}

impl Filter {
    /// A filter with these hashes in it.
    #[must_use]
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let bits = to_u64(hashes.len()) * BITS_PER_STREAM;
        let blocks = bits.div_ceil(to_u64(8 * BLOCK_BYTES)).max(1);
        let mut filter = Self { blocks: vec![[0; WORDS]; crate::format::to_usize(blocks)] };
        for hash in hashes {
            let place = filter.block(hash);
            if let Some(block) = filter.blocks.get_mut(place) {
                block.iter_mut().zip(mask(hash)).for_each(|(word, bit)| *word |= bit);
            }
        }
        filter
    }

    /// Whether a hash may be in it.
    #[must_use]
    pub fn may_have(&self, hash: u64) -> bool {
        let block = self.blocks.get(self.block(hash));
        block.is_some_and(|block| block.iter().zip(mask(hash)).all(|(word, bit)| word & bit != 0))
    }

    /// How many blocks it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        to_u64(self.blocks.len())
    }

    /// Its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for word in self.blocks.iter().flatten() {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// The filter with these bytes; `None` when they are not whole blocks.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let words = |block: &[u8; BLOCK_BYTES]| {
            let (words, _) = block.as_chunks::<4>();
            std::array::from_fn(|nth| words.get(nth).map_or(0, |word| u32::from_le_bytes(*word)))
        };
        (rest.is_empty() && !blocks.is_empty()).then(|| Self { blocks: blocks.iter().map(words).collect() })
    }

    /// The upper half of the hash names the block.
    fn block(&self, hash: u64) -> usize {
        crate::format::to_usize(((hash >> 32) * self.blocks()) >> 32)
    }
}

/// The lower half of the hash names the bits.
fn mask(hash: u64) -> [u32; WORDS] {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    let low = u32::from_le_bytes([a, b, c, d]);
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::{Filter, hash_of};

    #[test]
    fn nothing_that_is_in_it_is_denied_and_little_else_is_let_through() {
        let hashes: Vec<u64> = (0..20_000).map(|nth| hash_of(&format!("order-{nth}"))).collect();
        let filter = Filter::of(hashes.iter().copied());
        assert!(hashes.iter().all(|hash| filter.may_have(*hash)));
        let wrong = (0..20_000).filter(|nth| filter.may_have(hash_of(&format!("account-{nth}")))).count();
        assert!(wrong < 200, "{wrong} of 20,000");
        let mut bytes = vec![];
        filter.encode(&mut bytes);
        assert_eq!(Filter::decode(&bytes), Some(filter));
        assert_eq!(Filter::decode(&bytes[1..]), None);
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        assert_eq!(hash_of(""), 0xefd0_1f60_ba99_2926);
        assert!(!Filter::of(std::iter::empty()).may_have(hash_of("order-1")));
    }
}
