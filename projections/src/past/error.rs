//! Why a question about the past has no answer.

use crate::compare::CompareError;
use crate::fold::FoldError;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::StoreError;
use stele_domain::time::Timestamp;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log is not that long.
    #[error("the log ends at position {head}: {position} is of another log, or still to come")]
    BeyondHead {
        /// What was asked for.
        position: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The time is still to come.
    #[error("{at} is still to come, and what will be known then can't be told: it is {now}")]
    Future {
        /// What was asked for.
        at: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// Too many ask at once.
    #[error("too many past states are being folded: ask again in a moment")]
    Busy,
    /// The states are not there yet.
    #[error("the past states are being opened: ask again in a moment")]
    NotOpen,
    /// The newest state before it that is kept is too long before.
    #[error(
        "the newest past state before position {position} is that of {kept}, and too much lies in between: ask again when \
         the states in between are made, or for a position nearer to a state that is kept"
    )]
    TooFar {
        /// What was asked for.
        position: Position,
        /// The state that it would have to be folded from.
        kept: Position,
    },
    /// The tables that keep the histories have not come as far.
    #[error("projection {projection} is at position {at}, and its histories up to {position} are asked for")]
    TablesBehind {
        /// Which.
        projection: &'static str,
        /// Where it is.
        at: Position,
        /// What was asked for.
        position: Position,
    },
    /// The log can't be read.
    #[error("the log can't be read")]
    Log(#[from] LogError),
    /// The states or the tables can't be read.
    #[error("past states can't be read")]
    Store(#[from] StoreError),
    /// The stretch in between can't be folded.
    #[error("the log after a past state can't be folded")]
    Fold(#[source] Box<CompareError>),
    /// The work ended before its time.
    #[error("the folding of a past state ended before its time")]
    Ended(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<CompareError> for PastError {
    fn from(error: CompareError) -> Self {
        Self::Fold(Box::new(error))
    }
}

impl PastError {
    /// One word for the kind, for figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BeyondHead { .. } => "beyond_head",
            Self::Future { .. } => "future",
            Self::Busy => "busy",
            Self::NotOpen => "not_open",
            Self::TooFar { .. } => "too_far",
            Self::TablesBehind { .. } => "tables_behind",
            Self::Log(_) => "log",
            Self::Store(_) => "store",
            Self::Fold(_) => "fold",
            Self::Ended(_) => "ended",
        }
    }

    /// Whether the states are not what was kept.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Damaged(_)),
            Self::Fold(error) => matches!(
                &**error,
                CompareError::Store(StoreError::Damaged(_))
                    | CompareError::Fold(FoldError::Store { source: StoreError::Damaged(_), .. })
            ),
            Self::BeyondHead { .. }
            | Self::Future { .. }
            | Self::Busy
            | Self::NotOpen
            | Self::TooFar { .. }
            | Self::TablesBehind { .. }
            | Self::Log(_)
            | Self::Ended(_) => false,
        }
    }

    /// Every name, for figures.
    pub const NAMES: [&'static str; 10] = [
        "beyond_head",
        "future",
        "busy",
        "not_open",
        "too_far",
        "tables_behind",
        "log",
        "store",
        "fold",
        "ended",
    ];
}
