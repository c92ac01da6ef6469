//! What is remembered of the balances. Bounded by [`EXPLAINED_MAX`].

use super::event::BalancesObserved;
use crate::ids::CommandId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// How many settled offers are remembered as accounted for. Far more than can be open at once, and an offer
/// that is not open any more is not asked about.
pub const EXPLAINED_MAX: usize = 4_096;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    pub(super) last: Option<BalancesObserved>,
    /// When it was last stated that the verifier can't be read; `None` once it was read again.
    pub(super) outage_stated_at: Option<Timestamp>,
    pub(super) explained: BTreeSet<CommandId>,
    /// The same ids, oldest first.
    pub(super) order: VecDeque<CommandId>,
}

impl State {
    /// The last balances, with their block.
    #[must_use]
    pub fn last(&self) -> Option<&BalancesObserved> {
        self.last.as_ref()
    }

    /// Whether the last attempt to read the verifier failed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.outage_stated_at.is_some()
    }

    /// Whether the offer's effect is in the last balances, and accounted for.
    #[must_use]
    pub fn explains(&self, command: CommandId) -> bool {
        self.explained.contains(&command)
    }
}
