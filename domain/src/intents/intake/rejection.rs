//! The rules that say no. A request is never refused for what it says; that is recorded.

use crate::ids::{PairId, TokenId};

/// A rule that said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The request was brought to the wrong intake.
    #[error(
        "{token_in} against {token_out} is no direction of {pair}: the request belongs to another stream"
    )]
    OtherPair {
        /// What the taker gives.
        token_in: TokenId,
        /// What the taker wants.
        token_out: TokenId,
        /// The pair of this intake.
        pair: PairId,
    },
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherPair { .. } => "other_pair",
        }
    }
}
