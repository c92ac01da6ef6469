//! Why a rebuild ends before it is done, and the words for it.

use crate::digest::ScanError;
use crate::fold::{FoldError, Newer};
use std::time::Duration;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::StoreError;

/// Why a rebuild ended before it was done.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log can't be read.
    #[error("the log can't be read")]
    Log(#[from] LogError),
    /// The log can't be folded, or the next tables not be filled.
    #[error("the next tables can't be filled")]
    Fold(#[from] FoldError),
    /// A newer build wrote an event on the way: this build can't fold it, and a rebuild without it would be none.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The store said no, or did not answer.
    #[error("the tables can't be rebuilt")]
    Store(#[from] StoreError),
    /// The live rows can't be looked at.
    #[error("the live tables can't be compared")]
    Scan(#[from] ScanError),
    /// The log ends before the live tables do.
    #[error(
        "projection {projection} is at position {at} and the log ends at {head}: these tables are not of this log"
    )]
    Short {
        /// Which.
        projection: &'static str,
        /// Where its tables are.
        at: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The live tables did not come to where the next ones are, or were read without a pause.
    #[error(
        "the tables of projection {projection} could not be swapped within {waited:?}: {why}; nothing was changed, and the \
         same command goes on from here"
    )]
    Unsettled {
        /// Which.
        projection: &'static str,
        /// How long it was tried.
        waited: Duration,
        /// What was in the way last.
        why: String,
    },
    /// A part of the work ended by itself.
    #[error("a part of the rebuild ended by itself: {0}")]
    Lost(String),
}

impl RebuildError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log(error) => error.is_transient(),
            Self::Fold(error) => error.is_transient() || error.went_back(),
            Self::Store(error) => error.is_transient(),
            Self::Scan(ScanError::Store { source, .. }) => source.is_transient(),
            Self::Scan(ScanError::Malformed { .. } | ScanError::Moved { .. })
            | Self::Newer(_)
            | Self::Short { .. }
            | Self::Unsettled { .. }
            | Self::Lost(_) => false,
        }
    }
}
