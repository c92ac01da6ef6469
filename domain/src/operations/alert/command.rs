//! What can be asked of an alert.

use super::event::Kind;
use crate::port::event_log::Position;
use crate::time::Timestamp;

/// A wish, by the reactor that watches for `kind` or by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Something needs a person.
    Raise {
        /// What.
        kind: Kind,
        /// The fact that it is about, where it is about one: each such fact is said, and said once.
        cause: Option<Position>,
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
    /// A person has looked.
    Dismiss {
        /// At what.
        kind: Kind,
        /// What was found, in their words.
        reason: String,
        /// When.
        at: Timestamp,
    },
}
