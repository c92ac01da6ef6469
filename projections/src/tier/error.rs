//! Why a partition was not put into the lake, taken away or brought back.

use std::fmt;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::StoreError;
use stele_domain::port::tiering::{Partition, RecordError, ShelfError};

/// Which rows are not what was kept of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Those in the tables: somebody changed them, or the digests.
    Tables,
    /// Those in the lake, or the manifest that names them.
    Lake,
}

/// Rows that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The first position of the partition.
    pub from: Position,
    /// The first position after it.
    pub to: Position,
    /// Where they are.
    pub place: Where,
    /// What is wrong, and with which part or file.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, from, to, place, what } = self;
        let place = match place {
            Where::Tables => "in the tables",
            Where::Lake => "in the lake",
        };
        write!(f, "{table} from {from} to {to}, {place}: {what}")
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// Rows are not what was kept of them. Nothing was taken away.
    #[error("rows are not what was kept of them: {0}")]
    Differs(Difference),
    /// No history has that name.
    #[error("there is no history {0:?}: histories are the tables whose rows never change")]
    NoHistory(String),
    /// Nothing there is in the lake.
    #[error(
        "no partition of {table} with position {position} is in the lake as this build knows it: stele tier list"
    )]
    NotTiered {
        /// The table.
        table: String,
        /// Where.
        position: Position,
    },
    /// What was asked for is all in another lake.
    #[error(
        "nothing was looked at: {partitions} partitions are in {lake}, and {here} is the lake that is configured"
    )]
    Elsewhere {
        /// How many partitions are in other lakes.
        partitions: u64,
        /// One of these lakes.
        lake: String,
        /// The one that was given.
        here: String,
    },
    /// Partitions left or came back each time before a row could be told.
    #[error("partitions of {0} leave or come back faster than its rows can be read")]
    Moving(String),
    /// The tables said no, or did not answer.
    #[error("the tables")]
    Store(#[from] StoreError),
    /// The lake said no, or did not answer.
    #[error(transparent)]
    Lake(#[from] ShelfError),
    /// The log said no, or did not answer.
    #[error("the fact about the partition")]
    Log(#[from] RecordError),
    /// A manifest can't be written.
    #[error("a manifest can't be written")]
    Manifest(#[source] serde_json::Error),
}

impl TierError {
    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Lake(error) => error.is_transient(),
            Self::Log(RecordError::Failed { transient, .. }) => *transient,
            Self::Moving(_) => true,
            Self::Log(RecordError::Refused(_))
            | Self::Differs(_)
            | Self::NoHistory(_)
            | Self::NotTiered { .. }
            | Self::Elsewhere { .. }
            | Self::Manifest(_) => false,
        }
    }

    /// What the store said to whoever wanted to take a partition away.
    pub(super) fn of_dropping(partition: &Partition, error: StoreError) -> Self {
        if let StoreError::Damaged(what) = error {
            let Partition { table, from, to, .. } = *partition;
            return Self::Differs(Difference {
                table: table.to_owned(),
                from,
                to,
                place: Where::Tables,
                what,
            });
        }
        Self::Store(error)
    }
}
