//! The rules that say no to an operator.

use super::decide::ENTRIES_MAX;
use crate::ids::{PairId, TokenId};

/// A rule that said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// Too many lines.
    #[error("{0} lines are too many: at most {ENTRIES_MAX}")]
    TooManyEntries(usize),
    /// A pair that is not configured.
    #[error("{0} is not a configured pair: the filter narrows the configuration and can't widen it")]
    UnknownPair(PairId),
    /// Two tokens that make no configured pair.
    #[error("{token_in} against {token_out} is no direction of a configured pair: the filter can't widen it")]
    UnknownTokens {
        /// What the taker would give.
        token_in: TokenId,
        /// What the taker would want.
        token_out: TokenId,
    },
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReasonMissing => "reason_missing",
            Self::TooManyEntries(_) => "too_many_entries",
            Self::UnknownPair(_) => "unknown_pair",
            Self::UnknownTokens { .. } => "unknown_tokens",
        }
    }
}
