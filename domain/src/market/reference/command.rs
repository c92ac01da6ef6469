//! What can be told to the reference price. The policy in force comes with every command, because it is
//! configuration and not history; what it led to is history.

use super::event::{PriceObserved, SourceStateChanged};
use super::policy::Policy;
use crate::time::Timestamp;

/// News, or the passing of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A source named a price. Always leads to a new verdict.
    Observe {
        /// What it named.
        observation: PriceObserved,
        /// The policy in force.
        policy: Policy,
        /// Now.
        at: Timestamp,
    },
    /// A source's connection or health changed. Leads to a new verdict when that changes it.
    ChangeState {
        /// The change.
        change: SourceStateChanged,
        /// The policy in force.
        policy: Policy,
        /// Now.
        at: Timestamp,
    },
    /// Time has passed. Leads to a new verdict when that changes it: a price that nobody renews goes stale.
    Tick {
        /// The policy in force.
        policy: Policy,
        /// Now.
        at: Timestamp,
    },
}
