//! Between domain events and the JSON that the log keeps: names, versions, bytes and the envelope.
//!
//! A type name is `context.PastTense` and never changes. The event types in the contexts are the form of the
//! current version, which [`version_of`] tells; [`decode`] reads every version up to it. `trading.Decided` alone has
//! two: its reader takes gates as a line or as the objects of the first version, see [`crate::trading::gate::line`]. Unknown
//! fields are passed over, so a field that has a default can be added without a new version.

mod read;
mod samples;
mod write;

use crate::event::{Event, Meta, Recorded};
use crate::ids::EventId;
use crate::port::event_log::{NewRecord, Record, StreamId};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::sync::Arc;

pub use samples::samples;

/// The version that the form of nearly every type is in; [`version_of`] knows the others.
pub const SCHEMA_VERSION: u32 = 1;

/// The categories of the streams that a desk writes its events to. Nobody else writes there, so a type in one of them that
/// this build does not know is of a newer one.
pub const CATEGORIES: &[&str] = &[
    "quote",
    "price",
    "inventory",
    "account",
    "strategy",
    "relay",
    "service",
    "filter",
    "audit",
    "access",
    "alert",
    "parking",
    "tiering",
];

/// Every type name, in the order of the contexts.
pub const EVENT_TYPES: &[&str] = &[
    "market.PriceObserved",
    "market.SourceStateChanged",
    "market.ReferencePriced",
    "intents.QuoteReceived",
    "intents.DemandNormalised",
    "intents.RequestRejected",
    "intents.DuplicateReceived",
    "intents.FilterSet",
    "intents.FilterReset",
    "intents.RelayConnected",
    "intents.RelayDisconnected",
    "intents.FrameRejected",
    "intents.SettlementReported",
    "intents.ReplyReported",
    "treasury.BalancesObserved",
    "treasury.DriftDetected",
    "treasury.InventoryUnavailable",
    "trading.LeaseTaken",
    "trading.LeaseRenewed",
    "trading.LimitsSet",
    "trading.Armed",
    "trading.ArmRequested",
    "trading.ArmApproved",
    "trading.Disarmed",
    "trading.Killed",
    "trading.KillConfirmed",
    "trading.StandDownAsked",
    "trading.ExecutionRefused",
    "trading.ExecutionExpired",
    "trading.SubmissionStarted",
    "trading.SubmissionAbandoned",
    "trading.SubmissionAccepted",
    "trading.SubmissionRejected",
    "trading.SubmissionUncertain",
    "trading.ReplyContradicted",
    "trading.SubmissionSettled",
    "trading.SubmissionSettleFailed",
    "trading.SubmissionExpiredUnfilled",
    "trading.ReservationReleased",
    "trading.Decided",
    "trading.ExecutionCommanded",
    "operations.ServiceStarted",
    "operations.ServicePaused",
    "operations.ServiceResumed",
    "operations.ServiceDraining",
    "operations.ServiceDrained",
    "operations.RefreshAsked",
    "operations.AlertRaised",
    "operations.AlertCleared",
    "operations.EventParked",
    "operations.ParkedRetried",
    "operations.ParkedSkipped",
    "operations.CommandRefused",
    "operations.PartitionTiered",
    "operations.PartitionRestored",
    "access.KeyCreated",
    "access.KeyRevoked",
    "access.Attempted",
    "access.StrangersRefused",
    "access.AttemptsUnkept",
];

/// Why a record is no event of ours, or an event no record.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The type is not one of [`EVENT_TYPES`]: another system's category, to be skipped.
    #[error("{event_type:?} is no event type of Stele")]
    UnknownType {
        /// The type as stored.
        event_type: String,
    },
    /// The type is known and its form is not: written by a newer Stele.
    #[error(
        "{event_type} has version {version} and this build reads versions 1 to {}: use a newer build",
        version_of(.event_type)
    )]
    UnknownVersion {
        /// The type.
        event_type: String,
        /// The version as stored.
        version: u32,
    },
    /// The bytes are not what the type and version promise.
    #[error("the data of {event_type} can't be read")]
    Unreadable {
        /// The type.
        event_type: String,
        /// What is wrong, and where in the bytes.
        #[source]
        source: serde_json::Error,
    },
    /// The metadata is not Stele's.
    #[error("the metadata of {event_type} can't be read")]
    UnreadableMeta {
        /// The type; empty when only the metadata was at hand.
        event_type: String,
        /// What is wrong, and where in the bytes.
        #[source]
        source: serde_json::Error,
    },
    /// The value has no JSON form.
    #[error("{what} can't be written as JSON")]
    Unwritable {
        /// The type, or `metadata`.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl CodecError {
    /// Whether a newer build has written the record, to this stream. Whoever folds events must stop before it: neither
    /// passing it over nor parking it would be right once this build is a newer one, too.
    #[must_use]
    pub fn is_newer(&self, stream: &StreamId) -> bool {
        match self {
            Self::UnknownType { .. } => CATEGORIES.contains(&stream.category()),
            Self::UnknownVersion { event_type, version } => *version > version_of(event_type),
            Self::Unreadable { .. } | Self::UnreadableMeta { .. } | Self::Unwritable { .. } => false,
        }
    }

    /// Whether the record belongs to somebody else, and is passed over rather than parked.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        match self {
            Self::UnknownType { .. } => true,
            Self::UnknownVersion { .. }
            | Self::Unreadable { .. }
            | Self::UnreadableMeta { .. }
            | Self::Unwritable { .. } => false,
        }
    }
}

/// The version in which events of a type are written. All versions up to it can be read.
#[must_use]
pub fn version_of(event_type: &str) -> u32 {
    match event_type {
        "trading.Decided" => 2,
        _ => SCHEMA_VERSION,
    }
}

/// The type name that an event is stored under.
#[must_use]
pub fn type_of(event: &Event) -> &'static str {
    write::visit(event, &write::Name)
}

/// The bytes that an event is stored as. The same event gives the same bytes.
///
/// # Errors
///
/// [`CodecError::Unwritable`], which no value of the event types leads to.
pub fn encode(event: &Event) -> Result<Vec<u8>, CodecError> {
    write::visit(event, &write::Json)
}

/// The event that a record's bytes mean.
///
/// # Errors
///
/// [`CodecError::UnknownType`] for somebody else's record, else [`CodecError::UnknownVersion`] or
/// [`CodecError::Unreadable`].
pub fn decode(event_type: &str, schema_version: u32, data: &[u8]) -> Result<Event, CodecError> {
    let reader = reader(event_type)?;
    if !(1..=version_of(event_type)).contains(&schema_version) {
        return Err(CodecError::UnknownVersion {
            event_type: event_type.to_owned(),
            version: schema_version,
        });
    }
    reader(data).map_err(|source| CodecError::Unreadable { event_type: event_type.to_owned(), source })
}

/// The bytes of an envelope.
///
/// # Errors
///
/// [`CodecError::Unwritable`], which no envelope leads to.
pub fn encode_meta(meta: &Meta) -> Result<Vec<u8>, CodecError> {
    serde_json::to_vec(meta).map_err(|source| CodecError::Unwritable { what: "metadata", source })
}

/// The envelope that a record's metadata means.
///
/// # Errors
///
/// [`CodecError::UnreadableMeta`].
pub fn decode_meta(metadata: &[u8]) -> Result<Meta, CodecError> {
    meta_of("", metadata)
}

/// The record to offer to the log. Whatever `meta` says of the schema, the version written is the event's.
///
/// # Errors
///
/// [`CodecError::Unwritable`], which neither events nor envelopes lead to.
pub fn to_record(event_id: EventId, event: &Event, meta: &Meta) -> Result<NewRecord, CodecError> {
    let event_type = type_of(event);
    let schema = version_of(event_type);
    let meta =
        if meta.schema == schema { Cow::Borrowed(meta) } else { Cow::Owned(Meta { schema, ..meta.clone() }) };
    Ok(NewRecord {
        event_id,
        event_type: Arc::from(event_type),
        data: Arc::from(encode(event)?),
        metadata: Arc::from(encode_meta(&meta)?),
    })
}

/// The event that a record means, with its envelope and its place.
///
/// # Errors
///
/// As [`decode`], and [`CodecError::UnreadableMeta`]. A foreign record is told by its type, before its
/// metadata is looked at.
pub fn recorded(record: &Record) -> Result<Recorded, CodecError> {
    reader(&record.event_type)?;
    let meta = meta_of(&record.event_type, &record.metadata)?;
    let event = decode(&record.event_type, meta.schema, &record.data)?;
    Ok(Recorded {
        position: record.position,
        stream: record.stream.clone(),
        revision: record.revision,
        event_id: record.event_id,
        meta,
        recorded_at: record.recorded_at,
        event,
    })
}

fn reader(event_type: &str) -> Result<read::Reader, CodecError> {
    read::reader(event_type).ok_or_else(|| CodecError::UnknownType { event_type: event_type.to_owned() })
}

fn meta_of(event_type: &str, metadata: &[u8]) -> Result<Meta, CodecError> {
    from_json(metadata)
        .map_err(|source| CodecError::UnreadableMeta { event_type: event_type.to_owned(), source })
}

/// As the library reads bytes; where all of them are text, it need not look at each string of it.
fn from_json<T: DeserializeOwned>(data: &[u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(data) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(data),
    }
}

#[cfg(test)]
mod tests;
