//! The digest of a part of a history: a running hash. Every row is hashed after all rows before it, so that order counts
//! and a row that was written is written for good.

use super::Room;
use stele_domain::port::read_store::{Row, Table};

/// A running hash over rows in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    rows: u64,
    hash: [u8; 32],
}

impl History {
    /// As a store has it; `None` when the value has another length.
    #[must_use]
    pub fn stored(rows: u64, value: &[u8]) -> Option<Self> {
        Some(Self { rows, hash: value.try_into().ok()? })
    }

    /// How many rows it stands for.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// As a store keeps it.
    #[must_use]
    pub fn value(&self) -> [u8; 32] {
        self.hash
    }

    /// One more row.
    pub fn append(&mut self, table: &Table, row: &Row, room: &mut Room) {
        let Room(bytes) = room;
        // In one piece: a long row is hashed several blocks at a time then.
        bytes.clear();
        bytes.extend_from_slice(&self.hash);
        table.write_canonical(row, bytes);
        self.hash = *blake3::hash(bytes).as_bytes();
        self.rows = self.rows.saturating_add(1);
    }
}
