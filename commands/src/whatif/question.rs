//! What is asked: which limits and margins are other than they were, over which part of the log, and what is taken to
//! become of offers that were never made.

use super::WhatIfError;
use crate::canonical;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use stele_domain::ids::AccountId;
use stele_domain::pair::Pair;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::LimitsSet;
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;

/// The desk whose log it is: what stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desk {
    /// The pair.
    pub pair: Pair,
    /// The signing account.
    pub account: AccountId,
    /// How offers were priced by builds whose decisions don't say it.
    pub pricing: PricingPolicy,
    /// How far behind the present a final block is when all is well, in milliseconds.
    pub finality_lag_ms: i64,
    /// How much longer than asked an offer stays valid, in milliseconds.
    pub offer_margin_ms: u64,
    /// How much longer than the offer its nonce can be asked about, in milliseconds.
    pub nonce_margin_ms: u64,
    /// How long after its deadline, in block time, an unused offer counts as dead, in milliseconds.
    pub release_margin_ms: u64,
}

/// One end of the part of the log that is asked about. Both ends are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// A place.
    Position(Position),
    /// A moment, by the time at which the log wrote a record down.
    Time(Timestamp),
}

/// What is taken to become of offers that the log knows nothing of, or knows on other terms. Offers that are made on the
/// same terms as they were meet the fate that is recorded, whatever the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fills {
    /// Taken where the record says so: ours of the same auction was taken, and this one is no worse for the taker. All
    /// others expire, their coin reserved until then: what is not known to have been taken was not.
    #[default]
    Recorded,
    /// None is taken.
    None,
    /// Every one is taken, and settles in the first recorded block after its auction has closed.
    All,
}

impl Fills {
    /// All models.
    pub const ALL: [Self; 3] = [Self::Recorded, Self::None, Self::All];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::None => "none",
            Self::All => "all",
        }
    }
}

/// The whole question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Question {
    /// The limits that are other than they were.
    pub limits: LimitChanges,
    /// The parts of the margin that are other than they were.
    pub pricing: PricingChanges,
    /// What is taken to become of offers that were never made.
    pub fills: Fills,
}

impl Question {
    /// Whether nothing is other than it was: the answer must be history.
    pub fn changes_nothing(&self) -> bool {
        self.limits.0.is_empty() && self.pricing == PricingChanges::default()
    }

    /// One text for one question, whatever order it was written in.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        canonical::text(self)
    }
}

/// Limits by the names under which they are stored, each with its whole value. What is not named stays as it was at each
/// moment. Who must be asked before an arming is no matter of this: `second_person` can't be among them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct LimitChanges(BTreeMap<String, Value>);

/// The limit that is left as it was: armings are replayed, whoever gave them.
const AS_IT_WAS: &str = "second_person";

impl LimitChanges {
    /// These limits of `limits`, by their stored names, with the values that they have there.
    ///
    /// # Errors
    ///
    /// [`WhatIfError::Unfit`] when limits can't be written as JSON, which none lead to.
    pub fn of<'n>(limits: &Limits, names: impl IntoIterator<Item = &'n str>) -> Result<Self, WhatIfError> {
        let fields = fields(limits)?;
        let asked = names.into_iter().filter(|name| *name != AS_IT_WAS);
        let value = |name: &str| Some((name.to_owned(), fields.get(name)?.clone()));
        Ok(Self(asked.filter_map(value).collect()))
    }

    /// Limits as they would have been.
    pub(super) fn applied(&self, set: &LimitsSet) -> Result<LimitsSet, WhatIfError> {
        if self.0.is_empty() {
            return Ok(set.clone());
        }
        let mut fields = fields(&set.limits)?;
        fields.extend(self.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        let limits: Limits = serde_json::from_value(Value::Object(fields))
            .map_err(|source| WhatIfError::Unfit { name: "the limits asked for".to_owned(), source })?;
        limits.check().map_err(|source| WhatIfError::Limits { version: set.version, source })?;
        Ok(LimitsSet { limits, ..set.clone() })
    }

    /// What is other than in these limits, as name, value then and value asked for.
    pub(super) fn against(&self, limits: &Limits) -> Result<Vec<(String, Value, Value)>, WhatIfError> {
        let fields = fields(limits)?;
        let differs = |(name, asked): (&String, &Value)| {
            let then = fields.get(name).cloned().unwrap_or(Value::Null);
            (then != *asked).then(|| (name.clone(), then, asked.clone()))
        };
        Ok(self.0.iter().filter_map(differs).collect())
    }
}

fn fields(limits: &Limits) -> Result<Map<String, Value>, WhatIfError> {
    match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Ok(Map::new())
        }
        Err(source) => Err(WhatIfError::Unfit { name: "the limits of the log".to_owned(), source }),
    }
}

/// The parts of the margin that are other than they were; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PricingChanges {
    /// Always taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<stele_domain::money::BasisPoints>,
    /// Taken for every whole second that the price is old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second_of_age: Option<stele_domain::money::BasisPoints>,
    /// Taken on top while the price comes from the fallback source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<stele_domain::money::BasisPoints>,
    /// Taken on top while EURe is assumed to be worth a euro.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed_parity: Option<stele_domain::money::BasisPoints>,
}

impl PricingChanges {
    /// The policy as it would have been.
    pub fn applied(&self, policy: PricingPolicy) -> PricingPolicy {
        PricingPolicy {
            base: self.base.unwrap_or(policy.base),
            per_second_of_age: self.per_second_of_age.unwrap_or(policy.per_second_of_age),
            fallback: self.fallback.unwrap_or(policy.fallback),
            assumed_parity: self.assumed_parity.unwrap_or(policy.assumed_parity),
        }
    }
}
