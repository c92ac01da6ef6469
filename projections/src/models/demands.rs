//! What takers want, judged and typed.

use super::prelude::*;
use stele_domain::ids::{EventId, PairId, QuoteId, TokenId};
use stele_domain::intents::demand::Demand;
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::intake::event::Event as Intake;
use stele_domain::money::Units;
use stele_domain::pair::Direction;
use stele_domain::port::read_store::Row;
use stele_domain::port::venue::ExactSide;

/// `norm.swap_demand` of the trade loop.
pub struct Demands;

/// One demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandRow {
    pub position: Position,
    pub event_id: EventId,
    pub quote_id: QuoteId,
    pub pair: PairId,
    pub direction: Direction,
    pub token_in: TokenId,
    pub token_out: TokenId,
    pub exact: ExactSide,
    pub amount: Units,
    pub min_deadline_ms: u64,
    pub window_ms: u64,
    pub closes_at: Timestamp,
    pub router_leg: bool,
    pub partner_id: Option<String>,
    pub quote_type: Option<String>,
    pub probe: bool,
    pub traceparent: Option<String>,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for DemandRow {
    const TABLE: Table = Table {
        name: "demands",
        doc: "What takers want of the desk.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("event_id", Kind::Text, "The event."),
            column("quote_id", Kind::Text, "The auction."),
            column("pair", Kind::Text, "The pair."),
            column(
                "direction",
                Kind::Text,
                "What the desk would do with the base asset: buy_base or sell_base.",
            ),
            column("token_in", Kind::Text, "What we would receive."),
            column("token_out", Kind::Text, "What we would give."),
            column("exact", Kind::Text, "Which side is fixed: in or out."),
            column("amount", Kind::Units, "The fixed amount, in base units of that side's token."),
            column(
                "min_deadline_ms",
                Kind::Int64,
                "How long a signed offer must stay valid, in milliseconds.",
            ),
            column("window_ms", Kind::Int64, "How long the auction stays open, in milliseconds."),
            column("closes_at", Kind::Timestamp, "When the auction closes."),
            column("router_leg", Kind::Bool, "Whether it is a leg of a routed swap."),
            optional("partner_id", Kind::Text, "Who brought the taker."),
            optional("quote_type", Kind::Text, "The partner's word for the kind of request."),
            column("probe", Kind::Bool, "Whether it is a dry run or a question for a minimum."),
            optional("traceparent", Kind::Text, "W3C trace context of the request."),
            column("received_at", Kind::Timestamp, "Stamped by the socket reader."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["quote_id"],
        retention: newest(10_000, 8),
        append_only: true,
    };
}

impl Projection for Demands {
    const NAME: &'static str = "demands";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[DemandRow::TABLE];
    const FOLDS: &'static [&'static str] = &["intents.DemandNormalised"];

    fn touches(_: &Recorded, _: &mut Keys) {}

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Intents(Intents::Intake(Intake::DemandNormalised(demand))) = &event.event else {
            return Ok(());
        };
        rows.insert_cells::<DemandRow>(row(event, demand))
    }
}

/// What serde would make of a [`DemandRow`]: there is one for nearly every request.
fn row(event: &Recorded, demand: &Demand) -> Row {
    Row(vec![
        event.position.into(),
        event.event_id.into(),
        (&demand.quote_id).into(),
        (&demand.pair).into(),
        demand.direction.name().into(),
        (&demand.token_in).into(),
        (&demand.token_out).into(),
        demand.exact.name().into(),
        demand.amount.into(),
        demand.min_deadline_ms.into(),
        demand.window_ms.into(),
        demand.closes_at.into(),
        demand.router_leg.into(),
        demand.partner_id.as_deref().into(),
        demand.quote_type.as_deref().into(),
        demand.probe.into(),
        demand.traceparent.as_deref().into(),
        demand.received_at.into(),
        event.recorded_at.into(),
    ])
}
