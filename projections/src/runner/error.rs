//! Why a runner ends by itself, and the words for it. What passes by waiting never gets here.

use crate::fold::{FoldError, Newer};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::StoreError;

/// Why a runner ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The log is gone for good.
    #[error("the projections can't read the log")]
    Log(#[from] LogError),
    /// A batch can't be kept, or another runner is at work.
    #[error("the projections can't be kept")]
    Fold(#[from] FoldError),
    /// The store does not know a projection, or has rows of another version.
    #[error("the projections can't be taken up")]
    Store(#[from] StoreError),
    /// A newer build wrote the next event. Everything before it is in the tables.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The log ends before the tables do: it is another log, or an older copy.
    #[error(
        "projection {projection} is at position {at} and the log ends at {head}: these tables are not of this log; \
         give the desk an empty database (ops/runbooks/backup.md), or the log that they are of"
    )]
    AheadOfLog {
        /// Which.
        projection: &'static str,
        /// Where its tables are.
        at: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The log has another event where the tables end: it is another log, or went on otherwise after a restore.
    #[error(
        "projection {projection} ends with event {stored} at position {at}, and the log has {} there: these tables \
         are not of this log; give the desk an empty database (ops/runbooks/backup.md), or the log that they are of",
        found.map_or("no event".to_owned(), |id| format!("event {id}"))
    )]
    OtherLog {
        /// Which.
        projection: &'static str,
        /// Where its tables are.
        at: Position,
        /// The event that its tables end with.
        stored: EventId,
        /// The event that the log has there.
        found: Option<EventId>,
    },
}

impl RunnerError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log(error) => error.is_transient(),
            Self::Fold(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
            Self::Newer(_) | Self::AheadOfLog { .. } | Self::OtherLog { .. } => false,
        }
    }
}
