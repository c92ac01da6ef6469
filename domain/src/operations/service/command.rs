//! What can be asked of a service, and what it reports of itself.

use super::event::Service;
use crate::time::Timestamp;

/// A wish or a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A process begins to run the service.
    Start {
        /// Which.
        service: Service,
        /// The build.
        version: String,
        /// The configured instance.
        instance: String,
        /// Now.
        at: Timestamp,
    },
    /// Take no new work.
    Pause {
        /// Which.
        service: Service,
        /// Why; needed, because whoever comes next must know what to wait for.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Take work again.
    Resume {
        /// Which.
        service: Service,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Finish what is in flight, then stop taking work.
    Drain {
        /// Which.
        service: Service,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Look at what you read, now.
    AskRefresh {
        /// Which.
        service: Service,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// Nothing is in flight any more: the service's own report on its draining.
    Drained {
        /// Which.
        service: Service,
        /// Now.
        at: Timestamp,
    },
}
