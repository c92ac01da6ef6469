//! What is remembered of the balances. Bounded by [`EXPLAINED_MAX`].

use super::event::{BalancesObserved, VenueBlock};
use crate::ids::{CommandId, TokenId};
use crate::money::Units;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many settled offers are remembered as accounted for. Far more than can be open at once, and an offer
/// that is not open any more is not asked about.
pub const EXPLAINED_MAX: usize = 4_096;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

    /// Credited coin of a token; `None` when it was never read.
    #[must_use]
    pub fn credited(&self, token: &TokenId) -> Option<Units> {
        self.last.as_ref()?.credited.get(token).copied()
    }

    /// Deposits of a token that are pending. Never spendable.
    #[must_use]
    pub fn pending_in(&self, token: &TokenId) -> Units {
        pending(self.last.as_ref().map(|last| &last.pending_in), token)
    }

    /// Withdrawals of a token that are pending.
    #[must_use]
    pub fn pending_out(&self, token: &TokenId) -> Units {
        pending(self.last.as_ref().map(|last| &last.pending_out), token)
    }

    /// Height of the last block.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.height)
    }

    /// When the last balances came in: what their age counts from.
    #[must_use]
    pub fn observed_at(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|last| last.observed_at)
    }

    /// Why the venue would refuse our signature; empty when it would not, and when nothing is known.
    #[must_use]
    pub fn blocked(&self) -> &[VenueBlock] {
        self.last.as_ref().map_or(&[], |last| &last.blocked)
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

fn pending(amounts: Option<&BTreeMap<TokenId, Units>>, token: &TokenId) -> Units {
    amounts.and_then(|amounts| amounts.get(token)).copied().unwrap_or_default()
}
