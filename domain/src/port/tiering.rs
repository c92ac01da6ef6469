//! What tiering asks of the outside: histories whose partitions come and go, the lake that keeps what has gone, and the log
//! that says where rows are.
//!
//! A partition is taken away only when its rows were read back from the lake and come to what the tables have kept of them.
//! What stands in the tables of a history is all from one position on: partitions leave oldest first, and come back
//! newest first.

use super::PortFuture;
use super::event_log::Position;
use super::read_store::{Digest, Row, StoreError, Table};
use crate::operations::tiering::{Command, Rejection, State};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// A partition that is in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its history.
    pub table: &'static str,
    /// Its name.
    pub name: String,
    /// Its first position.
    pub from: Position,
    /// The first position after it.
    pub to: Position,
    /// When its newest row was written down; `None` where it has none.
    pub newest: Option<Timestamp>,
    /// Whether no projection writes into it any more.
    pub sealed: bool,
    /// Whether it is old enough for the lake.
    pub tier_due: bool,
    /// Whether it is old enough to leave the tables, and enough newer rows stay.
    pub drop_due: bool,
}

/// What one projection's rows of one part come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDigest {
    /// Who wrote the rows.
    pub projection: &'static str,
    /// What they come to. Never of no rows.
    pub digest: Digest,
}

/// Hears every row of a partition that came back, by key, and `None` after the last. An error says what is wrong with them.
pub type Look<'l> = dyn FnMut(Option<&Row>) -> Result<(), String> + Send + 'l;

/// The partitions of the histories of a read store.
pub trait Histories: Send + Sync {
    /// All of them, by table, the oldest first. With `older_than_s`, an age in seconds, that decides what is due in place of
    /// the policies of the tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    fn partitions(&self, older_than_s: Option<u64>) -> PortFuture<'_, Result<Vec<Partition>, StoreError>>;

    /// Takes a partition away, and says whether it was there. The store looks by itself whether it is the oldest, whether
    /// nobody writes into it, and whether `kept` is what it keeps of its rows, all of them and no others.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where it is not to be taken away now; [`StoreError::Damaged`] where its rows or digests are
    /// not what was compared; [`StoreError::Unavailable`]. The partition is there then.
    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        kept: &'a [KeptDigest],
    ) -> PortFuture<'a, Result<bool, StoreError>>;

    /// Begins to bring a partition back, which ends where the oldest one begins. Nobody sees it yet. What an earlier
    /// attempt left is thrown away.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where it can't come back there; [`StoreError::Unavailable`].
    fn begin_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
    ) -> PortFuture<'a, Result<(), StoreError>>;

    /// Adds rows to what was begun last.
    ///
    /// # Errors
    ///
    /// [`StoreError::Misfit`], [`StoreError::Unavailable`].
    fn restore_rows<'a>(&'a self, table: &'a str, rows: Vec<Row>) -> PortFuture<'a, Result<(), StoreError>>;

    /// Shows the partition to everybody, in one go with letting `look` read its rows as they stand in the tables. Of one that
    /// it refuses, or that has another number of rows, nothing is ever shown, and no row stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] in the words of `look`, or where so many rows did not come; as [`Histories::begin_restore`].
    fn finish_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
        rows: u64,
        look: &'a mut Look<'a>,
    ) -> PortFuture<'a, Result<(), StoreError>>;
}

/// A file of a history in the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeFile {
    /// Its path, from the root of the lake on.
    pub path: String,
    /// The position of its first row.
    pub first: u64,
    /// The position of its last row.
    pub last: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in 64 hexadecimal digits.
    pub blake3: String,
}

/// Which rows of a history in the lake: those that one definition of its table made.
#[derive(Debug, Clone, Copy)]
pub struct Shelf {
    /// The table.
    pub table: &'static Table,
    /// The version of the definition.
    pub version: u32,
}

/// Why the lake said no, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// What is there is not what was put there; it says which file.
    #[error("the lake is damaged: {0}")]
    Damaged(String),
    /// Somebody else adds rows to the same history.
    #[error("somebody else puts the rows of {0} into the lake: that goes on there, or here the next time")]
    Superseded(String),
    /// The lake failed, or did not answer.
    #[error("the lake")]
    Failed {
        /// Whether the same call may succeed later.
        transient: bool,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ShelfError {
    /// Whether the same call, unchanged, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Superseded(_) => true,
            Self::Failed { transient, .. } => *transient,
            Self::Damaged(_) => false,
        }
    }
}

/// Histories in the lake: rows by table and position, added in that order, once.
pub trait HistoryLake: Send + Sync {
    /// Where it is, without secrets.
    fn url(&self) -> &str;

    /// How far a history is: everything up to there that was ever to be added is in it.
    ///
    /// # Errors
    ///
    /// [`ShelfError`].
    fn position(&self, shelf: Shelf) -> PortFuture<'_, Result<Position, ShelfError>>;

    /// Adds all rows after `after`, where the history must be, up to and with `last`. They are in the order of their keys.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Superseded`] where it is elsewhere by now: nothing of these rows was added.
    fn append(
        &self,
        shelf: Shelf,
        after: Position,
        last: Position,
        rows: Vec<Row>,
    ) -> PortFuture<'_, Result<(), ShelfError>>;

    /// The files with rows from `from` to in front of `to`, by their first position, as the lake counts them now.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Damaged`] for one that also has rows outside.
    fn files(
        &self,
        shelf: Shelf,
        from: Position,
        to: Position,
    ) -> PortFuture<'_, Result<Vec<LakeFile>, ShelfError>>;

    /// The rows of some files, by key, read from where they are kept.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Damaged`] for a file that is gone or whose bytes are others, by its path.
    fn rows<'a>(
        &'a self,
        shelf: Shelf,
        files: &'a [LakeFile],
    ) -> PortFuture<'a, Result<Vec<Row>, ShelfError>>;

    /// Keeps bytes of a manifest under a path that follows from them.
    ///
    /// # Errors
    ///
    /// [`ShelfError`].
    fn keep_manifest<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> PortFuture<'a, Result<(), ShelfError>>;

    /// The bytes of a manifest.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Damaged`] where there is none.
    fn manifest<'a>(&'a self, path: &'a str) -> PortFuture<'a, Result<Vec<u8>, ShelfError>>;
}

/// Why a fact about a partition was not recorded, or what is known could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// The log failed, or did not answer.
    #[error("the event log")]
    Failed {
        /// Whether the same call may succeed later.
        transient: bool,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What the log knows of partitions.
pub trait TieringFacts: Send + Sync {
    /// All that is known now.
    ///
    /// # Errors
    ///
    /// [`RecordError::Failed`].
    fn known(&self) -> PortFuture<'_, Result<State, RecordError>>;

    /// Records a fact; one that is known already is recorded by nobody.
    ///
    /// # Errors
    ///
    /// [`RecordError`]. After a failure nobody knows; the same call tells.
    fn record(&self, command: Command) -> PortFuture<'_, Result<(), RecordError>>;
}
