//! What every fact table begins with: where the event stands, what led to it, and when.

use stele_domain::codec;
use stele_domain::event::{Event, Recorded};
use stele_domain::port::read_store::table::{Column, ColumnKind as Kind, Retention, Table, column, optional};
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::port::venue::ExactSide;
use stele_domain::time::Timestamp;

/// The columns that every fact table begins with.
pub const COLUMNS: &[Column] = &[
    column("position", Kind::Int64, "Log position of the event."),
    column("event_id", Kind::Text, "The event."),
    column("event_type", Kind::Text, "Its type, context.PastTense."),
    column("stream", Kind::Text, "The stream that it belongs to."),
    column("revision", Kind::Int64, "Its place in that stream, from zero."),
    column("correlation_id", Kind::Text, "The story that it belongs to."),
    optional("causation_id", Kind::Text, "The event that led to it."),
    column("actor", Kind::Text, "Who: operator:alice, reactor:strategy, gateway:market."),
    column(
        "occurred_at",
        Kind::Timestamp,
        "When it happened, by its source. Its UTC date is the partition, dt.",
    ),
    column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
];

/// The columns of a table: what all have, then its own.
///
/// # Panics
///
/// Where `N` is not the number of both: a table of another number doesn't compile.
#[must_use]
pub const fn with_common<const N: usize>(own: &[Column]) -> [Column; N] {
    assert!(COLUMNS.len() + own.len() == N);
    let mut all = [COLUMNS[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < COLUMNS.len() { COLUMNS[at] } else { own[at - COLUMNS.len()] };
        at += 1;
    }
    all
}

/// A fact table with these columns, found by these.
#[must_use]
pub const fn table(
    name: &'static str,
    doc: &'static str,
    columns: &'static [Column],
    key: &'static [&'static str],
) -> Table {
    Table { name, doc, columns, key, indexes: &[], retention: Retention::All, append_only: true }
}

/// A row of an event: what all have, then its own.
#[must_use]
pub fn row(event: &Recorded, own: impl IntoIterator<Item = Cell>) -> Row {
    let meta = &event.meta;
    let mut cells = vec![
        event.position.into(),
        event.event_id.into(),
        codec::type_of(&event.event).into(),
        event.stream.as_str().into(),
        Cell::count(event.revision.0),
        text(&meta.correlation_id.0.to_string()),
        meta.causation_id.map_or(Cell::Null, Cell::from),
        meta.actor.as_str().into(),
        Cell::Time(meta.occurred_at),
        Cell::Time(event.recorded_at),
    ];
    cells.extend(own);
    Row(cells)
}

/// The moment whose UTC date is the partition of the rows of an event.
#[must_use]
pub fn moment(event: &Recorded) -> Timestamp {
    event.meta.occurred_at
}

pub(super) fn text(text: &str) -> Cell {
    Cell::text(text)
}

/// Which side a request fixed.
pub(super) fn exact(side: ExactSide) -> Cell {
    match side {
        ExactSide::In => text("in"),
        ExactSide::Out => text("out"),
    }
}

pub(super) fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Null, cell)
}

/// A value as the JSON that events are kept in.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Cell {
    // What an event holds was read from JSON, or passed through it on its way into the log.
    serde_json::to_string(value).map_or(Cell::Null, |text| Cell::Json(text.into()))
}

/// What stands behind the category in the name of a stream: the pair, the account.
pub(super) fn subject(event: &Recorded) -> Cell {
    let name = event.stream.as_str();
    text(name.split_once('-').map_or(name, |(_, subject)| subject))
}

/// A fact of the account.
pub(super) fn of_account(event: &Event) -> Option<&stele_domain::trading::account::event::Event> {
    use stele_domain::trading::event::Event as Trading;
    match event {
        Event::Trading(Trading::Account(account)) => Some(account),
        Event::Trading(Trading::Strategy(_))
        | Event::Market(_)
        | Event::Intents(_)
        | Event::Treasury(_)
        | Event::Operations(_)
        | Event::Access(_) => None,
    }
}

/// A fact of a strategy.
pub(super) fn of_strategy(event: &Event) -> Option<&stele_domain::trading::strategy::event::Event> {
    use stele_domain::trading::event::Event as Trading;
    match event {
        Event::Trading(Trading::Strategy(strategy)) => Some(strategy),
        Event::Trading(Trading::Account(_))
        | Event::Market(_)
        | Event::Intents(_)
        | Event::Treasury(_)
        | Event::Operations(_)
        | Event::Access(_) => None,
    }
}
