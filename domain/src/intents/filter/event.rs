//! Facts about the pair filter.

use crate::ids::{PairId, TokenId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `filter-{venue}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operator narrowed or widened the filter.
    FilterSet(FilterSet),
    /// An operator went back to the configured pairs.
    FilterReset(FilterReset),
}

/// One line of the filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Every token of a configured pair, both directions.
    Pair(PairId),
    /// Exactly this token against that one.
    Tokens {
        /// What the taker gives.
        token_in: TokenId,
        /// What the taker wants.
        token_out: TokenId,
    },
}

/// The filter was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterSet {
    /// What is let through; empty lets nothing through.
    pub entries: Vec<Entry>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The filter is the configured one again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterReset {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
