//! What a service remembers.

use super::event::ServiceStarted;
use crate::time::Timestamp;

/// Where the service stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// No process has ever run it.
    #[default]
    NeverStarted,
    /// Takes work.
    Running,
    /// Takes no new work.
    Paused {
        /// Why.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// Finishes what is in flight.
    Draining {
        /// Why.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
    /// Has finished, and takes no work.
    Drained {
        /// Since when.
        since: Timestamp,
    },
}

impl Phase {
    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NeverStarted => "never_started",
            Self::Running => "running",
            Self::Paused { .. } => "paused",
            Self::Draining { .. } => "draining",
            Self::Drained { .. } => "drained",
        }
    }
}

/// What a service remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) phase: Phase,
    /// The last start, so that its redelivery is not a second one.
    pub(super) started: Option<ServiceStarted>,
    /// How often it was started.
    pub(super) starts: u64,
    /// When somebody last wanted it to look, so that the same wish is not a second one.
    pub(super) refresh_asked_at: Option<Timestamp>,
}

impl State {
    /// Where the service stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Who began to run it last.
    #[must_use]
    pub fn started(&self) -> Option<&ServiceStarted> {
        self.started.as_ref()
    }

    /// The number of the last start; zero before the first.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Whether it may begin something new.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        match self.phase {
            Phase::Running => true,
            Phase::NeverStarted | Phase::Paused { .. } | Phase::Draining { .. } | Phase::Drained { .. } => {
                false
            }
        }
    }
}
