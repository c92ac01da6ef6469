//! Tables that are folded anew beside those that serve, to take their place: what a store must be able to do so that
//! nobody who reads ever waits for a rebuild.

use super::{Checkpoint, ReadStore, StoreError};
use crate::port::PortFuture;
use crate::port::event_log::Position;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Which next tables are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of these projections.
    pub projections: Vec<&'static str>,
    /// Who asks: person and process, for whoever is refused meanwhile.
    pub by: String,
    /// Whether what an interrupted rebuild has left is thrown away.
    pub from_zero: bool,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebuildPhase {
    /// The log is being folded into the next tables.
    Folding,
    /// The next tables are as far as the live ones, and are compared.
    Comparing,
    /// They have taken the place of the live ones.
    Swapped,
    /// They are not what the live ones say that they are: nothing was swapped, and both are kept.
    Different,
    /// It ended before it was done, and can be gone on with.
    Interrupted,
}

impl RebuildPhase {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Folding, Self::Comparing, Self::Swapped, Self::Different, Self::Interrupted];

    /// The name in stores and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folding => "folding",
            Self::Comparing => "comparing",
            Self::Swapped => "swapped",
            Self::Different => "different",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether somebody is at work.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        match self {
            Self::Folding | Self::Comparing => true,
            Self::Swapped | Self::Different | Self::Interrupted => false,
        }
    }
}

/// The last rebuild of one projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// Which.
    pub projection: String,
    /// How far it is. One whose process has died is [`RebuildPhase::Interrupted`], whatever it said last.
    pub phase: RebuildPhase,
    /// The definition that is folded.
    pub version: u32,
    /// The definition of the rows that served when it began; zero when there were none.
    pub live_version: u32,
    /// Who does it.
    pub by: String,
    /// When it began.
    pub began_at: Timestamp,
    /// When this was said.
    pub moved_at: Timestamp,
    /// Everything up to here is in the next tables.
    pub position: Position,
    /// Where it goes to, as far as is known.
    pub target: Position,
    /// Log positions a second, as of late.
    pub per_second: u64,
    /// Why it ended, in words; which parts differ; empty while there is nothing to say.
    pub detail: String,
}

impl Rebuild {
    /// How long it still takes at its pace; `None` when nobody knows.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.target.0.saturating_sub(self.position.0);
        if !self.phase.is_under_way() {
            return None;
        }
        left.checked_div(self.per_second).map(Duration::from_secs)
    }
}

/// Tables that were replaced and are still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldTables {
    /// Whose.
    pub projection: String,
    /// The definition of their rows.
    pub version: u32,
    /// How far they are.
    pub position: Position,
    /// When others took their place.
    pub replaced_at: Timestamp,
}

/// What takes the place of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// Whose tables.
    pub projection: &'static str,
    /// Where the live tables must be; compared in the transaction of the swap.
    pub live: Checkpoint,
    /// Where the next tables must be, never before the live ones.
    pub next: Position,
    /// Longest wait for those who read, during which others wait behind.
    pub patience: Duration,
}

/// What a store can do so that a projection is folded anew without anybody noticing.
///
/// * The next tables are a [`ReadStore`] of their own, with checkpoints and digests of their own. They and the live ones
///   know nothing of each other until the swap.
/// * They survive the process that fills them, where the live ones do.
/// * At most one claim is alive per projection, across all processes on one store.
/// * A swap is seen whole or not at all. Questions that are asked meanwhile wait for it, for moments, and none fails.
/// * A store that keeps replaced tables ([`OldTables`]) keeps them until they are dropped, and claims nothing before that.
pub trait Rebuilding: Send + Sync {
    /// The last rebuild of every projection that had one, by name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    fn rebuilds(&self) -> PortFuture<'_, Result<Vec<Rebuild>, StoreError>>;

    /// The replaced tables that are still there, by projection.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    fn old_tables(&self) -> PortFuture<'_, Result<Vec<OldTables>, StoreError>>;

    /// Takes next tables: those that an interrupted rebuild of the same definition has left, or empty ones. Nobody else
    /// gets them until the claim is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Rebuilding`] when somebody has one of them; [`StoreError::OldTables`] when replaced tables are still
    /// there; [`StoreError::UnknownProjection`], [`StoreError::Invalid`], [`StoreError::Unavailable`].
    fn claim(&self, wanted: Wanted) -> PortFuture<'_, Result<Box<dyn Claim>, StoreError>>;

    /// Drops the replaced tables of a projection. Those that are not there stay gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownProjection`], [`StoreError::Unavailable`].
    fn drop_old<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<(), StoreError>>;
}

/// Next tables in one's hands. Dropping it lets others take them; what is in them stays.
pub trait Claim: Send + Sync {
    /// The next tables.
    fn next(&self) -> Arc<dyn ReadStore>;

    /// Says for everybody how far a rebuild is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    fn note(&self, rebuild: Rebuild) -> PortFuture<'_, Result<(), StoreError>>;

    /// Lets the next tables take the place of the live ones, in one step; false when somebody reads for longer than the
    /// patience lasts, and nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when either side is not where it should be, and nothing has changed;
    /// [`StoreError::Unavailable`] when the store or the claim was lost: whether they were swapped is unknown then, and
    /// [`Rebuilding::old_tables`] tells where replaced tables are kept.
    fn swap(&self, swap: Swap) -> PortFuture<'_, Result<bool, StoreError>>;
}
