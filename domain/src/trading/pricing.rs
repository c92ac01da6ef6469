//! Pricing: what the desk would offer on a demand, rounded in its favour. It proposes; gates judge.
//!
//! A quote request carries no price: it fixes one side, and the proposal is the other. Let F be the fair rate
//! (quote per base) and m the margin. With IN what the taker gives and OUT what the desk gives:
//!
//! | direction | fixed | the desk's amount |
//! |---|---|---|
//! | buy base  | IN = X base   | OUT = ⌊X · F · (1 − m)⌋ |
//! | buy base  | OUT = Y quote | IN = ⌈Y / F / (1 − m)⌉ |
//! | sell base | IN = X quote  | OUT = ⌊X / F · (1 − m)⌋ |
//! | sell base | OUT = Y base  | IN = ⌈Y · F / (1 − m)⌉ |

use crate::intents::demand::Demand;
use crate::market::reference::event::{Basis, BasisMode, Fair};
use crate::money::{BasisPoints, Decimals, Rate, Rounding, Share, Units, gross_edge};
use crate::pair::Direction;
use crate::port::venue::{ExactSide, TokenAmount};
use crate::trading::strategy::event::{Margin, Proposal};
use serde::{Deserialize, Serialize};

/// What the margin is made of.
///
/// It is part of a stored event: a field that is added later needs a default, and unknown ones are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricingPolicy {
    /// Always taken.
    pub base: BasisPoints,
    /// Taken for every whole second that the price is old.
    pub per_second_of_age: BasisPoints,
    /// Taken on top while the price comes from the fallback source.
    pub fallback: BasisPoints,
    /// Taken on top while EURe is assumed, not observed, to be worth a euro.
    pub assumed_parity: BasisPoints,
}

/// Why a pricing policy makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} is {value}: a part of the margin must be between 0.00% and 50.00%")]
pub struct InvalidPricing {
    /// Which part.
    pub part: &'static str,
    /// Its value.
    pub value: BasisPoints,
}

/// Largest part of a margin that may be configured.
const PART_MAX: BasisPoints = BasisPoints(5_000);

impl PricingPolicy {
    /// Whether the policy makes sense: no part of the margin is a gift.
    ///
    /// # Errors
    ///
    /// The first part that is out of range.
    pub fn check(&self) -> Result<(), InvalidPricing> {
        for (part, value) in [
            ("base", self.base),
            ("per_second_of_age", self.per_second_of_age),
            ("fallback", self.fallback),
            ("assumed_parity", self.assumed_parity),
        ] {
            if value < BasisPoints(0) || value > PART_MAX {
                return Err(InvalidPricing { part, value });
            }
        }
        Ok(())
    }
}

/// The price that a proposal starts from.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// The reference.
    pub fair: &'a Fair,
    /// Whether it comes from the fallback source.
    pub fallback: bool,
    /// EURe against the euro.
    pub basis: &'a Basis,
    /// Its age in milliseconds.
    pub age_ms: i64,
}

/// The margin for a price of that quality. The spread counts half, rounded up.
#[must_use]
pub fn margin(policy: &PricingPolicy, quote: &Quote<'_>) -> Margin {
    let seconds = quote.age_ms.max(0).div_euclid(1_000);
    let age = BasisPoints(policy.per_second_of_age.0.saturating_mul(seconds));
    let spread = BasisPoints(quote.fair.spread.0.saturating_add(1).div_euclid(2));
    let fallback = if quote.fallback { policy.fallback } else { BasisPoints(0) };
    let basis = match quote.basis.mode {
        BasisMode::AssumedParity => policy.assumed_parity,
        BasisMode::Observed => Rate::ONE.distance(quote.basis.rate),
    };
    let total = policy.base.plus(age).plus(spread).plus(fallback).plus(basis);
    Margin { base: policy.base, age, spread, fallback, basis, total }
}

/// What we would offer; `None` when the price leads to nothing that can be offered: an amount of zero, a margin
/// below zero or of everything, or more than the venue can carry.
#[must_use]
pub fn propose(
    policy: &PricingPolicy,
    decimals: Decimals,
    demand: &Demand,
    quote: &Quote<'_>,
) -> Option<Proposal> {
    let margin = margin(policy, quote);
    if margin.total < BasisPoints(0) {
        return None;
    }
    let fair_rate = quote.fair.rate;
    let (received, given) = amounts(fair_rate, decimals, demand, margin.total)?;
    if received.is_zero() || given.is_zero() || !received.fits_venue() || !given.fits_venue() {
        return None;
    }
    let whole = Share::WHOLE;
    let (base, paid, reference_rate) = match demand.direction {
        Direction::BuyBase => (received, given, quote.fair.bid),
        Direction::SellBase => (given, received, quote.fair.ask),
    };
    // What fits the venue can be summed over all open offers without a thought for overflow.
    let notional =
        reference_rate.worth(base, decimals, whole, Rounding::Up).filter(|worth| worth.fits_venue())?;
    let edge = match demand.direction {
        Direction::BuyBase => {
            gross_edge(reference_rate.worth(received, decimals, whole, Rounding::Down)?, given)
        }
        Direction::SellBase => gross_edge(received, notional),
    };
    Some(Proposal {
        receive: TokenAmount { token: demand.token_in.clone(), amount: received },
        give: TokenAmount { token: demand.token_out.clone(), amount: given },
        fair_rate,
        margin,
        implied_rate: Rate::implied(base, paid, decimals)?,
        reference_rate,
        gross_edge: edge?,
        notional,
    })
}

/// What we receive and what we give.
fn amounts(fair: Rate, decimals: Decimals, demand: &Demand, margin: BasisPoints) -> Option<(Units, Units)> {
    let less = Share::less(margin)?;
    let more = Share::grossed_up(margin)?;
    let fixed = demand.amount;
    match (demand.direction, demand.exact) {
        (Direction::BuyBase, ExactSide::In) => {
            Some((fixed, fair.worth(fixed, decimals, less, Rounding::Down)?))
        }
        (Direction::BuyBase, ExactSide::Out) => {
            Some((fair.buys(fixed, decimals, more, Rounding::Up)?, fixed))
        }
        (Direction::SellBase, ExactSide::In) => {
            Some((fixed, fair.buys(fixed, decimals, less, Rounding::Down)?))
        }
        (Direction::SellBase, ExactSide::Out) => {
            Some((fair.worth(fixed, decimals, more, Rounding::Up)?, fixed))
        }
    }
}

#[cfg(test)]
mod tests;
