//! Facts about alerts.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `alert-{kind}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something needs a person.
    AlertRaised(AlertRaised),
    /// It no longer does.
    AlertCleared(AlertCleared),
}

/// What needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No usable reference price.
    PriceBlocked,
    /// The relay is not connected.
    RelayDown,
    /// Balances can't be read, or are too old.
    InventoryStale,
    /// A balance fell by something other than our own settlements.
    UnexpectedDrop,
    /// A balance rose by something other than our own settlements.
    UnmatchedCredit,
    /// The venue would refuse our signature.
    ExecutionBlocked,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PriceBlocked,
        Self::RelayDown,
        Self::InventoryStale,
        Self::UnexpectedDrop,
        Self::UnmatchedCredit,
        Self::ExecutionBlocked,
    ];

    /// The name in streams, tables and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PriceBlocked => "price_blocked",
            Self::RelayDown => "relay_down",
            Self::InventoryStale => "inventory_stale",
            Self::UnexpectedDrop => "unexpected_drop",
            Self::UnmatchedCredit => "unmatched_credit",
            Self::ExecutionBlocked => "execution_blocked",
        }
    }
}

/// Something needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRaised {
    /// What.
    pub kind: Kind,
    /// The facts, in a sentence.
    pub detail: String,
    /// Since when.
    pub at: Timestamp,
}

/// It no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCleared {
    /// What.
    pub kind: Kind,
    /// The facts, in a sentence.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}
