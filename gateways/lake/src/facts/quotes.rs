//! Requests as they came in, what they meant, and those that made no sense.

use super::Fact;
use super::common::{exact, maybe, row, subject, table, text, with_common};
use stele_domain::event::{Event, Recorded};
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::intake::event::Event as Intake;
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};

/// Quotes.
pub const FACT: Fact = Fact { table: &TABLE, version: 1, rows };

static TABLE: Table = table(
    "fact_quote",
    "Quote requests: every frame that came in, the demand that was understood in it, repeats and those that make no sense.",
    COLUMNS,
    &["position"],
);

const COLUMNS: &[Column] = &with_common::<29>(OWN);

const OWN: &[Column] = &[
    column("quote_id", Kind::Text, "The auction."),
    column("pair", Kind::Text, "The pair whose intake it came through."),
    column("kind", Kind::Text, "received, demand, repeat or rejected."),
    column("received_at", Kind::Timestamp, "When the frame was read off the socket."),
    optional("frame", Kind::Text, "Of received and repeat: the frame, word for word."),
    optional("same_content", Kind::Bool, "Of repeat: whether it asks for the same thing."),
    optional("fault", Kind::Text, "Of rejected: stable code of why it makes no sense."),
    optional("detail", Kind::Text, "Of rejected: the offending text."),
    optional("direction", Kind::Text, "Of demand: buy_base or sell_base, from the desk's side."),
    optional("token_in", Kind::Text, "Of demand: what the taker gives."),
    optional("token_out", Kind::Text, "Of demand: what the taker wants."),
    optional("exact", Kind::Text, "Of demand: which side is fixed, in or out."),
    optional("amount", Kind::Units, "Of demand: how much of the fixed side, in base units."),
    optional(
        "min_deadline_ms",
        Kind::Int64,
        "Of demand: how long an offer must stay valid, in milliseconds.",
    ),
    optional("window_ms", Kind::Int64, "Of demand: how long the auction is open, in milliseconds."),
    optional("closes_at", Kind::Timestamp, "Of demand: when the auction closes."),
    optional("router_leg", Kind::Bool, "Of demand: whether it is one leg of a longer way."),
    optional("partner_id", Kind::Text, "Of demand: who brought the taker."),
    optional("probe", Kind::Bool, "Of demand: whether nobody means to trade."),
];

/// How many columns only a demand has.
const OF_DEMAND: usize = 11;

fn rows(event: &Recorded, rows: &mut Vec<Row>) {
    let Event::Intents(Intents::Intake(intake)) = &event.event else { return };
    let nothing = || vec![Cell::Null; OF_DEMAND];
    let (quote_id, kind, received_at, said, demand) = match intake {
        Intake::QuoteReceived(e) => {
            let said = [text(&e.frame), Cell::Null, Cell::Null, Cell::Null];
            (&e.quote_id, "received", e.received_at, said, nothing())
        }
        Intake::DuplicateReceived(e) => {
            let said = [text(&e.frame), Cell::Bool(e.same_content), Cell::Null, Cell::Null];
            (&e.quote_id, "repeat", e.received_at, said, nothing())
        }
        Intake::RequestRejected(e) => {
            let said = [Cell::Null, Cell::Null, text(e.fault.code()), text(&e.detail)];
            (&e.quote_id, "rejected", e.received_at, said, nothing())
        }
        Intake::DemandNormalised(e) => {
            let demand = vec![
                text(e.direction.name()),
                (&e.token_in).into(),
                (&e.token_out).into(),
                exact(e.exact),
                Cell::Units(e.amount),
                Cell::count(e.min_deadline_ms),
                Cell::count(e.window_ms),
                Cell::Time(e.closes_at),
                Cell::Bool(e.router_leg),
                maybe(e.partner_id.as_deref(), text),
                Cell::Bool(e.probe),
            ];
            (&e.quote_id, "demand", e.received_at, [const { Cell::Null }; 4], demand)
        }
    };
    let head = [quote_id.into(), subject(event), text(kind), Cell::Time(received_at)];
    rows.push(row(event, head.into_iter().chain(said).chain(demand)));
}
