//! What a runner says of itself.

use crate::projection::Registered;
use serde::Serialize;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;

/// What a runner does right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// It has not found out yet where it is.
    Starting,
    /// There is more in the log than in the tables.
    CatchingUp,
    /// Everything in the log is in the tables.
    Live,
    /// It was told to wait.
    Paused,
    /// It was told to end after what is in the log now.
    Draining,
    /// The log or the store does not answer; it tries again and again.
    Blocked {
        /// Why.
        why: String,
    },
    /// It has ended as it was told.
    Ended,
    /// It has ended by itself, and somebody must look.
    Faulted {
        /// Why.
        why: String,
    },
}

/// A runner's account of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What it does.
    #[serde(flatten)]
    pub state: State,
    /// The log's last position, as last seen.
    pub head: Position,
    /// When this was written. A live runner writes at every heartbeat, whether anything happens or not.
    pub heartbeat_at: Timestamp,
    /// When the last batch was kept; `None` before the first.
    pub kept_at: Option<Timestamp>,
    /// How many times a projection parked an event since the runner started.
    pub parked: u64,
    /// Every projection.
    pub projections: Vec<ProjectionStatus>,
}

/// How far one projection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// Everything up to here is in its tables.
    pub position: Position,
    /// How many records of the log are not.
    pub lag_events: u64,
    /// How long ago the log wrote down what was folded last, in milliseconds; zero when nothing is missing.
    pub lag_ms: u64,
    /// Why it has stopped, while the others go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl State {
    /// Whether waiting for progress makes sense.
    #[must_use]
    pub fn is_working(&self) -> bool {
        match self {
            Self::Starting | Self::CatchingUp | Self::Live | Self::Draining => true,
            Self::Paused | Self::Blocked { .. } | Self::Ended | Self::Faulted { .. } => false,
        }
    }
}

impl Status {
    pub(super) fn starting(projections: &[Registered], now: Timestamp) -> Self {
        let status = |projection: &Registered| ProjectionStatus {
            name: projection.name,
            version: projection.version,
            position: Position::START,
            lag_events: 0,
            lag_ms: 0,
            fault: None,
        };
        let projections = projections.iter().map(status).collect();
        Self {
            state: State::Starting,
            head: Position::START,
            heartbeat_at: now,
            kept_at: None,
            parked: 0,
            projections,
        }
    }

    /// Everything up to here is in every table whose projection has no fault.
    #[must_use]
    pub fn position(&self) -> Position {
        let healthy = self.projections.iter().filter(|projection| projection.fault.is_none());
        healthy.map(|projection| projection.position).min().unwrap_or(self.head)
    }
}
