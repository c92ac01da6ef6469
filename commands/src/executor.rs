//! The executor service: takes orders off the log, fixes them in the account, sends them once, records what
//! came of it, and looks up what nobody told.
//!
//! Its checkpoint is the account's stream: each order leaves exactly one event there that names its place, and
//! the executor goes on after the last. It starts disarmed, because it starts with a new lease; while another one has
//! the lease it stands by, or ends.

pub mod reactor;

mod killed;
mod lease;
mod order;
mod reconcile;
mod replies;
mod send;
mod waiting;

pub(crate) use order::{balances_for, deadlines};
pub use reactor::Executor;

use stele_domain::time::Timestamp;

/// How the executor works. Spans are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorOptions {
    /// The instance that holds the lease. Two processes with one name would take it from each other.
    pub instance: String,
    /// How long the lease holds unless renewed.
    pub lease_ttl_ms: u64,
    /// How much longer than asked an offer stays valid.
    pub offer_margin_ms: u64,
    /// How much longer than the offer its nonce can be asked about.
    pub nonce_margin_ms: u64,
    /// How long after its deadline, in block time, an unused offer counts as dead.
    pub release_margin_ms: u64,
    /// How far behind the present a final block is when all is well.
    pub finality_lag_ms: i64,
    /// Most offers whose reply is awaited at the same time.
    pub in_flight_max: usize,
    /// Whether it waits while another instance holds the lease, instead of ending.
    pub standby: bool,
    /// The build, for the record of its start.
    pub version: String,
}

/// Where an executor stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// It has not asked for the lease yet.
    #[default]
    Starting,
    /// Another instance holds the lease; this one takes it when it has run out.
    Standby {
        /// Who.
        holder: String,
        /// Until when, unless renewed.
        until: Timestamp,
    },
    /// It holds the lease.
    Leading {
        /// Which.
        epoch: u64,
    },
}
