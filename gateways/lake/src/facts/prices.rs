//! What sources said, and the reference prices that followed.

use super::Fact;
use super::common::{json, maybe, row, subject, table, text, with_common};
use stele_domain::event::{Event, Recorded};
use stele_domain::market::event::Event as Market;
use stele_domain::market::reference::event::{BasisMode, Event as Reference, Fair, ReferencePriced, Verdict};
use stele_domain::money::Rate;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};

/// Prices of sources.
pub const OBSERVED: Fact = Fact { table: &OBSERVED_TABLE, version: 1, rows: observed };

/// Reference prices.
pub const REFERENCE: Fact = Fact { table: &REFERENCE_TABLE, version: 1, rows: reference };

static OBSERVED_TABLE: Table = table(
    "fact_price",
    "Prices that sources named. Of an aggregate bid and ask are equal.",
    OBSERVED_COLUMNS,
    &["position"],
);

const OBSERVED_COLUMNS: &[Column] = &with_common::<16>(&[
    column("pair", Kind::Text, "The pair that it is for."),
    column("source", Kind::Text, "kraken, coin_gecko or peg."),
    column("bid", Kind::Decimal, "Highest price that somebody pays, quote currency per whole base."),
    column("ask", Kind::Decimal, "Lowest price that somebody takes, quote currency per whole base."),
    optional("source_at", Kind::Timestamp, "The source's own time of the price, where it gives one."),
    column("received_at", Kind::Timestamp, "When our socket read it."),
]);

fn observed(event: &Recorded, rows: &mut Vec<Row>) {
    let Event::Market(Market::Reference(Reference::PriceObserved(e))) = &event.event else { return };
    rows.push(row(
        event,
        [
            subject(event),
            text(e.source.name()),
            rate(e.bid),
            rate(e.ask),
            maybe(e.source_at, Cell::Time),
            Cell::Time(e.received_at),
        ],
    ));
}

static REFERENCE_TABLE: Table = table(
    "fact_reference_price",
    "Reference prices: what the policy made of what the sources said, and what they were used for.",
    REFERENCE_COLUMNS,
    &["position"],
);

const REFERENCE_COLUMNS: &[Column] = &with_common::<25>(&[
    column("pair", Kind::Text, "The pair."),
    column("status", Kind::Text, "primary, fallback or blocked."),
    optional("block", Kind::Text, "Of blocked: stable code of why nothing may be decided on it."),
    optional("rate", Kind::Decimal, "Half-way between the references, quote asset per whole base."),
    optional("bid", Kind::Decimal, "What base could be sold at."),
    optional("ask", Kind::Decimal, "What base could be bought at."),
    optional("spread_bps", Kind::Int64, "Distance of bid and ask, in basis points of the mid."),
    optional("as_of", Kind::Timestamp, "The moment that the price's age counts from."),
    optional("disagreement_bps", Kind::Int64, "How far the sources are apart, in basis points."),
    optional("basis_mode", Kind::Text, "assumed_parity or observed."),
    optional("basis_rate", Kind::Decimal, "Euro per EURe."),
    optional("basis_age_ms", Kind::Int64, "Age of its observation, in milliseconds; empty for parity."),
    column("depegged", Kind::Bool, "Whether EURe was seen outside its band, and not inside it since."),
    column("sources", Kind::Json, "Every configured source and its part."),
    column("priced_at", Kind::Timestamp, "When the policy was applied."),
]);

fn reference(event: &Recorded, rows: &mut Vec<Row>) {
    let Event::Market(Market::Reference(Reference::ReferencePriced(e))) = &event.event else { return };
    let (status, block, fair) = match &e.verdict {
        Verdict::Primary { fair } => ("primary", Cell::Null, Some(fair)),
        Verdict::Fallback { fair } => ("fallback", Cell::Null, Some(fair)),
        Verdict::Blocked { block } => ("blocked", text(block.code()), None),
    };
    let head = [subject(event), text(status), block];
    rows.push(row(event, head.into_iter().chain(price(fair)).chain(how(e))));
}

fn price(fair: Option<&Fair>) -> [Cell; 5] {
    let Some(fair) = fair else { return [const { Cell::Null }; 5] };
    let spread = Cell::Int(fair.spread.0);
    [rate(fair.rate), rate(fair.bid), rate(fair.ask), spread, Cell::Time(fair.as_of)]
}

fn how(e: &ReferencePriced) -> [Cell; 7] {
    let basis = e.basis.as_ref();
    [
        maybe(e.disagreement, |bps| Cell::Int(bps.0)),
        maybe(basis, |basis| match basis.mode {
            BasisMode::AssumedParity => text("assumed_parity"),
            BasisMode::Observed => text("observed"),
        }),
        maybe(basis, |basis| rate(basis.rate)),
        maybe(basis.and_then(|basis| basis.age_ms), Cell::count),
        Cell::Bool(e.depegged),
        json(&e.sources),
        Cell::Time(e.priced_at),
    ]
}

fn rate(rate: Rate) -> Cell {
    Cell::Decimal(rate.decimal())
}
