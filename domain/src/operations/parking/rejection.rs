//! The rules that say no to a person. Whoever folds is refused nothing.

use crate::port::event_log::Position;

/// A rule that said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// Nothing is parked there.
    #[error(
        "projection {projection} has no parked event at position {position}: `stele projections parked` lists them"
    )]
    NotParked {
        /// Which projection.
        projection: String,
        /// Where nothing is.
        position: Position,
    },
    /// It is about to be taken in.
    #[error(
        "the event at position {position} is to be tried again: rebuild projection {projection} first, and skip it when it is \
         parked anew"
    )]
    Retried {
        /// Which projection.
        projection: String,
        /// Where it stands.
        position: Position,
    },
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReasonMissing => "reason_missing",
            Self::NotParked { .. } => "not_parked",
            Self::Retried { .. } => "being_retried",
        }
    }
}
