//! Reference prices with the sources behind them, and what every source says right now.

use super::prelude::*;
use stele_domain::ids::EventId;
use stele_domain::market::event::Event as Market;
use stele_domain::market::reference::event::{
    BasisMode, Block, Event as Reference, Fair, Link, PriceObserved, ReferencePriced, Source,
    SourceStateChanged, SourceUse, Verdict,
};
use stele_domain::money::Rate;

/// `ref.market_price` of the trade loop.
pub struct Prices;

/// One application of the price policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferencePriceRow {
    pub position: Position,
    pub event_id: EventId,
    pub pair: String,
    pub status: String,
    pub block: Option<Block>,
    pub rate: Option<Rate>,
    pub bid: Option<Rate>,
    pub ask: Option<Rate>,
    pub spread_bps: Option<i64>,
    pub as_of: Option<Timestamp>,
    pub disagreement_bps: Option<i64>,
    pub basis_mode: Option<BasisMode>,
    pub basis_rate: Option<Rate>,
    pub basis_age_ms: Option<u64>,
    pub sources: Vec<SourceUse>,
    pub priced_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// What is known of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSourceRow {
    pub pair: String,
    pub source: Source,
    pub position: Position,
    pub last_position: Position,
    pub link: Option<Link>,
    pub healthy: Option<bool>,
    pub reason: String,
    pub state_at: Option<Timestamp>,
    pub bid: Option<Rate>,
    pub ask: Option<Rate>,
    pub source_at: Option<Timestamp>,
    pub received_at: Option<Timestamp>,
    pub observations: u64,
}

impl TableRow for ReferencePriceRow {
    const TABLE: Table = Table {
        name: "reference_prices",
        doc: "The price that decisions stand on, each time the policy was applied.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("event_id", Kind::Text, "The event; decisions name it."),
            column("pair", Kind::Text, "The pair."),
            column("status", Kind::Text, "primary, fallback or blocked."),
            optional("block", Kind::Text, "Why nothing may be decided on it."),
            optional("rate", Kind::Decimal, "Half-way between the references, quote per whole base."),
            optional("bid", Kind::Decimal, "What base could be sold at."),
            optional("ask", Kind::Decimal, "What base could be bought at."),
            optional("spread_bps", Kind::Int64, "Distance of bid and ask in basis points of the mid."),
            optional("as_of", Kind::Timestamp, "The moment that the price's age counts from."),
            optional("disagreement_bps", Kind::Int64, "How far the sources are apart, in basis points."),
            optional(
                "basis_mode",
                Kind::Text,
                "assumed_parity or observed; empty when EURe was asked for and not known.",
            ),
            optional("basis_rate", Kind::Decimal, "Euro per EURe."),
            optional("basis_age_ms", Kind::Int64, "Age of the basis observation in milliseconds."),
            column("sources", Kind::Json, "Every configured source and its part."),
            column("priced_at", Kind::Timestamp, "When the policy was applied."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["event_id"],
        retention: newest(10_000, 8),
        append_only: true,
    };
}

impl TableRow for PriceSourceRow {
    const TABLE: Table = Table {
        name: "price_sources",
        doc: "What every price source says, and whether it can be heard: socket, channel and price apart.",
        columns: &[
            column("pair", Kind::Text, "The pair."),
            column("source", Kind::Text, "kraken, coin_gecko or peg."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            optional("link", Kind::Text, "down, silent (connected, channel dead) or alive."),
            optional("healthy", Kind::Bool, "Whether the source calls itself healthy."),
            column("reason", Kind::Text, "The source's word, an HTTP status or a close reason."),
            optional("state_at", Kind::Timestamp, "When the connection last changed."),
            optional("bid", Kind::Decimal, "Highest price somebody pays."),
            optional("ask", Kind::Decimal, "Lowest price somebody takes."),
            optional("source_at", Kind::Timestamp, "The source's own time of the price."),
            optional("received_at", Kind::Timestamp, "When our socket read it."),
            column("observations", Kind::Int64, "How many prices it has named."),
        ],
        key: &["pair", "source"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Prices {
    const NAME: &'static str = "prices";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[ReferencePriceRow::TABLE, PriceSourceRow::TABLE];
    const FOLDS: &'static [&'static str] =
        &["market.PriceObserved", "market.SourceStateChanged", "market.ReferencePriced"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        match &event.event {
            Event::Market(Market::Reference(
                Reference::PriceObserved(PriceObserved { source, .. })
                | Reference::SourceStateChanged(SourceStateChanged { source, .. }),
            )) => keys.add::<PriceSourceRow>((subject(event), source.name())),
            Event::Market(Market::Reference(Reference::ReferencePriced(_)))
            | Event::Intents(_)
            | Event::Treasury(_)
            | Event::Trading(_)
            | Event::Operations(_)
            | Event::Access(_) => {}
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Market(Market::Reference(reference)) = &event.event else { return Ok(()) };
        match reference {
            Reference::ReferencePriced(priced) => rows.insert(&priced_row(event, priced)),
            Reference::PriceObserved(seen) => change_source(event, rows, seen.source, |row| {
                (row.bid, row.ask) = (Some(seen.bid), Some(seen.ask));
                (row.source_at, row.received_at) = (seen.source_at, Some(seen.received_at));
                row.observations = one_more(row.observations)?;
                Ok(())
            }),
            Reference::SourceStateChanged(state) => change_source(event, rows, state.source, |row| {
                (row.link, row.healthy) = (Some(state.link), Some(state.healthy));
                row.reason = cut(&state.reason, 500);
                row.state_at = Some(state.at);
                Ok(())
            }),
        }
    }
}

fn change_source(
    event: &Recorded,
    rows: &mut Rows<'_>,
    source: Source,
    change: impl FnOnce(&mut PriceSourceRow) -> Result<(), Poison>,
) -> Result<(), Poison> {
    let fresh = || PriceSourceRow {
        pair: subject(event),
        source,
        position: event.position,
        last_position: event.position,
        link: None,
        healthy: None,
        reason: String::new(),
        state_at: None,
        bid: None,
        ask: None,
        source_at: None,
        received_at: None,
        observations: 0,
    };
    rows.upsert::<PriceSourceRow>((subject(event), source.name()), fresh, |row| {
        row.last_position = event.position;
        change(row)
    })
}

fn priced_row(event: &Recorded, priced: &ReferencePriced) -> ReferencePriceRow {
    let (status, fair, block): (&str, Option<&Fair>, Option<Block>) = match &priced.verdict {
        Verdict::Primary { fair } => ("primary", Some(fair), None),
        Verdict::Fallback { fair } => ("fallback", Some(fair), None),
        Verdict::Blocked { block } => ("blocked", None, Some(*block)),
    };
    let basis = priced.basis.as_ref();
    ReferencePriceRow {
        position: event.position,
        event_id: event.event_id,
        pair: subject(event),
        status: status.to_owned(),
        block,
        rate: fair.map(|fair| fair.rate),
        bid: fair.map(|fair| fair.bid),
        ask: fair.map(|fair| fair.ask),
        spread_bps: fair.map(|fair| fair.spread.0),
        as_of: fair.map(|fair| fair.as_of),
        disagreement_bps: priced.disagreement.map(|apart| apart.0),
        basis_mode: basis.map(|basis| basis.mode),
        basis_rate: basis.map(|basis| basis.rate),
        basis_age_ms: basis.and_then(|basis| basis.age_ms),
        sources: priced.sources.clone(),
        priced_at: priced.priced_at,
        recorded_at: event.recorded_at,
    }
}
