//! Where read models are kept: typed tables that follow from the log and can be thrown away at any time.
//!
//! A projection never sees this port; the runner does. What a table looks like is in [`table`], what stands in
//! it in [`cell`], how it is asked in [`query`], what its rows come to in [`digest`], how
//! it is folded anew in [`rebuild`].

pub mod cell;
pub mod digest;
pub mod query;
pub mod rebuild;
pub mod table;

pub use cell::{Cell, Key, Row, Text};
pub use digest::{DIGEST_PART, Digest};
pub use query::{Answer, Cursor, Order, PAGE_ROWS_MAX, Page, ScanQuery};
pub use rebuild::{Claim, OldTables, Rebuild, RebuildPhase, Rebuilding, Swap, Wanted};
pub use table::{Column, ColumnKind, Misfit, POSITION_COLUMN, Retention, Schema, Table};

use super::PortFuture;
use super::event_log::Position;
use crate::ids::EventId;
use crate::time::Timestamp;
use std::sync::Arc;

/// How far a projection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The definition whose rows are stored; zero while nothing is.
    pub version: u32,
    /// Everything up to here is in the rows; [`Position::START`] when nothing is.
    pub position: Position,
    /// Names the record at that position, so that the log can be told from another one: the one in front of which
    /// these rows are asked must have it there. `None` when it was not said.
    pub event_id: Option<EventId>,
}

impl Checkpoint {
    /// Nothing is stored.
    pub const NOTHING: Self = Self { version: 0, position: Position::START, event_id: None };
}

/// A row by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The table.
    pub table: &'static str,
    /// Its key.
    pub key: Key,
}

/// What happens to one row. A batch changes a row at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row is this from now on, whether it was there or not.
    Put {
        /// The table.
        table: &'static str,
        /// The whole row; its key is in it.
        row: Row,
    },
    /// The row is gone. A row that isn't there stays gone.
    Delete(RowKey),
}

/// All that one projection makes of a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose.
    pub projection: &'static str,
    /// The definition that made it.
    pub version: u32,
    /// Where the runner believes the projection to be.
    pub expected: Position,
    /// Where it is when the changes are in. Never before `expected`.
    pub checkpoint: Position,
    /// Names the record at `checkpoint`; `None` when it is not known.
    pub event_id: Option<EventId>,
    /// At most one per row.
    pub changes: Vec<Change>,
    /// What every part that changes comes to, the changes included. A part that nothing changes may be left out.
    pub digests: Vec<Digest>,
}

/// Why the store said no, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else moved the projection. Two runners are at work: this one must stop.
    #[error(
        "projection {projection} is at position {actual} and not at {expected}: another runner is at work; stop one of them"
    )]
    Conflict {
        /// Which.
        projection: String,
        /// What the runner believed.
        expected: Position,
        /// Where it is.
        actual: Position,
    },
    /// The stored rows were made by another definition: rebuild.
    #[error(
        "the rows of projection {projection} were made by version {stored} and this is version {offered}: rebuild it"
    )]
    OtherVersion {
        /// Which.
        projection: String,
        /// The version of the stored rows.
        stored: u32,
        /// The version of the batch.
        offered: u32,
    },
    /// Rows were kept without their digests, by a build that knew none: nothing can be said of them.
    #[error(
        "the rows of projection {projection} are as of position {position} and their digests as of {digested}: a build \
         without digests kept them; start the desk that writes these tables with this build, which folds them again"
    )]
    Undigested {
        /// Which.
        projection: String,
        /// Where its rows are.
        position: Position,
        /// Where its digests are.
        digested: Position,
    },
    /// Somebody folds this projection anew already.
    #[error("projection {projection} is being rebuilt by {by} since {since}: wait for it, or stop it there")]
    Rebuilding {
        /// Which.
        projection: String,
        /// Who.
        by: String,
        /// Since when.
        since: Timestamp,
    },
    /// The tables that an earlier rebuild has replaced are still there.
    #[error(
        "the tables of projection {projection} that were replaced at {replaced_at} are still there: look at them, then \
         `stele rebuild drop-old {projection}`, and ask again"
    )]
    OldTables {
        /// Whose.
        projection: String,
        /// When they were replaced.
        replaced_at: Timestamp,
    },
    /// No such projection.
    #[error("there is no projection {0:?} in this store")]
    UnknownProjection(String),
    /// No such table.
    #[error("there is no table {0:?} in this store")]
    UnknownTable(String),
    /// No such column, or a value of another kind.
    #[error("table {table} can't be asked for {column}: {why}")]
    BadQuery {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A row does not fit its table.
    #[error("a row does not fit its table")]
    Misfit(#[from] Misfit),
    /// The store refuses rows for what they say: a check of the table, a number or a text that it can't hold. Nothing of
    /// the batch was kept, and nothing of it ever will be.
    #[error("table {table} refuses a row: {why}")]
    Refused {
        /// Which table.
        table: &'static str,
        /// What the store says.
        why: String,
    },
    /// A batch that breaks the contract; nothing of it was kept.
    #[error("the batch can't be kept: {0}")]
    Invalid(String),
    /// The tables are another process's, and can't be asked for from this one, now or later; it says what to do.
    #[error("{0}")]
    Elsewhere(String),
    /// What stands in the store was never written there; it says what to do.
    #[error("the read store is damaged: {0}")]
    Damaged(String),
    /// The store did not answer; whether a batch was kept is unknown, and the checkpoint tells.
    #[error("the read store did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same call, unchanged, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Conflict { .. }
            | Self::OtherVersion { .. }
            | Self::Undigested { .. }
            | Self::Rebuilding { .. }
            | Self::OldTables { .. }
            | Self::UnknownProjection(_)
            | Self::UnknownTable(_)
            | Self::BadQuery { .. }
            | Self::Misfit(_)
            | Self::Refused { .. }
            | Self::Invalid(_)
            | Self::Elsewhere(_)
            | Self::Damaged(_) => false,
        }
    }
}

/// The read store.
///
/// * **Rows, digests and checkpoint move together or not at all.** A reader sees all of a batch or nothing of it.
/// * A batch that changes a table carries the digests of that table's changed parts, and is refused without them.
///   Digests of one table are kept per projection, so that each projection answers for what it wrote into a shared one.
/// * The checkpoint moves by compare-and-set: a second runner gets [`StoreError::Conflict`] and has changed
///   nothing.
/// * A store that crashed may have lost the last batches, rows, digests and checkpoints alike: a checkpoint behind what
///   was acknowledged says so, and the runner folds them again from there.
/// * **Orders are the same everywhere**: text by its bytes, numbers by size, moments by time; keys column by
///   column. Values come back as they were put, JSON text word for word.
/// * In a table with [`Retention::Newest`] a store may drop rows, always those with the lowest position first
///   (then by key), and says so in every answer; a store without need keeps them. Such tables know no
///   deletion, so what is kept does not depend on how the log was cut into batches.
/// * In an append-only table a key is written once; writing it again must repeat the row. A row that was dropped stays
///   in the digest of its part. In other tables a digest says nothing more once a store has dropped rows of the table:
///   what a dropped row was is not known when it comes back.
/// * A batch may write the tables of its own schema, and tables of schemas that are [`Schema::shared`].
/// * Readers never wait for the log, and don't stop the runner for longer than a page takes.
pub trait ReadStore: Send + Sync {
    /// Every projection that the store was opened for, and its tables.
    fn schemas(&self) -> &[Schema];

    /// How far a projection has come.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownProjection`], [`StoreError::Unavailable`].
    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>>;

    /// Completes when the projection is at `position` or past it, with where it is. The caller bounds the wait;
    /// cancelling loses nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownProjection`] at once, [`StoreError::Unavailable`].
    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>>;

    /// How far a projection has come, and what everything that it has written comes to, both as of one moment. Parts
    /// come by table and number; a part without rows may be left out. Of rows of another version than the schema's, no digest
    /// is told.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownProjection`], [`StoreError::Undigested`], [`StoreError::Unavailable`].
    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>>;

    /// This store as it is now, for reading only: rows, digests and checkpoints of one moment, whatever is kept or swapped
    /// afterwards. To be held for as long as it is looked at, and no longer: a server keeps old rows for it meanwhile, and
    /// no rebuild can swap its tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] from a store that can't be had so, with what to ask for instead; [`StoreError::Unavailable`].
    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>>;

    /// Rows by name, in the order asked; `None` for a row that isn't there. For the runner: all of one
    /// projection.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownTable`], [`StoreError::Unavailable`].
    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>>;

    /// Keeps the whole batch, or nothing of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the projection is not at `batch.expected`; [`StoreError::OtherVersion`] when
    /// rows of another version are stored; see [`StoreError`] for the rest.
    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>>;

    /// Keeps batches of several projections, one of each at most. Each is kept whole or not at all, in this
    /// order; a store that can, keeps all of them or none, in one go. After an error the checkpoints tell.
    ///
    /// # Errors
    ///
    /// As [`ReadStore::apply`], for the first batch that can't be kept.
    fn apply_all(&self, batches: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            for batch in batches {
                self.apply(batch).await?;
            }
            Ok(())
        })
    }

    /// One row, for people.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownTable`], [`StoreError::Unavailable`].
    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>>;

    /// A page of rows, for people.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownTable`], [`StoreError::BadQuery`], [`StoreError::Unavailable`].
    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>>;

    /// Whether a page holds exactly these rows, in this order: for whoever needs no more than that, and looks at the rows where
    /// it does not. A store that can, compares its rows as they come, without making any of them; then a yes is certain, and
    /// a no may be one of a value that was written in another form (`1.50`).
    ///
    /// # Errors
    ///
    /// As [`ReadStore::scan`].
    fn is_page<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
        rows: &'a [Row],
    ) -> PortFuture<'a, Result<Answer<bool>, StoreError>> {
        Box::pin(async move {
            let Answer { value, as_of, cut_rows } = self.scan(table, query).await?;
            Ok(Answer { value: value.rows == rows, as_of, cut_rows })
        })
    }
}

#[cfg(test)]
mod tests;
