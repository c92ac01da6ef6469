//! Events that projections could not take in.

use serde::{Deserialize, Serialize};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;

/// What is to become of a parked event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParkedState {
    /// It waits for a person.
    Parked,
    /// The next rebuild of the projection takes it in, or parks it again.
    Retried,
    /// It stays out.
    Skipped,
}

/// An event that a projection could not take in. Its tables are as if it had not happened; the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedEvent {
    /// The projection.
    pub projection: String,
    /// Its version: another one tries for itself.
    pub version: u32,
    /// Where the event stands in the log.
    pub position: u64,
    /// Its type, as stored.
    pub event_type: String,
    /// What was wrong with it, at the last try.
    pub why: String,
    /// How often it was tried in vain.
    pub attempt: u32,
    /// What is to become of it.
    pub state: ParkedState,
}

/// Events that projections could not take in, by projection and position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedAnswer {
    /// All of them, those that were retried or skipped included.
    pub parked: Vec<ParkedEvent>,
    /// As of which position of the log.
    pub as_of: u64,
}

/// One thing that was said of a parked event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedStep {
    /// Where it stands in the log.
    pub log_position: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: the desk itself, or a person.
    pub by: String,
    /// What it became.
    pub state: ParkedState,
    /// What was wrong, or why somebody decided so.
    pub reason: String,
}

/// A parked event and everything that was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedDetail {
    /// The event.
    pub parked: ParkedEvent,
    /// What was said of it, oldest first.
    pub steps: Vec<ParkedStep>,
}
