//! Events that a projection could not fold: one row per projection and event. Every projection writes its own
//! rows here, together with its checkpoint, so that a rebuild parks the same ones.

use crate::projection::TableRow;
use serde::{Deserialize, Serialize};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::ColumnKind::{Int64, Text, Timestamp as Time};
use stele_domain::port::read_store::table::column;
use stele_domain::port::read_store::{Retention, Schema, Table};
use stele_domain::time::Timestamp;

/// The schema that every projection may write.
pub const SCHEMA: Schema =
    Schema { projection: "parked_events", version: 1, tables: &[ParkedRow::TABLE], shared: true };

/// An event that is not in a projection's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRow {
    pub position: Position,
    pub projection: String,
    pub event_id: EventId,
    pub event_type: String,
    pub stream: String,
    pub error: String,
    pub recorded_at: Timestamp,
}

impl TableRow for ParkedRow {
    const TABLE: Table = Table {
        name: "parked_events",
        doc: "Events that a projection could not fold. Its tables lack what these events say.",
        columns: &[
            column("position", Int64, "Where the event stands in the log."),
            column("projection", Text, "The projection that lacks it."),
            column("event_id", Text, "The event."),
            column("event_type", Text, "Its type as stored."),
            column("stream", Text, "Its stream."),
            column("error", Text, "What was wrong with it."),
            column("recorded_at", Time, "When the log wrote it down."),
        ],
        key: &["position", "projection"],
        indexes: &["projection"],
        retention: Retention::Newest { rows: 10_000, bytes: 8 << 20 },
        append_only: true,
    };
}
