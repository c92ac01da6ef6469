//! What the filter remembers, and what it lets through.

use super::event::Entry;
use crate::ids::TokenId;
use crate::pair::Pair;
use std::collections::BTreeSet;

/// What is let through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Every configured pair.
    #[default]
    Configured,
    /// Only these.
    Only(BTreeSet<Entry>),
}

impl State {
    /// Whether a request for `token_in` against `token_out` is listened to. `pair` is a configured pair: what
    /// is no direction of it is never let through, whatever the filter says.
    #[must_use]
    pub fn lets_through(&self, pair: &Pair, token_in: &TokenId, token_out: &TokenId) -> bool {
        if pair.direction(token_in, token_out).is_none() {
            return false;
        }
        match self {
            Self::Configured => true,
            Self::Only(entries) => entries.iter().any(|entry| match entry {
                Entry::Pair(id) => *id == pair.id,
                Entry::Tokens { token_in: taken, token_out: wanted } => {
                    taken == token_in && wanted == token_out
                }
            }),
        }
    }
}
