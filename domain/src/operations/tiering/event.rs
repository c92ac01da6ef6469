//! Facts about partitions.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `tiering-partitions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The rows of a partition are in the lake.
    PartitionTiered(PartitionTiered),
    /// They are in the tables again.
    PartitionRestored(PartitionRestored),
}

/// Which rows: those of one history that one definition makes of a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The table.
    pub table: String,
    /// The version of the definition that made them.
    pub version: u32,
    /// The first position.
    pub from_position: u64,
    /// The first position after them.
    pub to_position: u64,
}

/// The rows of a partition are in the lake: they were read back from there, and came to what the tables had kept of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTiered {
    /// Which.
    pub span: Span,
    /// How many rows.
    pub rows: u64,
    /// What they come to: BLAKE3 over the digests of their parts, in 64 hexadecimal digits.
    pub digest: String,
    /// Which lake: its address, without secrets.
    pub lake: String,
    /// How many files they are in.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// Where in the lake the manifest is, which names every file with its checksum.
    pub manifest: String,
    /// BLAKE3 of the manifest's bytes, in 64 hexadecimal digits.
    pub manifest_hash: String,
    /// When it was found to be so.
    pub at: Timestamp,
}

/// The rows of a partition were brought back from the lake, and came to what they had come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRestored {
    /// Which.
    pub span: Span,
    /// How many rows.
    pub rows: u64,
    /// What they come to, as in [`PartitionTiered::digest`].
    pub digest: String,
    /// No retention takes them away before.
    pub held_until: Timestamp,
    /// When.
    pub at: Timestamp,
}
