//! Between the port's words and the wire's. Pure, and without loss: what one side says, the other hears. Records that are
//! read cross it as `page.rs` has it.

use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, Direction, Expected, Filter, NewRecord, Position, Revision, StreamId,
};
use stele_proto::log::v1 as proto;
use uuid::Uuid;

/// Most records that one answer holds, whatever was asked for.
pub const PAGE_RECORDS_MAX: usize = 4_096;

/// A message that this side can't make sense of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

pub fn stream(text: &str) -> Result<StreamId, Malformed> {
    StreamId::new(text).map_err(|error| Malformed(error.to_string()))
}

pub fn event_id(bytes: &[u8]) -> Result<EventId, Malformed> {
    let id = Uuid::from_slice(bytes);
    id.map(EventId).map_err(|_| Malformed(format!("an event id has 16 bytes, this one has {}", bytes.len())))
}

pub fn expected_out(expected: Expected) -> proto::Expected {
    use proto::expected::Place;
    let place = match expected {
        Expected::Any => Place::Anywhere(proto::Anywhere {}),
        Expected::NoStream => Place::NoStream(proto::NoStream {}),
        Expected::Exists => Place::Exists(proto::Exists {}),
        Expected::Exactly(revision) => Place::Exactly(revision.0),
    };
    proto::Expected { place: Some(place) }
}

pub fn expected_in(expected: Option<proto::Expected>) -> Result<Expected, Malformed> {
    use proto::expected::Place;
    match expected.and_then(|expected| expected.place) {
        Some(Place::Anywhere(_)) => Ok(Expected::Any),
        Some(Place::NoStream(_)) => Ok(Expected::NoStream),
        Some(Place::Exists(_)) => Ok(Expected::Exists),
        Some(Place::Exactly(revision)) => Ok(Expected::Exactly(Revision(revision))),
        // A place that nobody named must not become "anywhere".
        None => Err(Malformed("it does not say where the stream is expected to be".to_owned())),
    }
}

pub fn offer_out(record: &NewRecord) -> proto::NewRecord {
    proto::NewRecord {
        event_id: record.event_id.0.as_bytes().to_vec(),
        event_type: record.event_type.to_string(),
        data: record.data.to_vec(),
        metadata: record.metadata.to_vec(),
    }
}

pub fn offer_in(record: proto::NewRecord) -> Result<NewRecord, Malformed> {
    Ok(NewRecord {
        event_id: event_id(&record.event_id)?,
        event_type: record.event_type.into(),
        data: record.data.into(),
        metadata: record.metadata.into(),
    })
}

pub fn filter_out(filter: &Filter) -> proto::Filter {
    proto::Filter { categories: filter.categories.clone(), event_types: filter.event_types.clone() }
}

pub fn filter_in(filter: Option<proto::Filter>) -> Filter {
    let filter = filter.unwrap_or_default();
    Filter { categories: filter.categories, event_types: filter.event_types }
}

pub fn direction_out(direction: Direction) -> proto::Direction {
    match direction {
        Direction::Forward => proto::Direction::Forward,
        Direction::Backward => proto::Direction::Backward,
    }
}

pub fn direction_in(direction: i32) -> Result<Direction, Malformed> {
    match proto::Direction::try_from(direction) {
        Ok(proto::Direction::Forward) => Ok(Direction::Forward),
        Ok(proto::Direction::Backward) => Ok(Direction::Backward),
        Ok(proto::Direction::Unspecified) | Err(_) => {
            Err(Malformed("it does not say which way to read".to_owned()))
        }
    }
}

pub fn limit_out(limit: usize) -> u32 {
    u32::try_from(limit.min(PAGE_RECORDS_MAX)).unwrap_or(u32::MAX)
}

pub fn limit_in(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).min(PAGE_RECORDS_MAX)
}

pub fn appended_out(appended: Appended) -> proto::AppendResponse {
    proto::AppendResponse {
        first: appended.first.0,
        last: appended.last.0,
        revision: appended.revision.0,
        repeated: appended.repeated,
    }
}

pub fn appended_in(appended: proto::AppendResponse) -> Appended {
    Appended {
        first: Position(appended.first),
        last: Position(appended.last),
        revision: Revision(appended.revision),
        repeated: appended.repeated,
    }
}
