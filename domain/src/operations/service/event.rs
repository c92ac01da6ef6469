//! Facts about a service.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `service-{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process began to run the service.
    ServiceStarted(ServiceStarted),
    /// Takes no new work; stays alive.
    ServicePaused(ServicePaused),
    /// Takes work again.
    ServiceResumed(ServiceResumed),
    /// Finishes what is in flight, then stops taking work.
    ServiceDraining(ServiceDraining),
    /// Nothing is in flight any more.
    ServiceDrained(ServiceDrained),
    /// A person wants it to look at what it reads now, wherever it runs.
    RefreshAsked(RefreshAsked),
}

/// A part of the desk that can be inspected and stopped by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Reads the relay.
    Ingest,
    /// Reads prices.
    Market,
    /// Reads balances.
    Inventory,
    /// Decides.
    Strategy,
    /// Signs and sends.
    Executor,
    /// Builds read models.
    Projections,
}

impl Service {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Ingest, Self::Market, Self::Inventory, Self::Strategy, Self::Executor, Self::Projections];

    /// The name in streams, tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Market => "market",
            Self::Inventory => "inventory",
            Self::Strategy => "strategy",
            Self::Executor => "executor",
            Self::Projections => "projections",
        }
    }
}

/// A process began to run the service. What a person paused or drained stays so: only a wish lets it work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStarted {
    /// Which.
    pub service: Service,
    /// The build.
    pub version: String,
    /// The configured instance.
    pub instance: String,
    /// The number of this start: one more than the last one's. Zero in facts of old builds, which did not count.
    #[serde(default, skip_serializing_if = "crate::event::is_zero")]
    pub start: u64,
    /// When.
    pub at: Timestamp,
}

/// Takes no new work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePaused {
    /// Which.
    pub service: Service,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Takes work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceResumed {
    /// Which.
    pub service: Service,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Finishes what is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDraining {
    /// Which.
    pub service: Service,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Nothing is in flight any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDrained {
    /// Which.
    pub service: Service,
    /// When.
    pub at: Timestamp,
}

/// A person wants a service to look now. Asked in a process where it does not run: the one where it does hears it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshAsked {
    /// Which.
    pub service: Service,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
