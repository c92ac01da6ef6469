//! What the pair filter lets through.

use super::prelude::*;
use stele_domain::intents::event::Event as Intents;
use stele_domain::intents::filter::event::{Entry, Event as FilterEvent};

/// The pair filter.
pub struct Filter;

/// One venue's filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRow {
    pub venue: String,
    pub position: Position,
    pub last_position: Position,
    pub entries: Option<Vec<Entry>>,
    pub reason: String,
    pub actor: String,
    pub at: Timestamp,
}

impl TableRow for FilterRow {
    const TABLE: Table = Table {
        name: "pair_filter",
        doc: "The pair filter, where an operator has ever touched it.",
        columns: &[
            column("venue", Kind::Text, "The venue."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            optional("entries", Kind::Json, "What is let through; empty when the configuration says."),
            column("reason", Kind::Text, "Why."),
            column("actor", Kind::Text, "By whom."),
            column("at", Kind::Timestamp, "Since when."),
        ],
        key: &["venue"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for Filter {
    const NAME: &'static str = "filter";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[FilterRow::TABLE];
    const FOLDS: &'static [&'static str] = &["intents.FilterSet", "intents.FilterReset"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Intents(Intents::Filter(_)) = &event.event {
            keys.add::<FilterRow>(subject(event));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Intents(Intents::Filter(filter)) = &event.event else { return Ok(()) };
        let (entries, reason, at) = match filter {
            FilterEvent::FilterSet(set) => (Some(set.entries.clone()), &set.reason, set.at),
            FilterEvent::FilterReset(reset) => (None, &reset.reason, reset.at),
        };
        let now = FilterRow {
            venue: subject(event),
            position: event.position,
            last_position: event.position,
            entries,
            reason: cut(reason, 1_000),
            actor: event.meta.actor.to_string(),
            at,
        };
        let first = rows.get::<FilterRow>(subject(event))?;
        rows.insert(&FilterRow { position: first.map_or(event.position, |row| row.position), ..now })
    }
}
