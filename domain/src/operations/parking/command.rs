//! What can be reported of an event that can't be folded, and asked of one that is parked.

use crate::port::event_log::Position;
use crate::time::Timestamp;

/// A report by whoever folds, or a person's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A projection can't take an event in, and goes on without it.
    Park {
        /// Which projection.
        projection: String,
        /// Its version.
        version: u32,
        /// Where the event stands.
        position: Position,
        /// Its type, as stored.
        event_type: String,
        /// What is wrong with it.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// The cause is mended: the next fold takes the event in, of whatever version lacks it.
    Retry {
        /// Which projection.
        projection: String,
        /// Where the event stands.
        position: Position,
        /// What was mended.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// The tables are right without it, for good, of whatever version lacks it.
    Skip {
        /// Which projection.
        projection: String,
        /// Where the event stands.
        position: Position,
        /// Why.
        reason: String,
        /// Now.
        at: Timestamp,
    },
}
