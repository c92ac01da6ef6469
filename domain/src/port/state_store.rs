//! Past states of the read models: what every table was when the log was shorter.
//!
//! A state is kept every so many events and shares what did not change with the states before it. What lies between two
//! of them is folded anew by whoever asks, in a [`Fork`] of the earlier one.

use super::PortFuture;
use super::event_log::Position;
use super::read_store::{Batch, Digest, ReadStore, Schema, StoreError};
use std::sync::Arc;

/// What becomes of append-only tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histories {
    /// They are kept like any other table.
    Keep,
    /// Their rows are passed by: whoever asks gets none of them, and is told how many there were. For those who need
    /// nothing of them but their digests, or have them elsewhere.
    PassBy,
}

/// What one projection's rows came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestsOf {
    /// Which projection.
    pub projection: &'static str,
    /// By table and part.
    pub digests: Vec<Digest>,
}

/// Past states of every table of some projections.
///
/// * States are kept **whole or not at all**, and never change; a crash may lose the last ones.
/// * A state is of every projection, all at one position.
/// * They follow from the log: a store that is damaged says so, and can be thrown away. Nobody may hold it any more then, nor
///   a fork of it.
pub trait StateStore: Send + Sync {
    /// Every projection whose states are kept, and its tables.
    fn schemas(&self) -> &[Schema];

    /// The positions at which a state is kept, rising.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    fn kept(&self) -> PortFuture<'_, Result<Vec<Position>, StoreError>>;

    /// What every projection's rows came to at a position at which a state is kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] when none is kept there; [`StoreError::Unavailable`], [`StoreError::Damaged`].
    fn digests_at(&self, position: Position) -> PortFuture<'_, Result<Vec<DigestsOf>, StoreError>>;

    /// A store of one's own that begins with the newest state at or before `position`: the empty one when there is none.
    /// The checkpoints of the fork say where that is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    fn fork(
        &self,
        position: Position,
        histories: Histories,
    ) -> PortFuture<'_, Result<Arc<dyn Fork>, StoreError>>;

    /// Keeps one more state: the [`Fork::changes`] of a fork of the newest one. It is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// As [`ReadStore::apply_all`].
    fn keep(&self, changes: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>>;

    /// Whether more can be kept and forgotten. Not any more once a write has failed in a way that only opening the store
    /// again mends; what is kept can be read all the same.
    fn is_writable(&self) -> bool;

    /// Forgets the states at these positions, and gives back the disk that only they took. The newest stays, and so does one
    /// that a [`Fork`] begins with as long as there is such a fork. What the others show does not change; a crash meanwhile
    /// leaves none, some or all of them forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], [`StoreError::Damaged`].
    fn forget(&self, positions: Vec<Position>) -> PortFuture<'_, Result<(), StoreError>>;

    /// How many bytes the states take on the disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    fn disk_bytes(&self) -> PortFuture<'_, Result<u64, StoreError>>;
}

/// A state and what was folded onto it. What is applied stays in memory, and is gone with the fork.
///
/// Of histories it has what was applied to it, when it was made to keep them; its answers count what came before as cut.
pub trait Fork: ReadStore {
    /// What was applied, one batch for each projection, from where the fork began to where it is.
    ///
    /// # Errors
    ///
    /// As [`ReadStore::load`].
    fn changes(&self) -> Result<Vec<Batch>, StoreError>;

    /// About how many bytes of memory it takes.
    fn bytes(&self) -> usize;
}
