//! The records that the rules offer: small JSON, each known by its number.

use stele_domain::ids::EventId;
use stele_domain::port::event_log::{NewRecord, StreamId};
use uuid::Uuid;

pub fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

pub fn id(number: u64) -> EventId {
    EventId(Uuid::from_u128(u128::from(number)))
}

/// A record whose data follows from its number.
pub fn record(number: u64) -> NewRecord {
    sized(number, 40)
}

/// A record with at least `bytes` bytes of data.
pub fn sized(number: u64, bytes: usize) -> NewRecord {
    let text = format!("{{\"number\":{number},\"fill\":\"{}\"}}", "x".repeat(bytes));
    NewRecord {
        event_id: id(number),
        event_type: "test.Numbered".into(),
        data: text.into_bytes().into(),
        metadata: format!("{{\"of\":{number}}}").into_bytes().into(),
    }
}

/// As [`record`], of another type.
pub fn typed(number: u64, event_type: &str) -> NewRecord {
    NewRecord { event_type: event_type.into(), ..record(number) }
}
