//! Every decision with everything it saw, and how often each reason was given for not acting.

use super::prelude::*;
use stele_domain::ids::{DecisionId, EventId, PairId, QuoteId, TokenId};
use stele_domain::market::reference::event::Source;
use stele_domain::money::{Rate, Units};
use stele_domain::pair::Direction;
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::gate::{GateResult, Reason, json};
use stele_domain::trading::strategy::event::{Decided, Event as Strategy, Margin, Verdict};

/// `decision.trade_decision` of the trade loop.
pub struct Decisions;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    pub position: Position,
    pub event_id: EventId,
    pub decision_id: DecisionId,
    pub quote_id: QuoteId,
    pub pair: PairId,
    pub direction: Direction,
    pub decision: String,
    pub decision_reason: Option<Reason>,
    pub implied_rate: Option<Rate>,
    pub reference_rate: Option<Rate>,
    pub fair_rate: Option<Rate>,
    pub gross_edge_bps: Option<i64>,
    pub gross_edge_pct: Option<String>,
    pub margin: Option<Margin>,
    pub receive_token: Option<TokenId>,
    pub receive_amount: Option<Units>,
    pub give_token: Option<TokenId>,
    pub give_amount: Option<Units>,
    pub notional: Option<Units>,
    pub price_event_id: Option<EventId>,
    pub price_position: Option<Position>,
    pub price_source: Option<Source>,
    pub price_freshness_ms: Option<i64>,
    pub inventory_event_id: Option<EventId>,
    pub inventory_position: Option<Position>,
    pub inventory_height: Option<u64>,
    pub inventory_freshness_ms: Option<i64>,
    pub inventory_credited: Option<Units>,
    pub inventory_reserved: Option<Units>,
    pub inventory_spendable: Option<Units>,
    pub inventory_pending_in: Option<Units>,
    pub limits_version: u64,
    pub demand_event_id: EventId,
    pub demand_position: Position,
    pub gates: Vec<GateResult>,
    pub received_at: Timestamp,
    pub decided_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// How often a reason was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipCountRow {
    pub pair: PairId,
    pub reason: Reason,
    pub position: Position,
    pub last_position: Position,
    pub count: u64,
    pub last_quote_id: QuoteId,
    pub last_at: Timestamp,
}

impl TableRow for DecisionRow {
    const TABLE: Table = Table {
        name: "decisions",
        doc: "What the strategy decided on every demand, what it saw, and what every gate said.",
        columns: DECISION_COLUMNS,
        key: &["position"],
        indexes: &["decision_id", "quote_id", "decision"],
        retention: newest(5_000, 20),
        append_only: true,
    };
}

const DECISION_COLUMNS: &[Column] = &[
    column("position", Kind::Int64, "Log position of the event."),
    column("event_id", Kind::Text, "The event."),
    column("decision_id", Kind::Text, "Derived from the quote: one decision per quote and strategy."),
    column("quote_id", Kind::Text, "The auction."),
    column("pair", Kind::Text, "The pair."),
    column("direction", Kind::Text, "buy_base or sell_base, from the desk's side."),
    column("decision", Kind::Text, "act or skip."),
    optional("decision_reason", Kind::Text, "The first gate that was shut; empty for act."),
    optional("implied_rate", Kind::Decimal, "Rate of the rounded amounts: what we would sign."),
    optional(
        "reference_rate",
        Kind::Decimal,
        "The less favourable reference that the edge is measured against.",
    ),
    optional("fair_rate", Kind::Decimal, "The fair rate that pricing started from."),
    optional("gross_edge_bps", Kind::Int64, "1 - given / received at the reference rate, in basis points."),
    optional("gross_edge_pct", Kind::Decimal, "The same in percent."),
    optional("margin", Kind::Json, "What the margin is made of, in basis points."),
    optional("receive_token", Kind::Text, "What we would receive."),
    optional("receive_amount", Kind::Units, "How much of it, in base units."),
    optional("give_token", Kind::Text, "What we would give."),
    optional("give_amount", Kind::Units, "How much of it, in base units."),
    optional("notional", Kind::Units, "Worth at the reference rate, in base units of the quote asset."),
    optional("price_event_id", Kind::Text, "The price that was seen."),
    optional("price_position", Kind::Int64, "Where that price stands in the log."),
    optional("price_source", Kind::Text, "Which source it came from; empty when it was blocked."),
    optional("price_freshness_ms", Kind::Int64, "Its age at the decision, in milliseconds."),
    optional("inventory_event_id", Kind::Text, "The balances that were seen."),
    optional("inventory_position", Kind::Int64, "Where they stand in the log."),
    optional("inventory_height", Kind::Int64, "Their block."),
    optional("inventory_freshness_ms", Kind::Int64, "Their age at the decision, in milliseconds."),
    optional("inventory_credited", Kind::Units, "Credited coin of the token that we would give."),
    optional("inventory_reserved", Kind::Units, "Reserved of it by open offers."),
    optional("inventory_spendable", Kind::Units, "What is left to spend, floor taken off."),
    optional("inventory_pending_in", Kind::Units, "Deposits of it that are pending."),
    column("limits_version", Kind::Int64, "The limits that it was held against; zero when there were none."),
    column("demand_event_id", Kind::Text, "The demand."),
    column("demand_position", Kind::Int64, "Where the demand stands in the log."),
    column(
        "gates",
        Kind::Json,
        "Every gate's answer, what it saw and the limit, in the order they were asked.",
    ),
    column("received_at", Kind::Timestamp, "When the demand was read off the socket."),
    column("decided_at", Kind::Timestamp, "When it was decided."),
    column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
];

impl TableRow for SkipCountRow {
    const TABLE: Table = Table {
        name: "skip_counts",
        doc: "How often each reason was given for not acting.",
        columns: &[
            column("pair", Kind::Text, "The pair."),
            column("reason", Kind::Text, "The reason's stable code."),
            column("position", Kind::Int64, "The first decision with it."),
            column("last_position", Kind::Int64, "The last decision with it."),
            column("count", Kind::Int64, "How many there were."),
            column("last_quote_id", Kind::Text, "The last auction that it was given for."),
            column("last_at", Kind::Timestamp, "When that was decided."),
        ],
        key: &["pair", "reason"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Decisions {
    const NAME: &'static str = "decisions";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[DecisionRow::TABLE, SkipCountRow::TABLE];
    const FOLDS: &'static [&'static str] = &["trading.Decided"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Some((decided, Verdict::Skip { reason })) = decision(event) {
            keys.add::<SkipCountRow>((decided.pair.as_str(), reason.code()));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Some((decided, verdict)) = decision(event) else { return Ok(()) };
        let cells = row(event, decided, rows.room());
        rows.insert_cells::<DecisionRow>(cells)?;
        let Verdict::Skip { reason } = verdict else { return Ok(()) };
        let fresh = || SkipCountRow {
            pair: decided.pair.clone(),
            reason,
            position: event.position,
            last_position: event.position,
            count: 0,
            last_quote_id: decided.quote_id.clone(),
            last_at: decided.decided_at,
        };
        rows.upsert::<SkipCountRow>((decided.pair.as_str(), reason.code()), fresh, |row| {
            row.count = one_more(row.count)?;
            row.last_position = event.position;
            row.last_quote_id = decided.quote_id.clone();
            row.last_at = decided.decided_at;
            Ok(())
        })
    }
}

fn decision(event: &Recorded) -> Option<(&Decided, Verdict)> {
    match &event.event {
        Event::Trading(Trading::Strategy(Strategy::Decided(decided))) => Some((decided, decided.verdict)),
        Event::Trading(Trading::Strategy(Strategy::ExecutionCommanded(_)) | Trading::Account(_))
        | Event::Market(_)
        | Event::Intents(_)
        | Event::Treasury(_)
        | Event::Operations(_)
        | Event::Access(_) => None,
    }
}

/// What serde would make of a [`DecisionRow`]: there is one for nearly every request, and no other row is as wide.
fn row(event: &Recorded, decided: &Decided, room: &mut String) -> Row {
    json::write_array(&decided.gates, room);
    let (decision, reason) = match decided.verdict {
        Verdict::Act => ("act", None),
        Verdict::Skip { reason } => ("skip", Some(reason)),
    };
    let proposal = decided.proposal.as_ref();
    let (price, inventory) = (decided.price.as_ref(), decided.inventory.as_ref());
    Row(vec![
        event.position.into(),
        event.event_id.into(),
        decided.decision_id.into(),
        (&decided.quote_id).into(),
        (&decided.pair).into(),
        decided.direction.name().into(),
        decision.into(),
        reason.map(Reason::code).into(),
        proposal.map(|p| p.implied_rate).into(),
        proposal.map(|p| p.reference_rate).into(),
        proposal.map(|p| p.fair_rate).into(),
        proposal.map(|p| p.gross_edge.0).into(),
        proposal.map(|p| p.gross_edge.percent()).into(),
        proposal.map_or(Cell::Null, |p| margin(&p.margin)),
        proposal.map(|p| &p.receive.token).into(),
        proposal.map(|p| p.receive.amount).into(),
        proposal.map(|p| &p.give.token).into(),
        proposal.map(|p| p.give.amount).into(),
        proposal.map(|p| p.notional).into(),
        price.map(|p| p.event_id).into(),
        price.map(|p| p.position).into(),
        price.and_then(|p| p.source).map(Source::name).into(),
        price.map(|p| p.freshness_ms).into(),
        inventory.map(|i| i.event_id).into(),
        inventory.map(|i| i.position).into(),
        inventory.map(|i| i.height).into(),
        inventory.map(|i| i.freshness_ms).into(),
        inventory.map(|i| i.credited).into(),
        inventory.map(|i| i.reserved).into(),
        inventory.map(|i| i.spendable).into(),
        inventory.map(|i| i.pending_in).into(),
        decided.limits_version.into(),
        decided.demand_event_id.into(),
        decided.demand_position.into(),
        Cell::Json(room.as_str().into()),
        decided.received_at.into(),
        decided.decided_at.into(),
        event.recorded_at.into(),
    ])
}

/// Whole numbers by name, which JSON always has room for.
fn margin(margin: &Margin) -> Cell {
    serde_json::to_string(margin).map_or(Cell::Null, |text| Cell::Json(text.into()))
}
