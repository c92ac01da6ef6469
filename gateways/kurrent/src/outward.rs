//! From the log's words to the wire's. Pure.

use crate::envelope::{self, Beside};
use crate::name;
use bytes::Bytes;
use prost_types::Timestamp as WireTimestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::port::event_log::{Position, Record};
use stele_domain::time::Timestamp;
use stele_proto::kurrent::client::streams::read_resp::read_event::{self, RecordedEvent};
use stele_proto::kurrent::client::streams::read_resp::{self, ReadEvent};
use stele_proto::kurrent::client::{StreamIdentifier, Uuid as WireUuid, uuid as wire};
use uuid::Uuid;

/// Ticks of 100 ns in a microsecond.
const TICKS_PER_MICRO: i64 = 10;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The form in which ids are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// As two halves.
    Structured,
    /// As text.
    Text,
}

impl IdForm {
    fn of(self, id: Uuid) -> WireUuid {
        let value = match self {
            Self::Text => wire::Value::String(id.to_string()),
            Self::Structured => {
                let (high, low) = id.as_u64_pair();
                wire::Value::Structured(wire::Structured {
                    most_significant_bits: i64::from_be_bytes(high.to_be_bytes()),
                    least_significant_bits: i64::from_be_bytes(low.to_be_bytes()),
                })
            }
        };
        WireUuid { value: Some(value) }
    }
}

/// A moment in ticks of 100 ns.
pub fn ticks(at: Timestamp) -> i64 {
    at.micros().saturating_mul(TICKS_PER_MICRO)
}

/// A moment as a message.
pub fn timestamp(at: Timestamp) -> WireTimestamp {
    let micros = i32::try_from(at.micros().rem_euclid(MICROS_PER_SECOND)).unwrap_or(0);
    WireTimestamp { seconds: at.micros().div_euclid(MICROS_PER_SECOND), nanos: micros.saturating_mul(1_000) }
}

/// A record as it is told; `None` for one whose stream no name leads to.
pub fn recorded(record: &Record, form: IdForm) -> Option<RecordedEvent> {
    let name = name::outside(&record.stream)?;
    let (content_type, custom_metadata) = match envelope::unwrapped(&record.metadata) {
        Beside::Json => (envelope::JSON.to_owned(), shared(&record.metadata)),
        Beside::Other { content_type, metadata } => (content_type, metadata.into()),
    };
    let metadata = BTreeMap::from([
        ("content-type".to_owned(), content_type),
        ("created".to_owned(), ticks(record.recorded_at).to_string()),
        ("type".to_owned(), record.event_type.to_string()),
    ]);
    Some(RecordedEvent {
        id: Some(form.of(record.event_id.0)),
        stream_identifier: Some(StreamIdentifier { stream_name: Bytes::copy_from_slice(name.as_bytes()) }),
        stream_revision: record.revision.0,
        prepare_position: record.position.0,
        commit_position: record.position.0,
        metadata,
        custom_metadata,
        data: shared(&record.data),
    })
}

/// The same bytes, without a copy.
fn shared(bytes: &Arc<[u8]>) -> Bytes {
    if bytes.is_empty() { Bytes::new() } else { Bytes::from_owner(Arc::clone(bytes)) }
}

/// An event of a reading, and the event that pointed to it.
pub fn event(
    event: Option<RecordedEvent>,
    link: Option<RecordedEvent>,
    position: Position,
) -> read_resp::Content {
    read_resp::Content::Event(ReadEvent {
        event,
        link,
        position: Some(read_event::Position::CommitPosition(position.0)),
    })
}
