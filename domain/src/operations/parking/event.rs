//! Facts about events that are not in some projection's tables.

use crate::port::event_log::Position;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream of parked events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A projection goes on without an event.
    EventParked(EventParked),
    /// A person wants it taken in, now that the cause is mended.
    ParkedRetried(ParkedRetried),
    /// A person says that the tables are right without it.
    ParkedSkipped(ParkedSkipped),
}

impl Event {
    /// Where the event stands that it is about.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::EventParked(EventParked { position, .. })
            | Self::ParkedRetried(ParkedRetried { position, .. })
            | Self::ParkedSkipped(ParkedSkipped { position, .. }) => *position,
        }
    }
}

/// A projection goes on without an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventParked {
    /// Which projection.
    pub projection: String,
    /// Its version: another one tries for itself.
    pub version: u32,
    /// Where the event stands.
    pub position: Position,
    /// Its type, as stored.
    pub event_type: String,
    /// What is wrong with it.
    pub reason: String,
    /// Which try this was, from 1.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
}

/// A person wants a parked event taken in, now that the cause is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRetried {
    /// Which projection.
    pub projection: String,
    /// Its version.
    pub version: u32,
    /// Where the event stands.
    pub position: Position,
    /// What was mended, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A person says that the tables are right without a parked event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedSkipped {
    /// Which projection.
    pub projection: String,
    /// Its version.
    pub version: u32,
    /// Where the event stands.
    pub position: Position,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
