//! What an alert remembers.

use super::event::AlertRaised;

/// Whether somebody is needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Nobody is.
    #[default]
    Quiet,
    /// Somebody is, for this.
    Raised(AlertRaised),
}
