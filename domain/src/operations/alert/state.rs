//! What an alert remembers.

use super::event::AlertRaised;
use crate::port::event_log::Position;

/// Whether somebody is needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nobody is.
    #[default]
    Quiet,
    /// Somebody is, for this.
    Raised(AlertRaised),
}

/// What an alert remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) standing: Standing,
    /// The newest fact that it was raised for: one that comes again is no news, even when it was cleared since.
    pub(super) last_cause: Position,
}

impl State {
    /// Whether somebody is needed, and for what.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether somebody is needed.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        match self.standing {
            Standing::Raised(_) => true,
            Standing::Quiet => false,
        }
    }
}
