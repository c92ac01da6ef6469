//! How a directory of runs is kept.

use stele_domain::port::state_store::Histories;

/// The least memory that runs can be kept with, in bytes.
pub const RUN_MEMORY_BYTES_MIN: u64 = 16 << 20;

/// Which states can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum States {
    /// The newest. What a crash leaves may lack the last batches.
    Newest,
    /// The one after every batch, for ever: a state takes the room of what its batch changed. Each batch is on the disk
    /// before it is acknowledged.
    Every,
}

/// In which orders rows can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orders {
    /// By key and by position, and by position those with some value of an indexed column.
    All,
    /// By key: no index is kept, and a change is one write instead of one for each.
    Key,
}

/// How a directory of runs is kept.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Memory for changes that are not yet in a run and for blocks that were read, in bytes; no less than
    /// [`RUN_MEMORY_BYTES_MIN`] is taken.
    pub memory_bytes: u64,
    /// What becomes of append-only tables.
    pub histories: Histories,
    /// Which states can be asked for.
    pub states: States,
    /// In which orders rows can be asked for.
    pub orders: Orders,
}

/// How the memory is shared out.
pub(super) struct Shares {
    /// Blocks that were read.
    pub cache: u64,
    /// Changes of rows that are not in a run yet, and up to four times as many that are being written to one.
    pub rows: u64,
    /// The same for indexes.
    pub places: u64,
    /// The same for checkpoints and digests.
    pub marks: u64,
}

/// Tables of changes that are held at once: one that is filled, four that are being written.
const HELD_MAX: u64 = 5;

/// What is left for indexes where there are none: the library keeps a table of changes for them all the same.
const LEAST_BYTES: u64 = HELD_MAX * (64 << 10);

impl RunOptions {
    pub(super) fn shares(&self) -> Shares {
        let all = self.memory_bytes.max(RUN_MEMORY_BYTES_MIN);
        // What no index needs is room for rows.
        let (rows, places) = match self.orders {
            Orders::All => (all / 2, all * 3 / 20),
            Orders::Key => (all * 13 / 20 - LEAST_BYTES, LEAST_BYTES),
        };
        Shares {
            cache: all / 4,
            rows: rows / HELD_MAX,
            places: places / HELD_MAX,
            marks: all / 10 / HELD_MAX,
        }
    }
}
