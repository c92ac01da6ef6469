//! The answer: what differs, and what it comes to. Its form is `stele.whatif/1`: fields may be added, none changes.

use super::question::Question;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use stele_domain::ids::{AccountId, DecisionId, PairId, QuoteId};
use stele_domain::money::{BasisPoints, Units};
use stele_domain::pair::Direction;
use stele_domain::port::event_log::Position;
use stele_domain::port::venue::TokenAmount;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::RefusalCode;
use stele_domain::trading::gate::{Answer, Gate, Measure, Reason};

/// The name of the form.
pub const FORMAT: &str = "stele.whatif/1";
/// Most differences that a report lists. All of them are in its totals and in its hash.
pub const DIFFERENCES_MAX: usize = 10_000;
/// Most decisions that a report names that this build does not come to again.
pub const NOT_REPRODUCED_MAX: usize = 100;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The name of the form.
    pub format: &'static str,
    /// The pair.
    pub pair: PairId,
    /// The account.
    pub account: AccountId,
    /// The places that were looked at; none when the log has nothing there.
    pub positions: Option<Span>,
    /// What was asked.
    pub question: Question,
    /// BLAKE3 over the sources of the deciders: two builds with the same one decide alike.
    pub deciders: String,
    /// What the question has other than the limits that were in force, version by version.
    pub limits: Vec<LimitChange>,
    /// The decisions, counted.
    pub decisions: Decisions,
    /// How decisions without an offer changed their reason.
    pub reasons: Vec<ReasonChange>,
    /// History.
    pub before: Side,
    /// What would have been.
    pub after: Side,
    /// The offers that differ, oldest first; at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub differences_left_out: u64,
    /// Decisions that this build does not come to again, though nothing was changed for them; at most
    /// [`NOT_REPRODUCED_MAX`].
    pub not_reproduced: Vec<Position>,
    /// SHA-256 over the question, the desk, the deciders, the places, every difference and all totals: the same log, question
    /// and deciders give the same hash on any machine.
    pub result: String,
}

/// Places of the log, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first.
    pub from: Position,
    /// The last.
    pub to: Position,
}

/// A limit that the question has otherwise. Values are in the form in which the log keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitChange {
    /// The version of the limits.
    pub version: u64,
    /// The limit, by the name under which it is stored.
    pub name: String,
    /// Its value then.
    pub then: Value,
    /// The value asked for.
    pub asked: Value,
}

/// Decisions, counted. The first is the sum of those up to `changed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Decisions {
    /// All in the range.
    pub all: u64,
    /// The same to the last figure.
    pub identical: u64,
    /// The same verdict and offer; only what gates saw or held it against differs.
    pub figures: u64,
    /// No offer before and none after, for another reason.
    pub reason: u64,
    /// No offer before, one after.
    pub added: u64,
    /// An offer before, none after.
    pub removed: u64,
    /// An offer before and one of other amounts after.
    pub changed: u64,
    /// Those that this build does not come to again, though nothing was changed for them. Where it has the same answer to the
    /// question as without it, they count as what they were.
    pub not_reproduced: u64,
}

impl Decisions {
    /// How many offers differ.
    pub fn offers_that_differ(&self) -> u64 {
        self.added.saturating_add(self.removed).saturating_add(self.changed)
    }
}

/// Decisions without an offer whose reason is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReasonChange {
    /// Why there was none.
    pub before: &'static str,
    /// Why there would have been none.
    pub after: &'static str,
    /// How many.
    pub count: u64,
}

/// Totals of one history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Side {
    /// Decisions not to act, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Orders that the account refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Orders that came too late.
    pub expired: u64,
    /// Orders whose outcome lies outside the range, or never came.
    pub unanswered: u64,
    /// Offers that were fixed, by direction.
    pub offered: BTreeMap<&'static str, Volume>,
    /// Offers that were executed as the log records it, by direction.
    pub settled: BTreeMap<&'static str, Volume>,
    /// Offers that the model takes to have been executed, by direction. An estimate.
    pub settled_estimated: BTreeMap<&'static str, Volume>,
}

/// How many, and how much, in base units of the quote asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Volume {
    /// How many.
    pub count: u64,
    /// Worth of their base sides at the references that they were measured against.
    pub notional: Units,
    /// What they would earn at those references.
    pub edge: Units,
}

impl Volume {
    pub(super) fn add(&mut self, direction: Direction, receive: Units, give: Units, notional: Units) {
        let edge = match direction {
            Direction::BuyBase => notional.minus_or_zero(give),
            Direction::SellBase => receive.minus_or_zero(notional),
        };
        self.count = self.count.saturating_add(1);
        // Amounts fit 127 bits each: 2^129 of them would not fit.
        self.notional = self.notional.plus(notional).unwrap_or(self.notional);
        self.edge = self.edge.plus(edge).unwrap_or(self.edge);
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Fate {
    /// There was none: a gate was shut.
    NotOrdered {
        /// The first that was.
        reason: Reason,
    },
    /// Its outcome is not known yet, or lies outside the range.
    Unanswered,
    /// The offer was fixed.
    Offered,
    /// The account refused it.
    Refused {
        /// Why.
        code: RefusalCode,
    },
    /// It came too late.
    Expired,
}

impl Fate {
    /// One word for why there is no offer; none where there is one.
    pub(super) fn why_not(self) -> Option<&'static str> {
        match self {
            Self::NotOrdered { reason } => Some(reason.code()),
            Self::Unanswered => Some("unanswered"),
            Self::Refused { code } => Some(code.code()),
            Self::Expired => Some("expired"),
            Self::Offered => None,
        }
    }
}

/// What would be offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What we would receive.
    pub receive: TokenAmount,
    /// What we would give.
    pub give: TokenAmount,
    /// Worth of the base side, in base units of the quote asset.
    pub notional: Units,
    /// Its edge at the reference.
    pub gross_edge: BasisPoints,
}

/// One decision in one history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
    /// What was priced; none when it could not be priced.
    pub offer: Option<Offer>,
}

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No offer before, one after.
    Added,
    /// An offer before, none after.
    Removed,
    /// Other amounts.
    Changed,
}

/// A gate that says something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateChange {
    /// Which.
    pub gate: Gate,
    /// What it said.
    pub before: GateSaid,
    /// What it would have said.
    pub after: GateSaid,
}

/// What a gate said, what it saw and what it held that against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateSaid {
    /// Its answer.
    pub answer: Answer,
    /// What it saw.
    pub observed: Measure,
    /// The limit.
    pub limit: Measure,
}

/// An offer that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// Where the recorded decision stands.
    pub position: Position,
    /// When it was made.
    pub at: Timestamp,
    /// The auction.
    pub quote_id: QuoteId,
    /// The decision.
    pub decision_id: DecisionId,
    /// What the desk would do with the base asset.
    pub direction: Direction,
    /// As it was.
    pub before: Stand,
    /// As it would have been.
    pub after: Stand,
    /// The gates that say something else. The others are as the recorded decision has them.
    pub gates: Vec<GateChange>,
}
