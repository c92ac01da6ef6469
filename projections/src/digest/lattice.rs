//! The digest of a table whose rows change: `LtHash`, a sum over its rows. Order does not count, a row that leaves is taken
//! off, and rows that add up to the same sum are as hard to find as short vectors in a lattice of 1,024 dimensions.

use super::Room;
use stele_domain::port::read_store::{Row, Table};

/// How many numbers of 16 bits are added up.
pub const LANES: usize = 1_024;
const BYTES: usize = 2 * LANES;

/// A sum over the rows of a table, lane by lane, each lane modulo 65,536.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lattice {
    rows: u64,
    sum: Box<[u16; LANES]>,
}

impl Default for Lattice {
    fn default() -> Self {
        Self { rows: 0, sum: Box::new([0; LANES]) }
    }
}

impl Lattice {
    /// As a store has it; `None` when the value has another length.
    #[must_use]
    pub fn stored(rows: u64, value: &[u8]) -> Option<Self> {
        let (lanes, []) = value.as_chunks() else { return None };
        let lanes: Vec<u16> = lanes.iter().copied().map(u16::from_le_bytes).collect();
        Some(Self { rows, sum: lanes.into_boxed_slice().try_into().ok()? })
    }

    /// How many rows it stands for. Where somebody took rows away behind the runner's back, this may say less than were
    /// counted; the sum tells.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// As a store keeps it: the lanes one after the other, the lower byte first.
    #[must_use]
    pub fn value(&self) -> Box<[u8]> {
        let mut value = vec![0; BYTES];
        for (bytes, lane) in value.as_chunks_mut().0.iter_mut().zip(self.sum.iter()) {
            *bytes = lane.to_le_bytes();
        }
        value.into()
    }

    /// Whether it is the digest of no rows at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0 && self.sum.iter().all(|lane| *lane == 0)
    }

    /// One more row.
    pub fn add(&mut self, table: &Table, row: &Row, room: &mut Room) {
        self.rows = self.rows.saturating_add(1);
        let lanes = lanes(table, row, room);
        for (sum, lane) in self.sum.iter_mut().zip(lanes.as_chunks().0) {
            *sum = sum.wrapping_add(u16::from_le_bytes(*lane));
        }
    }

    /// A row less.
    pub fn remove(&mut self, table: &Table, row: &Row, room: &mut Room) {
        self.rows = self.rows.saturating_sub(1);
        let lanes = lanes(table, row, room);
        for (sum, lane) in self.sum.iter_mut().zip(lanes.as_chunks().0) {
            *sum = sum.wrapping_sub(u16::from_le_bytes(*lane));
        }
    }
}

/// What one row adds: a hash of its table's name and its canonical text, drawn out over all lanes.
fn lanes(table: &Table, row: &Row, room: &mut Room) -> [u8; BYTES] {
    let Room(bytes) = room;
    bytes.clear();
    bytes.extend_from_slice(table.name.as_bytes());
    table.write_canonical(row, bytes);
    let mut lanes = [0; BYTES];
    blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut lanes);
    lanes
}
