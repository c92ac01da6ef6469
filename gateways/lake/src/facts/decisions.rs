//! Decisions: what would have been offered, what was seen, and what every gate said, a column each.

use super::Fact;
use super::common::{maybe, of_strategy, row, table, text, with_common};
use super::gates::word;
use stele_domain::event::Recorded;
use stele_domain::money::BasisPoints;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::trading::gate::Gate;
use stele_domain::trading::strategy::event::{
    Decided, Event as Strategy, InventorySeen, PriceSeen, Proposal, Verdict,
};

/// Decisions.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_decision",
    "Every decision on a demand, with what it saw. A column gate_… says pass, not_asked, or the code of why the gate was \
     shut; it is empty where the gate was not there yet. What gates measured is in fact_gate.",
    COLUMNS,
    &["position"],
);

const COLUMNS: &[Column] = &with_common::<73>(OWN);

const OWN: &[Column] = &[
    column("decision_id", Kind::Text, "Derived from the quote: one decision per quote and strategy."),
    column("quote_id", Kind::Text, "The auction."),
    column("pair", Kind::Text, "The pair."),
    column("direction", Kind::Text, "buy_base or sell_base, from the desk's side."),
    column("decision", Kind::Text, "act or skip."),
    optional("reason", Kind::Text, "Of skip: stable code of the first gate that was shut."),
    optional("receive_token", Kind::Text, "What the desk would receive."),
    optional("receive_amount", Kind::Units, "How much of it, in base units."),
    optional("give_token", Kind::Text, "What the desk would give."),
    optional("give_amount", Kind::Units, "How much of it, in base units."),
    optional("notional", Kind::Units, "Worth at the reference rate, in base units of the quote asset."),
    optional("fair_rate", Kind::Decimal, "The fair rate that pricing started from."),
    optional("implied_rate", Kind::Decimal, "Rate of the rounded amounts: what would be signed."),
    optional(
        "reference_rate",
        Kind::Decimal,
        "The less favourable reference that the edge is measured against.",
    ),
    optional("gross_edge_bps", Kind::Int64, "1 - given / received at the reference rate, in basis points."),
    optional("margin_base_bps", Kind::Int64, "The configured part of the margin, in basis points."),
    optional("margin_age_bps", Kind::Int64, "Its part for the age of the price."),
    optional("margin_spread_bps", Kind::Int64, "Its part for half the spread."),
    optional("margin_fallback_bps", Kind::Int64, "Its part for a fallback price."),
    optional("margin_basis_bps", Kind::Int64, "Its part for the distance of EURe from the euro."),
    optional("margin_total_bps", Kind::Int64, "The whole margin."),
    optional("price_event_id", Kind::Text, "The price that was seen."),
    optional("price_position", Kind::Int64, "Where that price stands in the log."),
    optional("price_source", Kind::Text, "Which source it came from."),
    optional("price_freshness_ms", Kind::Int64, "Its age at the decision, in milliseconds."),
    optional("inventory_event_id", Kind::Text, "The balances that were seen."),
    optional("inventory_position", Kind::Int64, "Where they stand in the log."),
    optional("inventory_height", Kind::Int64, "Their block."),
    optional("inventory_freshness_ms", Kind::Int64, "Their age at the decision, in milliseconds."),
    optional(
        "inventory_credited",
        Kind::Units,
        "Credited coin of the token that would be given, in base units.",
    ),
    optional("inventory_reserved", Kind::Units, "Reserved of it by open offers, in base units."),
    optional("inventory_spendable", Kind::Units, "What is left to spend, floor taken off, in base units."),
    optional("inventory_pending_in", Kind::Units, "Deposits of it that are pending, in base units."),
    column("limits_version", Kind::Int64, "The limits that it was held against; zero when there were none."),
    column("demand_event_id", Kind::Text, "The demand."),
    column("demand_position", Kind::Int64, "Where the demand stands in the log."),
    column("received_at", Kind::Timestamp, "When the demand was read off the socket."),
    column("decided_at", Kind::Timestamp, "When it was decided."),
    optional("gate_running", Kind::Text, "The strategy is neither paused nor draining."),
    optional("gate_not_killed", Kind::Text, "The account is not killed."),
    optional("gate_armed", Kind::Text, "The account is armed."),
    optional("gate_limits_set", Kind::Text, "Limits are in force."),
    optional("gate_no_probe", Kind::Text, "The request is no probe, or probes are answered."),
    optional("gate_window_open", Kind::Text, "The auction is still open."),
    optional("gate_window_long_enough", Kind::Text, "The auction stays open long enough."),
    optional("gate_deadline_short_enough", Kind::Text, "The taker does not ask for too long a validity."),
    optional("gate_clock_agrees", Kind::Text, "Our clock and the venue's agree."),
    optional("gate_price_usable", Kind::Text, "There is a reference price that may be decided on."),
    optional("gate_price_fresh", Kind::Text, "The reference price is young enough."),
    optional("gate_spread_narrow", Kind::Text, "The reference's spread is narrow enough."),
    optional("gate_inventory_fresh", Kind::Text, "Balances are known and young enough."),
    optional("gate_venue_ready", Kind::Text, "The venue would take our signature."),
    optional("gate_priced", Kind::Text, "The price leads to an amount that can be offered."),
    optional("gate_edge", Kind::Text, "The edge is large enough."),
    optional("gate_notional_min", Kind::Text, "The offer is not too small."),
    optional("gate_notional_max", Kind::Text, "The offer is not too large."),
    optional("gate_direction_cap", Kind::Text, "Open offers in this direction leave room."),
    optional("gate_open_offers", Kind::Text, "The number of open offers leaves room."),
    optional("gate_partner_offers", Kind::Text, "The number of open offers of this partner leaves room."),
    optional("gate_outcomes_known", Kind::Text, "Not too many outcomes are unknown."),
    optional("gate_cooled_down", Kind::Text, "The last settlement is long enough ago."),
    optional("gate_reduces", Kind::Text, "In REDUCING, the offer reduces."),
    optional("gate_funded", Kind::Text, "Credited coin covers it."),
];

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Some(Strategy::Decided(decided)) = of_strategy(&event.event) else { return };
    let own = said(decided)
        .into_iter()
        .chain(offer(decided.proposal.as_ref()))
        .chain(price(decided.price.as_ref()))
        .chain(inventory(decided.inventory.as_ref()))
        .chain(held_against(decided))
        .chain(gates(decided));
    rows.push(row(event, own));
}

fn said(decided: &Decided) -> [Cell; 6] {
    let (decision, reason) = match decided.verdict {
        Verdict::Act => ("act", Cell::Null),
        Verdict::Skip { reason } => ("skip", text(reason.code())),
    };
    [
        decided.decision_id.into(),
        (&decided.quote_id).into(),
        decided.pair.as_str().into(),
        text(decided.direction.name()),
        text(decision),
        reason,
    ]
}

fn offer(proposal: Option<&Proposal>) -> [Cell; 15] {
    let Some(offer) = proposal else { return [const { Cell::Null }; 15] };
    let bps = |part: BasisPoints| Cell::Int(part.0);
    [
        (&offer.receive.token).into(),
        Cell::Units(offer.receive.amount),
        (&offer.give.token).into(),
        Cell::Units(offer.give.amount),
        Cell::Units(offer.notional),
        Cell::Decimal(offer.fair_rate.decimal()),
        Cell::Decimal(offer.implied_rate.decimal()),
        Cell::Decimal(offer.reference_rate.decimal()),
        bps(offer.gross_edge),
        bps(offer.margin.base),
        bps(offer.margin.age),
        bps(offer.margin.spread),
        bps(offer.margin.fallback),
        bps(offer.margin.basis),
        bps(offer.margin.total),
    ]
}

fn price(seen: Option<&PriceSeen>) -> [Cell; 4] {
    let Some(seen) = seen else { return [const { Cell::Null }; 4] };
    [
        seen.event_id.into(),
        seen.position.into(),
        maybe(seen.source, |source| text(source.name())),
        Cell::Int(seen.freshness_ms),
    ]
}

fn inventory(seen: Option<&InventorySeen>) -> [Cell; 8] {
    let Some(seen) = seen else { return [const { Cell::Null }; 8] };
    [
        seen.event_id.into(),
        seen.position.into(),
        Cell::count(seen.height),
        Cell::Int(seen.freshness_ms),
        Cell::Units(seen.credited),
        Cell::Units(seen.reserved),
        Cell::Units(seen.spendable),
        Cell::Units(seen.pending_in),
    ]
}

fn held_against(decided: &Decided) -> [Cell; 5] {
    [
        Cell::count(decided.limits_version),
        decided.demand_event_id.into(),
        decided.demand_position.into(),
        Cell::Time(decided.received_at),
        Cell::Time(decided.decided_at),
    ]
}

fn gates(decided: &Decided) -> impl Iterator<Item = Cell> {
    Gate::ALL.into_iter().map(|gate| {
        let asked = decided.gates.iter().find(|result| result.gate == gate);
        maybe(asked, |result| text(word(result.answer)))
    })
}

#[cfg(test)]
mod tests {
    use super::TABLE;
    use crate::facts::gates::name;
    use stele_domain::trading::gate::Gate;

    #[test]
    fn every_gate_has_its_column_in_the_order_in_which_it_is_asked() {
        let columns = TABLE.columns.iter().filter_map(|column| column.name.strip_prefix("gate_"));
        let gates: Vec<String> = Gate::ALL.into_iter().map(name).collect();
        assert_eq!(columns.collect::<Vec<_>>(), gates);
    }
}
