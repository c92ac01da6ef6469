//! What a file holds, and what of it would outlast a loss of power.

use crate::format::SECTOR_BYTES;
use std::collections::BTreeSet;

/// A file's bytes as they read now, and as they are on the medium.
#[derive(Clone, Default)]
pub struct Contents {
    live: Vec<u8>,
    medium: Vec<u8>,
    /// Sectors that are on their way to the medium.
    dirty: BTreeSet<usize>,
    /// Whether the length is on its way too.
    len_dirty: bool,
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
            self.set_len(end);
        }
        if let Some(place) = self.live.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        self.mark(offset, end);
    }

    /// Cuts, or grows with zeros.
    pub fn set_len(&mut self, len: usize) {
        let (from, to) = (self.live.len().min(len), self.live.len().max(len));
        self.live.resize(len, 0);
        self.len_dirty = true;
        self.mark(from, to);
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
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(sector, &self.live, &mut self.medium);
        }
        self.medium.resize(self.live.len(), 0);
        self.len_dirty = false;
    }

    /// Nothing reaches the medium, and nothing is tried again.
    pub fn fail_sync(&mut self) {
        self.dirty.clear();
        self.len_dirty = false;
        self.failed_syncs += 1;
    }

    /// How many syncs have failed.
    pub fn failed_syncs(&self) -> u64 {
        self.failed_syncs
    }

    /// The file after the power failed: each dirty sector as it was or as it should be, the length anywhere
    /// between the old and the new.
    pub fn after_power_loss(&self, dice: &mut Dice) -> Self {
        let mut bytes = self.medium.clone();
        for sector in &self.dirty {
            if dice.coin() {
                copy_sector(*sector, &self.live, &mut bytes);
            }
        }
        let len =
            if self.len_dirty { dice.length(self.medium.len(), self.live.len()) } else { self.medium.len() };
        bytes.resize(len, 0);
        Self::durable(&bytes)
    }

    fn mark(&mut self, from: usize, to: usize) {
        self.dirty.extend(from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES));
    }
}

fn copy_sector(sector: usize, from: &[u8], to: &mut Vec<u8>) {
    let begin = sector * SECTOR_BYTES;
    let end = begin + SECTOR_BYTES;
    if to.len() < end {
        to.resize(end, 0);
    }
    let source = from.get(begin.min(from.len())..end.min(from.len())).unwrap_or_default();
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

    /// One of the two lengths, or something between: at a sector's end or anywhere.
    fn length(&mut self, old: usize, new: usize) -> usize {
        let (low, high) = (old.min(new), old.max(new));
        let between = low + crate::format::to_usize(self.next() % crate::format::to_u64(high - low + 1));
        match self.next() % 4 {
            0 => old,
            1 => new,
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
