//! Orders of the strategy to the executor.

use super::Fact;
use super::common::{exact, maybe, of_strategy, row, table, text, with_common};
use stele_domain::event::Recorded;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::trading::strategy::event::Event as Strategy;

/// Commands.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_command",
    "Every order of a strategy to make an offer. What became of it is in fact_result.",
    COLUMNS,
    &["position"],
);

const COLUMNS: &[Column] = &with_common::<27>(&[
    column("command_id", Kind::Text, "Derived from the decision."),
    column("decision_id", Kind::Text, "The decision."),
    column("quote_id", Kind::Text, "The auction."),
    column("pair", Kind::Text, "The pair."),
    column("direction", Kind::Text, "buy_base or sell_base, from the desk's side."),
    column("receive_token", Kind::Text, "What the desk receives."),
    column("receive_amount", Kind::Units, "How much of it, in base units."),
    column("give_token", Kind::Text, "What the desk gives."),
    column("give_amount", Kind::Units, "How much of it, in base units."),
    column("exact", Kind::Text, "Which side the request fixed: in or out."),
    column("notional", Kind::Units, "Worth in base units of the quote asset."),
    column("limits_version", Kind::Int64, "The limits that allowed it."),
    column(
        "strategy_start",
        Kind::Int64,
        "The start of the strategy that gives the order; zero in facts of old builds.",
    ),
    column("min_deadline_ms", Kind::Int64, "How long the offer must stay valid, in milliseconds."),
    column("closes_at", Kind::Timestamp, "When the auction closes: nothing is sent later."),
    optional("partner_id", Kind::Text, "Who brought the taker."),
    column("commanded_at", Kind::Timestamp, "When it was commanded."),
]);

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Some(Strategy::ExecutionCommanded(e)) = of_strategy(&event.event) else { return };
    rows.push(row(
        event,
        [
            e.command_id.into(),
            e.decision_id.into(),
            (&e.quote_id).into(),
            e.pair.as_str().into(),
            text(e.direction.name()),
            (&e.receive.token).into(),
            Cell::Units(e.receive.amount),
            (&e.give.token).into(),
            Cell::Units(e.give.amount),
            exact(e.exact),
            Cell::Units(e.notional),
            Cell::count(e.limits_version),
            Cell::count(e.strategy_start),
            Cell::count(e.min_deadline_ms),
            Cell::Time(e.closes_at),
            maybe(e.partner_id.as_deref(), text),
            Cell::Time(e.commanded_at),
        ],
    ));
}
