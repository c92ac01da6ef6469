//! What an operator can ask of the pair filter.

use super::event::Entry;
use crate::pair::Pair;
use crate::time::Timestamp;

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Let exactly this through.
    Set {
        /// What; empty lets nothing through. Each line must be about a configured pair.
        entries: Vec<Entry>,
        /// The pairs that the desk is configured for.
        configured: Vec<Pair>,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Go back to the configured pairs.
    Reset {
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
}
