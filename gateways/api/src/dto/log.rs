//! The log: events as they are kept, and the log in numbers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// An event as it is kept. `data` and `metadata` are the stored JSON, word for word.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Place in the log; the first is 1.
    pub position: u64,
    /// Stream it belongs to.
    pub stream: String,
    /// Place in the stream; the first is 0.
    pub revision: u64,
    /// Names the fact.
    pub event_id: Uuid,
    /// `context.PastTense`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When the log wrote it down.
    pub recorded_at: Timestamp,
    /// What it says; none when the bytes are no JSON.
    pub data: Option<Box<RawValue>>,
    /// What stands beside it: actor, cause, source time; none when the bytes are no JSON.
    pub metadata: Option<Box<RawValue>>,
    /// The bytes of `data` in base64, when they are no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// The bytes of `metadata` in base64, when they are no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_base64: Option<String>,
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventsPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// `from` of the next page: a position, or a revision when one stream is read. None at the end.
    pub next: Option<u64>,
    /// Everything up to here was there to be read.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// One line of a followed log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowLine {
    /// Something happened.
    Event(Event),
    /// Everything that was wanted up to the head has been sent; from here on it is live.
    CaughtUp {
        /// The last position of the log.
        head: u64,
    },
    /// Nothing has happened, and the desk is alive. Every five seconds.
    Heartbeat {
        /// The last position that was looked at.
        head: u64,
    },
    /// The desk ends the stream in good order: it stops.
    Closing {
        /// Go on from here.
        next: u64,
    },
    /// The log could not be read; the stream ends.
    Failed {
        /// Why.
        detail: String,
        /// Go on from here.
        next: u64,
    },
}

/// The log in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStat {
    /// The log's identity.
    pub log: Uuid,
    /// Number of events; also the last position.
    pub events: u64,
    /// Number of commits, the leaves of the Merkle tree.
    pub commits: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of segment files.
    pub segments: u64,
    /// Events per category.
    pub categories: BTreeMap<String, u64>,
    /// Everything up to here is in these numbers.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointAnswer {
    /// A C2SP `tlog-checkpoint` note, to be kept word for word outside of the desk.
    pub checkpoint: String,
    /// The last position of the log when it was signed, at least.
    pub head: u64,
}
