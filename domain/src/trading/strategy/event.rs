//! Facts about decisions.

use crate::ids::{CommandId, DecisionId, EventId, PairId, QuoteId};
use crate::market::reference::event::Source;
use crate::money::{BasisPoints, Rate, Units};
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::port::venue::{ExactSide, TokenAmount};
use crate::time::Timestamp;
use crate::trading::gate::{GateResult, Reason};
use crate::trading::pricing::PricingPolicy;
use serde::{Deserialize, Serialize};

/// A fact on the stream `strategy-{pair}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The strategy has spoken on a demand.
    Decided(Box<Decided>),
    /// The executor is to make an offer.
    ExecutionCommanded(Box<ExecutionCommanded>),
}

/// Act or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Verdict {
    /// Every gate is open: a command follows.
    Act,
    /// A gate is shut.
    Skip {
        /// The first that was.
        reason: Reason,
    },
}

/// What the margin is made of, in basis points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Margin {
    /// The configured part.
    pub base: BasisPoints,
    /// For the age of the price.
    pub age: BasisPoints,
    /// Half the spread.
    pub spread: BasisPoints,
    /// For a fallback price.
    pub fallback: BasisPoints,
    /// For the distance of EURe from the euro.
    pub basis: BasisPoints,
    /// The sum.
    pub total: BasisPoints,
}

/// What we would offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What we would receive.
    pub receive: TokenAmount,
    /// What we would give.
    pub give: TokenAmount,
    /// The fair rate that pricing started from.
    pub fair_rate: Rate,
    /// The margin that was taken.
    pub margin: Margin,
    /// The rate of the rounded amounts: what we would sign.
    pub implied_rate: Rate,
    /// The less favourable reference that the edge is measured against.
    pub reference_rate: Rate,
    /// `1 − given / received` at the reference rate, rounded against us.
    pub gross_edge: BasisPoints,
    /// Worth of the base side at the reference rate, in base units of the quote asset.
    pub notional: Units,
}

/// The price that the decision saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSeen {
    /// The price event.
    pub event_id: EventId,
    /// Where it stands.
    pub position: Position,
    /// Its age at the decision, in milliseconds.
    pub freshness_ms: i64,
    /// Which source the price came from; absent when it was blocked.
    pub source: Option<Source>,
}

/// The balances that the decision saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventorySeen {
    /// The balances event.
    pub event_id: EventId,
    /// Where it stands.
    pub position: Position,
    /// The block.
    pub height: u64,
    /// Its age at the decision, in milliseconds.
    pub freshness_ms: i64,
    /// Credited coin of the token that we would give.
    pub credited: Units,
    /// Reserved of it by open offers.
    pub reserved: Units,
    /// What is left to spend, floor taken off.
    pub spendable: Units,
    /// Deposits of it that are pending.
    pub pending_in: Units,
}

/// What a decision stood on beside the facts that it names: with it, the log alone leads to the same decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footing {
    /// The number of the strategy's start, which its orders bear.
    pub start: u64,
    /// The last fact of the account that was seen. What stands before the demand was seen in any case; after a start, and
    /// after a log that was away, also what stands between the demand and this place.
    pub account_to: Position,
    /// The same of the strategy's own service.
    pub service_to: Position,
    /// Orders without a word from the account that counted as open offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<CommandId>,
    /// How offers were priced.
    pub pricing: PricingPolicy,
    /// How far behind the present a final block is when all is well, in milliseconds.
    pub finality_lag_ms: i64,
}

/// The strategy has spoken on a demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Derived from the quote: there is one decision per quote and strategy.
    pub decision_id: DecisionId,
    /// The auction.
    pub quote_id: QuoteId,
    /// The pair.
    pub pair: PairId,
    /// What the desk would do with the base asset.
    pub direction: Direction,
    /// The demand event.
    pub demand_event_id: EventId,
    /// Where it stands; the strategy goes on after it.
    pub demand_position: Position,
    /// Act or not.
    pub verdict: Verdict,
    /// What we would offer, when it could be priced.
    pub proposal: Option<Proposal>,
    /// The price that it saw.
    pub price: Option<PriceSeen>,
    /// The balances that it saw.
    pub inventory: Option<InventorySeen>,
    /// The limits that it was held against; zero when there were none.
    pub limits_version: u64,
    /// Every gate's answer.
    #[serde(with = "crate::trading::gate::line")]
    pub gates: Vec<GateResult>,
    /// What else it stood on. Absent in facts of old builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footing: Option<Footing>,
    /// When the demand was read off the socket.
    pub received_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// The executor is to make an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionCommanded {
    /// Derived from the decision.
    pub command_id: CommandId,
    /// The decision.
    pub decision_id: DecisionId,
    /// The auction.
    pub quote_id: QuoteId,
    /// The pair.
    pub pair: PairId,
    /// What the desk does with the base asset.
    pub direction: Direction,
    /// What we receive.
    pub receive: TokenAmount,
    /// What we give.
    pub give: TokenAmount,
    /// Which side the request fixed.
    pub exact: ExactSide,
    /// Worth in base units of the quote asset.
    pub notional: Units,
    /// The limits that allowed it.
    pub limits_version: u64,
    /// The start of the strategy that gives the order. Zero in facts of old builds.
    #[serde(default, skip_serializing_if = "crate::event::is_zero")]
    pub strategy_start: u64,
    /// How long the offer must stay valid, in milliseconds.
    pub min_deadline_ms: u64,
    /// When the auction closes: nothing is sent later.
    pub closes_at: Timestamp,
    /// Who brought the taker.
    pub partner_id: Option<String>,
    /// When it was commanded.
    pub commanded_at: Timestamp,
}
