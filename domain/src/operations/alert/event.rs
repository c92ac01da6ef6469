//! Facts about alerts.

use crate::port::event_log::Position;
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

    /// Whether it stays raised until a person has looked: what it is about has happened and does not pass by itself.
    #[must_use]
    pub fn waits_for_a_person(self) -> bool {
        match self {
            Self::UnexpectedDrop | Self::UnmatchedCredit => true,
            Self::PriceBlocked | Self::RelayDown | Self::InventoryStale | Self::ExecutionBlocked => false,
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

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
    /// The fact that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Position>,
    /// Since when.
    pub at: Timestamp,
}

/// It no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCleared {
    /// What.
    pub kind: Kind,
    /// The facts, in a sentence; what a person found, where a person cleared it.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}
