//! Records as the client crate has them, and ours.

use bytes::Bytes;
use eventstore::{EventData, RecordedEvent};
use serde_json::value::RawValue;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{NewRecord, Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;

/// An offer as an event. What is JSON is marked as that, so that the server's own tools can show it.
pub fn offered(record: &NewRecord) -> EventData {
    let event = json(record)
        .unwrap_or_else(|| EventData::binary(&*record.event_type, Bytes::copy_from_slice(&record.data)));
    event.id(record.event_id.0).metadata(Bytes::copy_from_slice(&record.metadata))
}

/// As JSON, when that keeps every byte.
fn json(record: &NewRecord) -> Option<EventData> {
    let value: &RawValue = serde_json::from_slice(&record.data).ok()?;
    if value.get().len() != record.data.len() {
        return None;
    }
    EventData::json(&*record.event_type, &value).ok()
}

/// Where an event stands in the one order.
pub fn position(event: &RecordedEvent) -> Position {
    Position(event.position.commit)
}

/// An event as a record; `None` when its stream has a name that is none of a log's, as the server's own have.
///
/// The crate cuts the moment of recording to whole seconds.
pub fn recorded(event: &RecordedEvent) -> Option<Record> {
    // The crate hands the name on unverified.
    let name = std::str::from_utf8(event.stream_id().as_bytes()).ok()?;
    if name.starts_with('$') {
        return None;
    }
    Some(Record {
        position: position(event),
        stream: StreamId::new(name).ok()?,
        revision: Revision(event.revision),
        event_id: EventId(event.id),
        event_type: event.event_type.as_str().into(),
        data: Arc::from(&*event.data),
        metadata: Arc::from(&*event.custom_metadata),
        recorded_at: Timestamp::from_micros(event.created.timestamp_micros()),
    })
}

/// What a record counts for in a page.
pub fn page_bytes(record: &Record) -> usize {
    record.data.len().saturating_add(record.metadata.len())
}
