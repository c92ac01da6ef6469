//! What can be said of partitions.

use super::event::{PartitionRestored, PartitionTiered};

/// What whoever keeps the tables has found or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// These rows are in the lake, and what is there was read back.
    Tier(PartitionTiered),
    /// These rows are in the tables again.
    Restore(PartitionRestored),
}
