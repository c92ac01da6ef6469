//! What every gate of a decision saw, what it held that against, and what it said: a row each.

use super::Fact;
use super::common::{of_strategy, row, table, text, with_common};
use stele_domain::event::Recorded;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::trading::gate::{Answer, Gate, Measure};
use stele_domain::trading::strategy::event::Event as Strategy;

/// Gates.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_gate",
    "What every gate of every decision measured and answered, a row each, in the order in which they were asked.",
    COLUMNS,
    &["position", "ordinal"],
);

const COLUMNS: &[Column] = &with_common::<21>(&[
    column("ordinal", Kind::Int64, "The gate's place among those of the decision, from zero."),
    column("decision_id", Kind::Text, "The decision."),
    column("quote_id", Kind::Text, "The auction."),
    column("pair", Kind::Text, "The pair."),
    column("gate", Kind::Text, "Stable name of the gate."),
    column("answer", Kind::Text, "pass, not_asked, or the code of why it was shut."),
    column(
        "unit",
        Kind::Text,
        "millis, bps, units, count, flag or unknown: of what it saw, else of the limit.",
    ),
    optional("observed", Kind::Int64, "What it saw, in that unit; a flag is 0 or 1. Empty for units."),
    optional("threshold", Kind::Int64, "What it held that against. Empty for units."),
    optional("observed_units", Kind::Units, "What it saw, where that is an amount in base units."),
    optional(
        "threshold_units",
        Kind::Units,
        "What it held that against, where that is an amount in base units.",
    ),
]);

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Some(Strategy::Decided(decided)) = of_strategy(&event.event) else { return };
    for (ordinal, result) in (0_u64..).zip(&decided.gates) {
        let (observed, observed_units) = number(&result.observed);
        let (threshold, threshold_units) = number(&result.limit);
        let known = if result.observed == Measure::Unknown { &result.limit } else { &result.observed };
        let own = [
            Cell::count(ordinal),
            decided.decision_id.into(),
            (&decided.quote_id).into(),
            decided.pair.as_str().into(),
            text(&name(result.gate)),
            text(word(result.answer)),
            text(unit(known)),
            observed,
            threshold,
            observed_units,
            threshold_units,
        ];
        rows.push(row(event, own));
    }
}

/// A measure as a small number, and as an amount.
fn number(measure: &Measure) -> (Cell, Cell) {
    match measure {
        Measure::Unknown => (Cell::Null, Cell::Null),
        Measure::Millis(millis) => (Cell::Int(*millis), Cell::Null),
        Measure::Bps(bps) => (Cell::Int(bps.0), Cell::Null),
        Measure::Units(units) => (Cell::Null, Cell::Units(*units)),
        Measure::Count(count) => (Cell::Int(i64::from(*count)), Cell::Null),
        Measure::Flag(yes) => (Cell::Int(i64::from(*yes)), Cell::Null),
    }
}

fn unit(measure: &Measure) -> &'static str {
    match measure {
        Measure::Unknown => "unknown",
        Measure::Millis(_) => "millis",
        Measure::Bps(_) => "bps",
        Measure::Units(_) => "units",
        Measure::Count(_) => "count",
        Measure::Flag(_) => "flag",
    }
}

/// An answer as one word.
pub(super) fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "pass",
        Answer::Deny(reason) => reason.code(),
        Answer::NotAsked => "not_asked",
    }
}

/// The stable name of a gate, as it stands in events.
pub(super) fn name(gate: Gate) -> String {
    let name = serde_json::to_value(gate).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
