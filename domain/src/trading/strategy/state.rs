//! What the strategy remembers: which demands it has spoken on. Bounded by [`RECENT_MAX`].

use crate::ids::QuoteId;
use crate::port::event_log::Position;
use std::collections::{BTreeSet, VecDeque};

/// How many quotes are remembered by id. Demands further back are recognised by their place in the log.
pub const RECENT_MAX: usize = 10_000;

/// What the strategy remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) decided: BTreeSet<QuoteId>,
    pub(super) order: VecDeque<QuoteId>,
    pub(super) last_demand: Position,
}

impl State {
    /// The last demand that was decided on: the strategy goes on after it.
    #[must_use]
    pub fn last_demand(&self) -> Position {
        self.last_demand
    }

    /// Whether this demand was decided on before.
    #[must_use]
    pub fn knows(&self, quote: &QuoteId, position: Position) -> bool {
        position <= self.last_demand || self.decided.contains(quote)
    }
}
