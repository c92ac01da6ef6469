//! A fast hash for tables in memory, with keys that every table draws anew: whoever chooses names can't choose them
//! so that they meet. No storage format.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A table that is hashed fast.
pub type Table<K, V> = HashMap<K, V, Seeded>;

/// The keys of one table.
#[derive(Debug, Clone, Copy)]
pub struct Seeded {
    begin: u64,
    by: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        let seeds = RandomState::new();
        // Odd, so that multiplying loses nothing.
        Self { begin: seeds.hash_one(0), by: seeds.hash_one(1) | 1 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.begin, by: self.by }
    }
}

/// Folds eight bytes at a time into its state by multiplying.
#[derive(Debug, Clone, Copy)]
pub struct Folded {
    state: u64,
    by: u64,
}

impl Folded {
    fn fold(&mut self, word: u64) {
        let wide = (u128::from(self.state ^ word) * u128::from(self.by)).to_le_bytes();
        let [low, high] = [0, 8].map(|at| crate::format::u64_at(&wide, at).unwrap_or_default());
        self.state = low ^ high.rotate_left(32);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        // The length sets apart what differs only in zeros at the end.
        self.fold(u64::from_le_bytes(last) ^ (crate::format::to_u64(bytes.len()) << 56));
    }

    fn write_u8(&mut self, byte: u8) {
        self.state = self.state.rotate_left(8) ^ u64::from(byte);
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(crate::format::to_u64(number));
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.fold(self.by);
        last.state
    }
}

#[cfg(test)]
mod tests {
    use super::Seeded;
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    #[test]
    fn names_that_are_alike_spread_over_the_whole_table() {
        let seeded = Seeded::default();
        let hashes: Vec<u64> = (0..100_000).map(|nth| seeded.hash_one(format!("order-{nth}"))).collect();
        let distinct: BTreeSet<u64> = hashes.iter().copied().collect();
        assert_eq!(distinct.len(), hashes.len());
        // Both ends of a hash are used by a table: each of 1,024 places gets about 98.
        for shift in [0, 54] {
            let mut places = vec![0_u32; 1_024];
            for hash in &hashes {
                places[usize::try_from((hash >> shift) % 1_024).unwrap()] += 1;
            }
            assert!(places.iter().all(|count| (30..200).contains(count)), "{places:?}");
        }
    }

    #[test]
    fn the_same_name_has_another_hash_in_another_table() {
        assert_ne!(Seeded::default().hash_one("order-1"), Seeded::default().hash_one("order-1"));
        assert_ne!(Seeded::default().hash_one([0_u8; 3].as_slice()), 0);
        let seeded = Seeded::default();
        assert_ne!(seeded.hash_one([0_u8; 3].as_slice()), seeded.hash_one([0_u8; 4].as_slice()));
    }
}
