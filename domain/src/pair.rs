//! A traded pair: which assets, and which of the venue's tokens count as each.
//!
//! Token ids move (the venue relabels and re-bridges them), so a side is a list of tokens by configuration.

use crate::ids::{PairId, TokenId};
use crate::money::{Asset, Decimals, InvalidMoney};
use serde::{Deserialize, Serialize};

/// One side of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// What it is.
    pub asset: Asset,
    /// The venue's tokens that count as it. Balances and reservations are kept per token.
    pub tokens: Vec<TokenId>,
}

/// A pair the desk may trade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// `base-quote`.
    pub id: PairId,
    /// What is priced (BTC).
    pub base: Side,
    /// What it is priced in (EURe).
    pub quote: Side,
}

/// What the desk does with the base asset when an offer is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The taker gives base, the desk gives quote.
    BuyBase,
    /// The taker gives quote, the desk gives base.
    SellBase,
}

impl Direction {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::BuyBase, Self::SellBase];

    /// The name in events, tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BuyBase => "buy_base",
            Self::SellBase => "sell_base",
        }
    }
}

impl Pair {
    /// Decimals of both sides.
    ///
    /// # Errors
    ///
    /// [`InvalidMoney::Decimals`] when a side has more than 38.
    pub fn decimals(&self) -> Result<Decimals, InvalidMoney> {
        Decimals::new(self.base.asset.decimals, self.quote.asset.decimals)
    }

    /// Which way a request for `token_in` against `token_out` goes; `None` when it is another pair's.
    #[must_use]
    pub fn direction(&self, token_in: &TokenId, token_out: &TokenId) -> Option<Direction> {
        if self.base.tokens.contains(token_in) && self.quote.tokens.contains(token_out) {
            Some(Direction::BuyBase)
        } else if self.quote.tokens.contains(token_in) && self.base.tokens.contains(token_out) {
            Some(Direction::SellBase)
        } else {
            None
        }
    }

    /// Every token of the pair.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenId> {
        self.base.tokens.iter().chain(&self.quote.tokens)
    }
}
