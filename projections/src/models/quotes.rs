//! Every request as it came in, word for word: first ones, repeats, and those that make no sense.

use super::prelude::*;
use stele_domain::ids::QuoteId;
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::intake::event::{Event as Intake, QuoteReceived};
use stele_domain::port::read_store::Row;

/// `raw.near_intents.quote` of the trade loop.
pub struct Quotes;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteRow {
    pub position: Position,
    pub quote_id: QuoteId,
    pub pair: String,
    pub kind: Received,
    pub detail: String,
    pub frame: Option<String>,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// What a request was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    First,
    Repeat,
    Rejected,
}

impl TableRow for QuoteRow {
    const TABLE: Table = Table {
        name: "quotes",
        doc: "Quote requests as the relay sent them.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("quote_id", Kind::Text, "The auction."),
            column("pair", Kind::Text, "The pair whose intake it came through."),
            column(
                "kind",
                Kind::Text,
                "first, repeat (the id was seen before) or rejected (it makes no sense).",
            ),
            column(
                "detail",
                Kind::Text,
                "Why it was rejected, or how a repeat differs; empty for a first one.",
            ),
            optional(
                "frame",
                Kind::Text,
                "The frame, word for word; empty for rejected, whose frame is the first row's.",
            ),
            column("received_at", Kind::Timestamp, "Stamped by the socket reader."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["quote_id", "kind"],
        retention: newest(10_000, 8),
        append_only: true,
    };
}

impl Projection for Quotes {
    const NAME: &'static str = "quotes";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[QuoteRow::TABLE];
    const FOLDS: &'static [&'static str] =
        &["intents.QuoteReceived", "intents.RequestRejected", "intents.DuplicateReceived"];

    fn touches(_: &Recorded, _: &mut Keys) {}

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Intents(Intents::Intake(intake)) = &event.event else { return Ok(()) };
        let row = |quote_id: &QuoteId, kind, received_at| QuoteRow {
            position: event.position,
            quote_id: quote_id.clone(),
            pair: subject(event),
            kind,
            detail: String::new(),
            frame: None,
            received_at,
            recorded_at: event.recorded_at,
        };
        match intake {
            Intake::QuoteReceived(quote) => rows.insert_cells::<QuoteRow>(first(event, quote)),
            Intake::DuplicateReceived(again) => {
                let detail = if again.same_content { "same content" } else { "other content" };
                let frame = Some(again.frame.clone());
                let row = row(&again.quote_id, Received::Repeat, again.received_at);
                rows.insert(&QuoteRow { frame, detail: detail.to_owned(), ..row })
            }
            Intake::RequestRejected(rejected) => {
                let detail = format!("{}: {}", word(&rejected.fault), rejected.detail);
                let row = row(&rejected.quote_id, Received::Rejected, rejected.received_at);
                rows.insert(&QuoteRow { detail, ..row })
            }
            Intake::DemandNormalised(_) => Ok(()),
        }
    }
}

/// What serde would make of a [`QuoteRow`]: most of the rows are these.
fn first(event: &Recorded, quote: &QuoteReceived) -> Row {
    Row(vec![
        event.position.into(),
        (&quote.quote_id).into(),
        subject_of(event).into(),
        "first".into(),
        "".into(),
        quote.frame.as_str().into(),
        quote.received_at.into(),
        event.recorded_at.into(),
    ])
}
