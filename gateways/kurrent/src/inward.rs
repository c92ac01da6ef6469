//! From the wire's words to the log's. Pure; whatever makes no sense is refused by name.

use crate::envelope;
use crate::name::Name;
use crate::no::No;
use crate::store::TOMBSTONE;
use bytes::Bytes;
use std::collections::BTreeMap;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, EVENT_TYPE_BYTES_MAX, Expected, NewRecord, Revision,
};
use stele_proto::kurrent::client::streams::{append_req, batch_append_req, delete_req, tombstone_req};
use stele_proto::kurrent::client::{StreamIdentifier, Uuid as WireUuid, uuid as wire};
use uuid::Uuid;

/// The metadata that every event needs.
const TYPE: &str = "type";
const CONTENT_TYPE: &str = "content-type";
/// Longest content type, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 128;

/// The stream that a request names.
pub fn stream(identifier: Option<StreamIdentifier>) -> Result<Name, No> {
    let identifier = identifier.ok_or_else(|| No::Malformed("the request names no stream".to_owned()))?;
    Ok(Name::from_bytes(&identifier.stream_name)?)
}

/// An id, in either form.
pub fn id(id: Option<WireUuid>) -> Result<Uuid, No> {
    match id.and_then(|id| id.value) {
        Some(wire::Value::Structured(halves)) => {
            let high = u64::from_be_bytes(halves.most_significant_bits.to_be_bytes());
            let low = u64::from_be_bytes(halves.least_significant_bits.to_be_bytes());
            Ok(Uuid::from_u64_pair(high, low))
        }
        Some(wire::Value::String(text)) => {
            Uuid::try_parse(&text).map_err(|_| No::Malformed("an id is no UUID".to_owned()))
        }
        None => Err(No::Malformed("an id is missing".to_owned())),
    }
}

/// An event as it is offered, by whichever method.
pub struct Proposed {
    pub id: Option<WireUuid>,
    pub metadata: BTreeMap<String, String>,
    pub custom_metadata: Bytes,
    pub data: Bytes,
}

impl From<append_req::ProposedMessage> for Proposed {
    fn from(message: append_req::ProposedMessage) -> Self {
        let append_req::ProposedMessage { id, metadata, custom_metadata, data } = message;
        Self { id, metadata, custom_metadata, data }
    }
}

impl From<batch_append_req::ProposedMessage> for Proposed {
    fn from(message: batch_append_req::ProposedMessage) -> Self {
        let batch_append_req::ProposedMessage { id, metadata, custom_metadata, data } = message;
        Self { id, metadata, custom_metadata, data }
    }
}

impl Proposed {
    /// As the log takes it.
    pub fn into_record(mut self) -> Result<NewRecord, No> {
        let event_type = self.metadata.remove(TYPE).ok_or(No::Missing(TYPE))?;
        let content_type = self.metadata.remove(CONTENT_TYPE).ok_or(No::Missing(CONTENT_TYPE))?;
        if content_type.len() > CONTENT_TYPE_BYTES_MAX {
            let words = format!("a content type has at most {CONTENT_TYPE_BYTES_MAX} bytes");
            return Err(No::Malformed(words));
        }
        let metadata = envelope::wrapped(&content_type, &self.custom_metadata);
        record(id(self.id)?, &event_type, &self.data, metadata)
    }
}

/// An event as the log takes it.
pub fn record(id: Uuid, event_type: &str, data: &[u8], metadata: Vec<u8>) -> Result<NewRecord, No> {
    if !(1..=EVENT_TYPE_BYTES_MAX).contains(&event_type.len()) {
        return Err(No::Malformed(format!("an event's type has 1 to {EVENT_TYPE_BYTES_MAX} bytes")));
    }
    if event_type == TOMBSTONE {
        return Err(No::Malformed(format!("{TOMBSTONE} is written by deleting a stream for ever")));
    }
    Ok(NewRecord {
        event_id: EventId(id),
        event_type: event_type.into(),
        data: data.into(),
        metadata: metadata.into(),
    })
}

/// Events of one append, with a limit.
#[derive(Debug, Default)]
pub struct Offer {
    pub records: Vec<NewRecord>,
    bytes: usize,
}

impl Offer {
    /// One more event.
    pub fn push(&mut self, record: NewRecord) -> Result<(), No> {
        self.bytes = self.bytes.saturating_add(record.data.len()).saturating_add(record.metadata.len());
        if self.bytes > APPEND_BYTES_MAX || self.records.len() >= APPEND_RECORDS_MAX {
            return Err(No::TooLarge);
        }
        self.records.push(record);
        Ok(())
    }

    /// Bytes of its events so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn unsaid() -> No {
    // A place that nobody named must not become "anywhere".
    No::Malformed("the request does not say where the stream is expected to be".to_owned())
}

/// Where an append believes the stream to be.
pub fn expected_of_append(
    expected: Option<append_req::options::ExpectedStreamRevision>,
) -> Result<Expected, No> {
    use append_req::options::ExpectedStreamRevision as Wire;
    Ok(match expected.ok_or_else(unsaid)? {
        Wire::Revision(revision) => Expected::Exactly(Revision(revision)),
        Wire::NoStream(_) => Expected::NoStream,
        Wire::Any(_) => Expected::Any,
        Wire::StreamExists(_) => Expected::Exists,
    })
}

/// Where an append of a batch believes the stream to be.
pub fn expected_of_batch(
    expected: Option<batch_append_req::options::ExpectedStreamPosition>,
) -> Result<Expected, No> {
    use batch_append_req::options::ExpectedStreamPosition as Wire;
    Ok(match expected.ok_or_else(unsaid)? {
        Wire::StreamPosition(revision) => Expected::Exactly(Revision(revision)),
        Wire::NoStream(_) => Expected::NoStream,
        Wire::Any(_) => Expected::Any,
        Wire::StreamExists(_) => Expected::Exists,
    })
}

/// Where a deletion believes the stream to be.
pub fn expected_of_delete(
    expected: Option<delete_req::options::ExpectedStreamRevision>,
) -> Result<Expected, No> {
    use delete_req::options::ExpectedStreamRevision as Wire;
    Ok(match expected.ok_or_else(unsaid)? {
        Wire::Revision(revision) => Expected::Exactly(Revision(revision)),
        Wire::NoStream(_) => Expected::NoStream,
        Wire::Any(_) => Expected::Any,
        Wire::StreamExists(_) => Expected::Exists,
    })
}

/// Where a tombstone believes the stream to be.
pub fn expected_of_tombstone(
    expected: Option<tombstone_req::options::ExpectedStreamRevision>,
) -> Result<Expected, No> {
    use tombstone_req::options::ExpectedStreamRevision as Wire;
    Ok(match expected.ok_or_else(unsaid)? {
        Wire::Revision(revision) => Expected::Exactly(Revision(revision)),
        Wire::NoStream(_) => Expected::NoStream,
        Wire::Any(_) => Expected::Any,
        Wire::StreamExists(_) => Expected::Exists,
    })
}
