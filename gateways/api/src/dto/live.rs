//! Live events: the `data` of each Server-Sent Event.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something happened. The event's name on the stream is its topic, the id its position.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LiveEvent {
    /// Place in the log.
    pub position: u64,
    /// Names the fact.
    pub event_id: Uuid,
    /// `context.PastTense`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Stream that it belongs to.
    pub stream: String,
    /// When the log wrote it down.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// What it says, as it is kept.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
}

/// The `data` of `caught_up`, `fell_behind`, `heartbeat` and `closing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LivePlace {
    /// The last position of the log that is known here; with `fell_behind` and `closing`, the last that was told.
    pub head: u64,
}

/// The `data` of `failed`: the log could not be read, or the key is no longer taken, and the stream ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveFailure {
    /// Why, as a problem has it. Nothing where an older desk does not say.
    #[serde(default)]
    pub code: String,
    /// Why, in words.
    pub detail: String,
}
