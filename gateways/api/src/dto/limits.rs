//! Limits: stated whole every time they change.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;

/// Everything an operator can bound. Notionals are base units of the quote asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Least gross edge of an offer against the less favourable reference, in hundredths of a percent.
    pub edge_min_bps: i64,
    /// Least notional of one offer.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub notional_min: String,
    /// Most notional of one offer.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub notional_max: String,
    /// Most notional of one offer while the price comes from the fallback source.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub fallback_notional_max: String,
    /// Most notional of all open offers that buy base.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub buy_base_open_max: String,
    /// Most notional of all open offers that sell base.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub sell_base_open_max: String,
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
    /// Widest usable spread of the reference, in hundredths of a percent.
    pub spread_max_bps: i64,
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
    #[serde(default)]
    pub second_person: bool,
    /// What is never spent, base units per token.
    pub floor: BTreeMap<String, String>,
    /// How much base the desk wants to hold, in base units; REDUCING only moves towards it.
    #[schema(pattern = "^[0-9]{1,77}$")]
    pub base_target: String,
}

/// Limits with their version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsVersion {
    /// Rises by one with each change.
    pub version: u64,
    /// From when they hold.
    #[schema(value_type = String, format = DateTime)]
    pub effective_from: Timestamp,
    /// When they were set.
    #[schema(value_type = String, format = DateTime)]
    pub set_at: Timestamp,
    /// Why.
    pub reason: String,
    /// All of them.
    pub limits: Limits,
    /// SHA-256 of their canonical form, in hex: the approval of an arming is bound to it.
    pub hash: String,
}

/// The limits as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsAnswer {
    /// Those in force; none before any were set.
    pub in_force: Option<LimitsVersion>,
    /// Those that were set last, when they hold only later.
    pub upcoming: Option<LimitsVersion>,
    /// Everything up to here is in it.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// Let these limits hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLimits {
    /// All of them.
    pub limits: Limits,
    /// The newest version that was shown, 0 for none: refused when there is a newer one. Not checked without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_version: Option<u64>,
    /// From when; at once without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub effective_from: Option<Timestamp>,
    /// Why, in 3 to 500 characters.
    pub reason: String,
}
