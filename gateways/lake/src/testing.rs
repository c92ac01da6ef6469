//! One of each event, in a log's order, for tests.

use stele_domain::codec;
use stele_domain::event::{Event, Meta, Recorded};
use stele_domain::ids::{CorrelationId, EventId, derived};
use stele_domain::port::event_log::{Position, Revision, StreamId};
use stele_domain::time::Timestamp;

/// 2026-11-20T23:59:30Z: half a minute before a day ends.
pub const START_MS: i64 = 1_795_219_170_000;

pub fn samples() -> Vec<Recorded> {
    (1..).zip(codec::samples()).map(|(position, event)| recorded(position, event)).collect()
}

pub fn recorded(position: u64, event: Event) -> Recorded {
    let at = Timestamp::from_millis(START_MS).plus_millis(position * 1_000);
    Recorded {
        position: Position(position),
        stream: StreamId::new("sample-btc-eure").unwrap(),
        revision: Revision(position - 1),
        event_id: EventId(derived("sample", &[&position.to_string()])),
        meta: Meta {
            correlation_id: CorrelationId(derived("story", &["one"])),
            causation_id: None,
            command: None,
            actor: "reactor:test".to_owned().try_into().unwrap(),
            origin: None,
            occurred_at: at,
            schema: codec::SCHEMA_VERSION,
        },
        recorded_at: at.plus_millis(5),
        event,
    }
}
