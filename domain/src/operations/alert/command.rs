//! What can be asked of an alert.

use super::event::Kind;
use crate::time::Timestamp;

/// A wish, by the reactor that watches for `kind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Something needs a person.
    Raise {
        /// What.
        kind: Kind,
        /// The facts, in a sentence.
        detail: String,
        /// Since when.
        at: Timestamp,
    },
    /// It no longer does.
    Clear {
        /// What.
        kind: Kind,
        /// The facts, in a sentence.
        detail: String,
        /// When.
        at: Timestamp,
    },
}
