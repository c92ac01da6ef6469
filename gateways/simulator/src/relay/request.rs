//! What a taker asks for, as the relay reads it, and what will come of it.

use crate::tokens::Exact;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// A quote request that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) token_in: String,
    pub(crate) token_out: String,
    pub(crate) exact: Exact,
    pub(crate) min_deadline_ms: u64,
}

/// When an auction closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Collects at least this long.
    pub(crate) shortest: Duration,
    /// Stays open this long once there is an offer and the shortest time is over.
    pub(crate) grace: Duration,
    /// Closes after this at the latest.
    pub(crate) longest: Duration,
}

/// What becomes of a quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The best price wins if it is good enough.
    ByPrice {
        /// The taker accepts up to this far from fair, in basis points.
        accept_bps: u32,
        /// A rival offers this far from fair, in basis points, if at all.
        #[serde(default)]
        rival_bps: Option<u32>,
        /// Whether the taker acts on an offer that it could accept.
        publishes: bool,
    },
    /// The best offer of a desk is taken, whatever its price.
    DeskWins,
    /// A rival's offer is taken, a little better than the best of the desks.
    RivalWins,
    /// Offers are accepted into the auction and nobody takes one.
    NobodyTakes,
    /// The best offer of a desk is taken, and the transaction fails on chain.
    SettlementFails,
    /// The best offer of a desk is taken, and goes to the chain this much later.
    SettlesLate {
        /// Milliseconds.
        by_ms: u64,
    },
}

/// A quote to be published, by script or by traffic. The data is sent as it is, valid or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedQuote {
    /// The event's data. `quote_id` and `min_deadline_ms` are filled in when they are absent, unless `verbatim`.
    pub data: Map<String, Value>,
    /// The event's metadata.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// What becomes of it.
    #[serde(default)]
    pub outcome: Outcome,
    /// Send the data exactly as it is.
    #[serde(default)]
    pub verbatim: bool,
    /// Time from acceptance to transaction in milliseconds; from the options when absent.
    #[serde(default)]
    pub settlement_ms: Option<u64>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self::ByPrice { accept_bps: 350, rival_bps: None, publishes: true }
    }
}

impl ScriptedQuote {
    /// A taker who gives exactly `amount` of `token_in`.
    #[must_use]
    pub fn exact_in(token_in: &str, token_out: &str, amount: u128, outcome: Outcome) -> Self {
        Self::of(token_in, token_out, "exact_amount_in", amount, outcome)
    }

    /// A taker who receives exactly `amount` of `token_out`.
    #[must_use]
    pub fn exact_out(token_in: &str, token_out: &str, amount: u128, outcome: Outcome) -> Self {
        Self::of(token_in, token_out, "exact_amount_out", amount, outcome)
    }

    fn of(token_in: &str, token_out: &str, side: &str, amount: u128, outcome: Outcome) -> Self {
        let mut data = Map::new();
        data.insert("defuse_asset_identifier_in".to_owned(), token_in.into());
        data.insert("defuse_asset_identifier_out".to_owned(), token_out.into());
        data.insert(side.to_owned(), amount.to_string().into());
        Self { data, metadata: None, outcome, verbatim: false, settlement_ms: None }
    }

    /// The same quote with one more field of its data set.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.data.insert(field.to_owned(), value.into());
        self
    }

    /// The same quote with the time from acceptance to transaction set, in milliseconds.
    #[must_use]
    pub fn settling_after(mut self, settlement_ms: u64) -> Self {
        self.settlement_ms = Some(settlement_ms);
        self
    }
}

impl Demand {
    /// Reads the data of a quote; `None` when it makes no sense, so that no response to it can be right.
    pub(crate) fn read(data: &Map<String, Value>) -> Option<Self> {
        let text = |field: &str| data.get(field).and_then(Value::as_str);
        let amount = |field: &str| -> Option<u128> { text(field)?.parse().ok().filter(|amount| *amount > 0) };
        let exact = match (data.get("exact_amount_in"), data.get("exact_amount_out")) {
            (Some(_), None) => Exact::In(amount("exact_amount_in")?),
            (None, Some(_)) => Exact::Out(amount("exact_amount_out")?),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let token_in = text("defuse_asset_identifier_in")?.to_owned();
        let token_out = text("defuse_asset_identifier_out")?.to_owned();
        let min_deadline_ms = data.get("min_deadline_ms")?.as_u64()?;
        (token_in != token_out).then_some(Self { token_in, token_out, exact, min_deadline_ms })
    }

    /// The amounts that change hands for an offer: what the maker receives and what it gives.
    pub(crate) fn amounts(&self, offered: u128) -> (u128, u128) {
        match self.exact {
            Exact::In(amount_in) => (amount_in, offered),
            Exact::Out(amount_out) => (offered, amount_out),
        }
    }
}

impl Window {
    /// The window of a quote, by the relay's manners.
    pub(crate) fn read(data: &Map<String, Value>, options: &crate::options::RelayOptions) -> Self {
        let number = |field: &str| data.get(field).and_then(Value::as_u64);
        let router = data.get("protocol_fee_included").and_then(Value::as_bool).unwrap_or(false);
        let floor = if router { 0 } else { options.min_wait_floor_ms };
        let min_ms = number("min_wait_ms").or(number("wait_ms")).unwrap_or(0).max(floor);
        let grace_ms = if router { options.router_grace_ms } else { options.grace_ms };
        let asked = number("max_wait_ms").unwrap_or(options.max_wait_default_ms);
        let max_ms = if router { min_ms.saturating_add(grace_ms) } else { asked.max(min_ms) };
        Self {
            shortest: Duration::from_millis(min_ms.min(AUCTION_MS_MAX)),
            grace: Duration::from_millis(grace_ms),
            longest: Duration::from_millis(max_ms.min(AUCTION_MS_MAX)),
        }
    }
}

/// No auction is open for longer than this, whatever a request says: one minute.
const AUCTION_MS_MAX: u64 = 60_000;
