//! How often each type of event has happened: counts that stay right when histories are cut.

use super::prelude::*;
use stele_domain::codec;

/// Event counts.
pub struct EventCounts;

/// The count of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCountRow {
    pub event_type: String,
    pub position: Position,
    pub last_position: Position,
    pub count: u64,
    pub last_at: Timestamp,
}

impl TableRow for EventCountRow {
    const TABLE: Table = Table {
        name: "event_counts",
        doc: "How often each type of event has happened.",
        columns: &[
            column("event_type", Kind::Text, "The type, context.PastTense."),
            column("position", Kind::Int64, "The first one."),
            column("last_position", Kind::Int64, "The last one."),
            column("count", Kind::Int64, "How many there are."),
            column("last_at", Kind::Timestamp, "When the log wrote the last one down."),
        ],
        key: &["event_type"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for EventCounts {
    const NAME: &'static str = "event_counts";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[EventCountRow::TABLE];
    const FOLDS: &'static [&'static str] = codec::EVENT_TYPES;

    fn touches(event: &Recorded, keys: &mut Keys) {
        keys.add::<EventCountRow>(codec::type_of(&event.event));
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let event_type = codec::type_of(&event.event);
        let fresh = || EventCountRow {
            event_type: event_type.to_owned(),
            position: event.position,
            last_position: event.position,
            count: 0,
            last_at: event.recorded_at,
        };
        rows.upsert::<EventCountRow>(event_type, fresh, |row| {
            row.count = one_more(row.count)?;
            (row.last_position, row.last_at) = (event.position, event.recorded_at);
            Ok(())
        })
    }
}
