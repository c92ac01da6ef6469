//! How far a rebuild is, for everybody who asks the store.

use super::{Asked, RebuildError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{ReadStore, Rebuild, RebuildPhase};
use stele_domain::time::Timestamp;
use tokio::time::Instant;

/// What is told of each projection.
pub(super) struct Told {
    by: String,
    began_at: Timestamp,
    began: Instant,
    projections: BTreeMap<&'static str, Mark>,
}

/// What is told of one. Shared with whoever fills its tables.
#[derive(Clone)]
pub(super) struct Mark {
    version: u32,
    pub(super) live_version: u32,
    position: Arc<AtomicU64>,
    target: Arc<AtomicU64>,
    /// Where this rebuild found it; unknown before the first batch.
    first: Arc<AtomicU64>,
}

/// No position of a log.
const UNKNOWN: u64 = u64::MAX;

impl Told {
    pub(super) async fn of(
        asked: &Asked,
        live: &dyn ReadStore,
        began_at: Timestamp,
    ) -> Result<Self, RebuildError> {
        let mut projections = BTreeMap::new();
        for projection in &asked.projections {
            let at = live.checkpoint(projection.name).await?;
            let mark = Mark {
                version: projection.version,
                live_version: at.version,
                position: Arc::default(),
                target: Arc::new(AtomicU64::new(at.position.0)),
                first: Arc::new(AtomicU64::new(UNKNOWN)),
            };
            projections.insert(projection.name, mark);
        }
        Ok(Self { by: asked.by.clone(), began_at, began: Instant::now(), projections })
    }

    pub(super) fn mark(&self, projection: &str) -> Option<Mark> {
        self.projections.get(projection).cloned()
    }

    /// Everything up to here is in all next tables.
    pub(super) fn least(&self) -> Position {
        let positions = self.projections.values().map(|mark| mark.position.load(Ordering::Relaxed));
        Position(positions.min().unwrap_or(0))
    }

    pub(super) fn note(
        &self,
        projection: &str,
        phase: RebuildPhase,
        detail: &str,
        now: Timestamp,
    ) -> Option<Rebuild> {
        let mark = self.projections.get(projection)?;
        let position = mark.position.load(Ordering::Relaxed);
        let first = mark.first.load(Ordering::Relaxed);
        let folded = if first == UNKNOWN { 0 } else { position.saturating_sub(first) };
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        Some(Rebuild {
            projection: projection.to_owned(),
            phase,
            version: mark.version,
            live_version: mark.live_version,
            by: self.by.clone(),
            began_at: self.began_at,
            moved_at: now,
            position: Position(position),
            target: Position(mark.target.load(Ordering::Relaxed).max(position)),
            per_second: folded.saturating_mul(1_000).checked_div(millis).unwrap_or(0),
            detail: detail.to_owned(),
        })
    }
}

impl Mark {
    /// The next tables are here.
    pub(super) fn at(&self, position: Position) {
        let _ = self.first.compare_exchange(UNKNOWN, position.0, Ordering::Relaxed, Ordering::Relaxed);
        self.position.store(position.0, Ordering::Relaxed);
    }

    /// They go to here, as far as is known.
    pub(super) fn to(&self, target: Position) {
        self.target.store(target.0, Ordering::Relaxed);
    }
}
