//! The gates: named checks, cheapest first. All of them are asked on every decision and the whole vector is
//! recorded, so that a decision explains itself for ever.
//!
//! A gate judges; it never changes an amount. What is asked of each stands in [`crate::trading::strategy`].

pub mod json;
pub mod line;

use crate::money::{BasisPoints, Units};
use serde::{Deserialize, Serialize};

/// A named check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The strategy is neither paused nor draining.
    Running,
    /// The account is not killed.
    NotKilled,
    /// The account is armed, and the arming has not run out.
    Armed,
    /// Limits are in force.
    LimitsSet,
    /// The request is no probe, or probes are answered.
    NoProbe,
    /// The auction is still open.
    WindowOpen,
    /// The auction stays open long enough to be reached.
    WindowLongEnough,
    /// The taker does not ask for too long a validity.
    DeadlineShortEnough,
    /// Our clock and the venue's agree.
    ClockAgrees,
    /// There is a reference price that may be decided on.
    PriceUsable,
    /// The reference price is young enough.
    PriceFresh,
    /// The reference's spread is narrow enough.
    SpreadNarrow,
    /// Balances are known and young enough.
    InventoryFresh,
    /// The venue would take our signature.
    VenueReady,
    /// The price leads to an amount above zero that the venue can carry.
    Priced,
    /// The edge of the rounded amounts is large enough.
    Edge,
    /// The offer is not too small.
    NotionalMin,
    /// The offer is not too large.
    NotionalMax,
    /// Open offers in this direction leave room.
    DirectionCap,
    /// The number of open offers leaves room.
    OpenOffers,
    /// The number of open offers of this partner leaves room.
    PartnerOffers,
    /// Not too many outcomes are unknown.
    OutcomesKnown,
    /// The last settlement is long enough ago.
    CooledDown,
    /// In REDUCING, the offer moves base towards its target.
    Reduces,
    /// Credited coin, less reservations and floor, covers what we would give.
    Funded,
}

impl Gate {
    /// All gates in the order in which they are asked; the first that fails names the decision.
    pub const ALL: [Self; 25] = [
        Self::Running,
        Self::NotKilled,
        Self::Armed,
        Self::LimitsSet,
        Self::NoProbe,
        Self::WindowOpen,
        Self::WindowLongEnough,
        Self::DeadlineShortEnough,
        Self::ClockAgrees,
        Self::PriceUsable,
        Self::PriceFresh,
        Self::SpreadNarrow,
        Self::InventoryFresh,
        Self::VenueReady,
        Self::Priced,
        Self::Edge,
        Self::NotionalMin,
        Self::NotionalMax,
        Self::DirectionCap,
        Self::OpenOffers,
        Self::PartnerOffers,
        Self::OutcomesKnown,
        Self::CooledDown,
        Self::Reduces,
        Self::Funded,
    ];

    /// The stable code, as stored.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::NotKilled => "not_killed",
            Self::Armed => "armed",
            Self::LimitsSet => "limits_set",
            Self::NoProbe => "no_probe",
            Self::WindowOpen => "window_open",
            Self::WindowLongEnough => "window_long_enough",
            Self::DeadlineShortEnough => "deadline_short_enough",
            Self::ClockAgrees => "clock_agrees",
            Self::PriceUsable => "price_usable",
            Self::PriceFresh => "price_fresh",
            Self::SpreadNarrow => "spread_narrow",
            Self::InventoryFresh => "inventory_fresh",
            Self::VenueReady => "venue_ready",
            Self::Priced => "priced",
            Self::Edge => "edge",
            Self::NotionalMin => "notional_min",
            Self::NotionalMax => "notional_max",
            Self::DirectionCap => "direction_cap",
            Self::OpenOffers => "open_offers",
            Self::PartnerOffers => "partner_offers",
            Self::OutcomesKnown => "outcomes_known",
            Self::CooledDown => "cooled_down",
            Self::Reduces => "reduces",
            Self::Funded => "funded",
        }
    }
}

/// Why a decision was not to act. Stable codes: they are counted, alerted on and searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The strategy is paused.
    Paused,
    /// The strategy is draining.
    Draining,
    /// The account is killed.
    Killed,
    /// The account is disarmed.
    Disarmed,
    /// The arming has run out.
    ArmingExpired,
    /// No limits are in force.
    NoLimits,
    /// Probes are not answered.
    Probe,
    /// The auction is over.
    QuoteExpired,
    /// The auction is too short to be reached.
    WindowTooShort,
    /// The taker asks for too long a validity.
    DeadlineTooLong,
    /// Our clock and the venue's differ.
    ClockSkew,
    /// No source has named a price yet.
    NoPrice,
    /// The price is too old.
    PriceStale,
    /// The sources differ beyond tolerance.
    PriceConflict,
    /// EURe is too far from the euro.
    PegOutOfBand,
    /// Only the fallback has a price, and the policy forbids using it.
    FallbackForbidden,
    /// The spread is too wide.
    SpreadTooWide,
    /// No balances are known yet.
    NoInventory,
    /// The balances are too old.
    InventoryStale,
    /// We have no usable signing key.
    NoSigningKey,
    /// The account does not know our key.
    KeyNotRegistered,
    /// The account is locked.
    AccountLocked,
    /// Execution of intents is paused.
    ContractPaused,
    /// The price leads to no amount that can be offered.
    Unpriceable,
    /// The edge is too small.
    EdgeTooSmall,
    /// The offer is too small.
    NotionalTooSmall,
    /// The offer is too large.
    NotionalTooLarge,
    /// Open offers in this direction leave no room.
    DirectionCap,
    /// Too many open offers.
    TooManyOpen,
    /// Too many open offers of this partner.
    PartnerCap,
    /// Too many outcomes are unknown.
    OutcomeUnknown,
    /// The last settlement is too recent.
    CoolingDown,
    /// REDUCING, and the offer does not reduce.
    NotReducing,
    /// Credited coin does not cover it.
    InsufficientInventory,
    /// Credited coin does not cover it; a pending deposit would, but only credited coin is spent.
    PendingNotCredited,
    /// A gate could not be asked, and no other gate said why. What is not known to be open is shut.
    Unanswered,
}

impl Reason {
    /// All reasons, in the order of the gates that give them.
    pub const ALL: [Self; 36] = [
        Self::Paused,
        Self::Draining,
        Self::Killed,
        Self::Disarmed,
        Self::ArmingExpired,
        Self::NoLimits,
        Self::Probe,
        Self::QuoteExpired,
        Self::WindowTooShort,
        Self::DeadlineTooLong,
        Self::ClockSkew,
        Self::NoPrice,
        Self::PriceStale,
        Self::PriceConflict,
        Self::PegOutOfBand,
        Self::FallbackForbidden,
        Self::SpreadTooWide,
        Self::NoInventory,
        Self::InventoryStale,
        Self::NoSigningKey,
        Self::KeyNotRegistered,
        Self::AccountLocked,
        Self::ContractPaused,
        Self::Unpriceable,
        Self::EdgeTooSmall,
        Self::NotionalTooSmall,
        Self::NotionalTooLarge,
        Self::DirectionCap,
        Self::TooManyOpen,
        Self::PartnerCap,
        Self::OutcomeUnknown,
        Self::CoolingDown,
        Self::NotReducing,
        Self::InsufficientInventory,
        Self::PendingNotCredited,
        Self::Unanswered,
    ];

    /// The stable code, as stored.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Killed => "killed",
            Self::Disarmed => "disarmed",
            Self::ArmingExpired => "arming_expired",
            Self::NoLimits => "no_limits",
            Self::Probe => "probe",
            Self::QuoteExpired => "quote_expired",
            Self::WindowTooShort => "window_too_short",
            Self::DeadlineTooLong => "deadline_too_long",
            Self::ClockSkew => "clock_skew",
            Self::NoPrice => "no_price",
            Self::PriceStale => "price_stale",
            Self::PriceConflict => "price_conflict",
            Self::PegOutOfBand => "peg_out_of_band",
            Self::FallbackForbidden => "fallback_forbidden",
            Self::SpreadTooWide => "spread_too_wide",
            Self::NoInventory => "no_inventory",
            Self::InventoryStale => "inventory_stale",
            Self::NoSigningKey => "no_signing_key",
            Self::KeyNotRegistered => "key_not_registered",
            Self::AccountLocked => "account_locked",
            Self::ContractPaused => "contract_paused",
            Self::Unpriceable => "unpriceable",
            Self::EdgeTooSmall => "edge_too_small",
            Self::NotionalTooSmall => "notional_too_small",
            Self::NotionalTooLarge => "notional_too_large",
            Self::DirectionCap => "direction_cap",
            Self::TooManyOpen => "too_many_open",
            Self::PartnerCap => "partner_cap",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::CoolingDown => "cooling_down",
            Self::NotReducing => "not_reducing",
            Self::InsufficientInventory => "insufficient_inventory",
            Self::PendingNotCredited => "pending_not_credited",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A value that a gate saw, or a limit it held it against. Kept as a value; words are made when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Nothing was known.
    Unknown,
    /// Milliseconds.
    Millis(i64),
    /// Basis points.
    Bps(BasisPoints),
    /// Base units.
    Units(Units),
    /// A number of things.
    Count(u32),
    /// Yes or no.
    Flag(bool),
}

/// What a gate said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is open.
    Pass,
    /// It is shut, for this reason.
    Deny(Reason),
    /// It could not be asked, because what it needs was missing; another gate says what. Never a pass.
    NotAsked,
}

/// One gate's answer, with what it saw and what it held it against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// Which gate.
    pub gate: Gate,
    /// Its answer.
    pub answer: Answer,
    /// What it saw.
    pub observed: Measure,
    /// The limit.
    pub limit: Measure,
}

#[cfg(test)]
mod tests;
