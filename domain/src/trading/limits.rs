//! The limits in force: versioned, effective-dated, and stated whole every time they change.

use crate::ids::TokenId;
use crate::money::{BasisPoints, Units};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything an operator can bound. Notionals are base units of the quote asset.
///
/// It is part of a stored event: a field that is added later needs a default, and unknown ones are passed over. Who
/// reads limits from a person refuses unknown names there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Least gross edge of an offer against the less favourable reference.
    pub edge_min: BasisPoints,
    /// Least notional of one offer.
    pub notional_min: Units,
    /// Most notional of one offer.
    pub notional_max: Units,
    /// Most notional of one offer while the price comes from the fallback source.
    pub fallback_notional_max: Units,
    /// Most notional of all open offers that buy base.
    pub buy_base_open_max: Units,
    /// Most notional of all open offers that sell base.
    pub sell_base_open_max: Units,
    /// Most offers whose reservation is open.
    pub open_offers_max: u32,
    /// Most open offers of one partner's takers.
    pub open_offers_per_partner_max: u32,
    /// Most offers whose outcome is unknown before no new one is made.
    pub uncertain_offers_max: u32,
    /// No new offer for this long after one was settled, in milliseconds.
    pub cooldown_ms: u64,
    /// Oldest usable primary price at the decision, in milliseconds.
    pub price_age_ms_max: u64,
    /// Oldest usable fallback price at the decision, in milliseconds.
    pub fallback_age_ms_max: u64,
    /// Widest usable spread of the reference.
    pub spread_max: BasisPoints,
    /// Oldest usable balances at the decision, in milliseconds.
    pub inventory_age_ms_max: u64,
    /// Shortest auction window worth answering, in milliseconds.
    pub window_ms_min: u64,
    /// Longest validity that a taker may ask of us, in milliseconds.
    pub deadline_ms_max: u64,
    /// Oldest command that is still executed, in milliseconds.
    pub command_age_ms_max: u64,
    /// Largest difference between our clock and the venue's before nothing is signed, in milliseconds.
    pub clock_skew_ms_max: u64,
    /// Whether probes (dry runs, questions for minimum amounts) are answered.
    pub answer_probes: bool,
    /// Whether arming needs a second person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_person: bool,
    /// What is never spent, per token.
    #[serde(default)]
    pub floor: BTreeMap<TokenId, Units>,
    /// How much base the desk wants to hold; REDUCING only moves towards it.
    pub base_target: Units,
}

/// Why limits make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimits {
    /// An edge outside 0 … 50 %.
    #[error("edge_min is {0}: it must be between 0.00% and 50.00%")]
    Edge(BasisPoints),
    /// A lower bound above its upper bound.
    #[error("{lower} is above {upper}")]
    Crossed {
        /// The lower bound.
        lower: &'static str,
        /// The upper bound.
        upper: &'static str,
    },
    /// A spread outside 0 … 50 %.
    #[error("spread_max is {0}: it must be between 0.00% and 50.00%")]
    Spread(BasisPoints),
    /// More open offers than one reading of the venue can ask about.
    #[error("{name} is {value}: at most {max}, as many as one snapshot of the venue can ask about")]
    TooMany {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u32,
        /// The largest that is accepted.
        max: u32,
    },
    /// A bound that may not be zero.
    #[error("{0} is zero: nothing could ever be traded; use disarm to stop trading")]
    Zero(&'static str),
    /// A span that is too long.
    #[error("{name} is {value} ms: at most {max} ms")]
    TooLong {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The largest that is accepted.
        max: u64,
    },
}

/// Largest edge that may be asked for.
const EDGE_MAX: BasisPoints = BasisPoints(5_000);
/// Longest validity of an offer: a signed offer is a free option for whoever holds it.
const DEADLINE_MS_MAX: u64 = 10 * 60 * 1_000;
/// Longest age of anything.
const AGE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Largest difference between clocks that may be shrugged off: beyond it deadlines mean nothing.
pub const CLOCK_SKEW_MS_MAX: u64 = 60 * 1_000;
/// Most open offers: one snapshot of the venue asks about all of their nonces
/// ([`crate::port::verifier::SNAPSHOT_NONCES_MAX`]).
const OPEN_OFFERS_MAX: u32 = 256;

impl Limits {
    /// Whether the limits make sense together.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), InvalidLimits> {
        if self.edge_min < BasisPoints(0) || self.edge_min > EDGE_MAX {
            return Err(InvalidLimits::Edge(self.edge_min));
        }
        if self.spread_max < BasisPoints(0) || self.spread_max > EDGE_MAX {
            return Err(InvalidLimits::Spread(self.spread_max));
        }
        if self.notional_min > self.notional_max {
            return Err(InvalidLimits::Crossed { lower: "notional_min", upper: "notional_max" });
        }
        if self.fallback_notional_max > self.notional_max {
            return Err(InvalidLimits::Crossed { lower: "fallback_notional_max", upper: "notional_max" });
        }
        for (name, zero) in [
            ("notional_max", self.notional_max.is_zero()),
            ("open_offers_max", self.open_offers_max == 0),
            ("uncertain_offers_max", self.uncertain_offers_max == 0),
            ("price_age_ms_max", self.price_age_ms_max == 0),
            ("inventory_age_ms_max", self.inventory_age_ms_max == 0),
            ("deadline_ms_max", self.deadline_ms_max == 0),
            ("command_age_ms_max", self.command_age_ms_max == 0),
        ] {
            if zero {
                return Err(InvalidLimits::Zero(name));
            }
        }
        if self.open_offers_max > OPEN_OFFERS_MAX {
            let (name, value) = ("open_offers_max", self.open_offers_max);
            return Err(InvalidLimits::TooMany { name, value, max: OPEN_OFFERS_MAX });
        }
        for (name, value, max) in [
            ("deadline_ms_max", self.deadline_ms_max, DEADLINE_MS_MAX),
            ("price_age_ms_max", self.price_age_ms_max, AGE_MS_MAX),
            ("fallback_age_ms_max", self.fallback_age_ms_max, AGE_MS_MAX),
            ("inventory_age_ms_max", self.inventory_age_ms_max, AGE_MS_MAX),
            ("command_age_ms_max", self.command_age_ms_max, AGE_MS_MAX),
            ("cooldown_ms", self.cooldown_ms, AGE_MS_MAX),
            ("clock_skew_ms_max", self.clock_skew_ms_max, CLOCK_SKEW_MS_MAX),
        ] {
            if value > max {
                return Err(InvalidLimits::TooLong { name, value, max });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
