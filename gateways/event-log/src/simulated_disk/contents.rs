//! What a file holds, and what of it would outlast a loss of power.

use crate::format::SECTOR_BYTES;
use std::collections::BTreeMap;

/// A file's bytes as they read now, and as they are on the medium.
#[derive(Clone, Default)]
pub struct Contents {
    live: Vec<u8>,
    medium: Vec<u8>,
    /// Sectors that are on their way to the medium, each with what it held on the way there, oldest first: a sector that
    /// was written twice may reach the medium as it was in between.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Every length that the file had since it was last made durable, in order; empty when that did not change.
    lens: Vec<usize>,
    failed_syncs: u64,
}

impl Contents {
    /// A file that is durable as it is.
    pub fn durable(bytes: &[u8]) -> Self {
        Self { live: bytes.to_vec(), medium: bytes.to_vec(), ..Self::default() }
    }

    /// The bytes as they read now.
    pub fn live(&self) -> &[u8] {
        &self.live
    }

    /// Writes, with zeros in a hole.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.live.len() {
            self.resize(end);
        }
        self.mark(offset, end);
        if let Some(place) = self.live.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
    }

    /// Cuts, or grows with zeros.
    pub fn set_len(&mut self, len: usize) {
        self.mark(self.live.len().min(len), self.live.len().max(len));
        self.resize(len);
    }

    fn resize(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.lens.push(len);
    }

    /// Flips a bit, here and on the medium.
    pub fn flip_bit(&mut self, bit: usize) {
        for bytes in [&mut self.live, &mut self.medium] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Everything reaches the medium.
    pub fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            put_sector(sector, sector_of(sector, &self.live), &mut self.medium);
        }
        self.medium.resize(self.live.len(), 0);
        self.lens.clear();
    }

    /// Nothing reaches the medium, and nothing is tried again.
    pub fn fail_sync(&mut self) {
        self.dirty.clear();
        self.lens.clear();
        self.failed_syncs += 1;
    }

    /// How many syncs have failed.
    pub fn failed_syncs(&self) -> u64 {
        self.failed_syncs
    }

    /// The file after the power failed: each dirty sector as it was, as it should be or as it was in between, the length
    /// anywhere between the shortest and the longest that it had on the way.
    pub fn after_power_loss(&self, dice: &mut Dice) -> Self {
        let mut bytes = self.medium.clone();
        for (sector, between) in &self.dirty {
            // The first is the one that stays as it was, the last the one that it should be.
            match dice.below(between.len() + 2).checked_sub(1) {
                None => {}
                Some(nth) => {
                    let there =
                        between.get(nth).map_or_else(|| sector_of(*sector, &self.live), Vec::as_slice);
                    put_sector(*sector, there, &mut bytes);
                }
            }
        }
        let len = dice.length(self.medium.len(), &self.lens);
        bytes.resize(len, 0);
        Self::durable(&bytes)
    }

    /// Sectors that are about to change.
    fn mark(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES) {
            let now = sector_of(sector, &self.live);
            self.dirty.entry(sector).and_modify(|between| between.push(now.to_vec())).or_default();
        }
    }
}

/// What of a sector is there.
fn sector_of(sector: usize, bytes: &[u8]) -> &[u8] {
    let (begin, end) = (sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    bytes.get(begin.min(bytes.len())..end.min(bytes.len())).unwrap_or_default()
}

fn put_sector(sector: usize, source: &[u8], to: &mut Vec<u8>) {
    let begin = sector * SECTOR_BYTES;
    let end = begin + SECTOR_BYTES;
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(target) = to.get_mut(begin..end) {
        target.fill(0);
        if let Some(target) = target.get_mut(..source.len()) {
            target.copy_from_slice(source);
        }
    }
}

/// The one source of chance in the simulation (`SplitMix64`).
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that always fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number less than `count`.
    fn below(&mut self, count: usize) -> usize {
        crate::format::to_usize(self.next() % crate::format::to_u64(count.max(1)))
    }

    /// One of the lengths that there were, or something between: at a sector's end or anywhere.
    fn length(&mut self, old: usize, lens: &[usize]) -> usize {
        let (low, high) = lens.iter().fold((old, old), |(low, high), len| (low.min(*len), high.max(*len)));
        let between = low + self.below(high - low + 1);
        match self.next() % 4 {
            0 => old,
            1 => lens.last().copied().unwrap_or(old),
            2 => (between / SECTOR_BYTES * SECTOR_BYTES).max(low),
            _ => between,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
