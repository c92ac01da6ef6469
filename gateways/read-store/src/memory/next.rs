//! Rebuilds in memory: a fresh store whose shelves take the place of the live ones under one lock. What was replaced is
//! gone then, and what is not swapped is gone with its claim: there is no room for more than two of anything.

use super::{Contents, MemoryStore};
use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use stele_domain::port::PortFuture;
use stele_domain::port::read_store::{
    Checkpoint, Claim, OldTables, ReadStore, Rebuild, RebuildPhase, Rebuilding, Schema, StoreError, Swap,
    Wanted,
};
use stele_domain::time::Timestamp;

/// Which projections are in somebody's hands, and what was said of rebuilds.
#[derive(Default)]
pub struct Rebuilds {
    held: BTreeSet<&'static str>,
    known: BTreeMap<String, Rebuild>,
}

/// The claim.
struct Held {
    projections: Vec<&'static str>,
    next: Arc<MemoryStore>,
    live: Arc<RwLock<Contents>>,
    rebuilds: Arc<Mutex<Rebuilds>>,
}

impl MemoryStore {
    fn known(&self) -> MutexGuard<'_, Rebuilds> {
        self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claimed(&self, wanted: &Wanted) -> Result<Box<dyn Claim>, StoreError> {
        let shared = self.schemas.iter().filter(|schema| schema.shared).copied();
        let mut schemas: Vec<Schema> = shared.collect();
        for projection in &wanted.projections {
            schemas.push(*self.schema(projection)?);
        }
        let next = Arc::new(Self::new(&schemas)?);
        let mut rebuilds = self.known();
        if let Some(held) = wanted.projections.iter().find(|name| rebuilds.held.contains(*name)) {
            let known = rebuilds.known.get(*held);
            return Err(StoreError::Rebuilding {
                projection: (*held).to_owned(),
                by: known.map_or_else(|| "somebody".to_owned(), |known| known.by.clone()),
                since: known.map_or(Timestamp::from_micros(0), |known| known.began_at),
            });
        }
        rebuilds.held.extend(&wanted.projections);
        Ok(Box::new(Held {
            projections: wanted.projections.clone(),
            next,
            live: Arc::clone(&self.contents),
            rebuilds: Arc::clone(&self.rebuilds),
        }))
    }
}

impl Rebuilding for MemoryStore {
    fn rebuilds(&self) -> PortFuture<'_, Result<Vec<Rebuild>, StoreError>> {
        let rebuilds = self.known();
        let told = |known: &Rebuild| {
            let alone = !rebuilds.held.contains(known.projection.as_str());
            let phase =
                if alone && known.phase.is_under_way() { RebuildPhase::Interrupted } else { known.phase };
            Rebuild { phase, ..known.clone() }
        };
        Box::pin(ready(Ok(rebuilds.known.values().map(told).collect())))
    }

    fn old_tables(&self) -> PortFuture<'_, Result<Vec<OldTables>, StoreError>> {
        Box::pin(ready(Ok(vec![])))
    }

    fn claim(&self, wanted: Wanted) -> PortFuture<'_, Result<Box<dyn Claim>, StoreError>> {
        Box::pin(ready(self.claimed(&wanted)))
    }

    fn drop_old<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<(), StoreError>> {
        Box::pin(ready(self.schema(projection).map(|_| ())))
    }
}

impl Claim for Held {
    fn next(&self) -> Arc<dyn ReadStore> {
        Arc::<MemoryStore>::clone(&self.next)
    }

    fn note(&self, rebuild: Rebuild) -> PortFuture<'_, Result<(), StoreError>> {
        let mut rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        rebuilds.known.insert(rebuild.projection.clone(), rebuild);
        Box::pin(ready(Ok(())))
    }

    fn swap(&self, swap: Swap) -> PortFuture<'_, Result<bool, StoreError>> {
        let schema = self.next.schema(swap.projection).copied();
        let swapped = schema.and_then(|schema| {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            live.take_over(&mut self.next.write(), &schema, &swap)
        });
        Box::pin(ready(swapped.map(|()| true)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        for projection in &self.projections {
            rebuilds.held.remove(projection);
        }
    }
}

impl Contents {
    /// Takes everything of one projection from the next contents.
    fn take_over(&mut self, next: &mut Self, schema: &Schema, swap: &Swap) -> Result<(), StoreError> {
        let (live, ahead) = (self.checkpoint(schema.projection)?, next.checkpoint(schema.projection)?);
        if live != swap.live || ahead.position != swap.next || ahead.position < live.position {
            return Err(StoreError::Conflict {
                projection: schema.projection.to_owned(),
                expected: swap.live.position,
                actual: live.position,
            });
        }
        let own = |name: &str| schema.tables.iter().any(|table| table.name == name);
        for (name, shelf) in &mut self.shelves {
            let Some(next) = next.shelves.get_mut(name) else { continue };
            if own(name) {
                std::mem::swap(shelf, next);
            } else {
                shelf.replace_rows("projection", schema.projection, next);
            }
        }
        // At one position of one log there is one event, whoever has named it.
        let known = live.event_id.filter(|_| live.position == ahead.position);
        let ahead = Checkpoint { event_id: ahead.event_id.or(known), ..ahead };
        self.checkpoints.insert(schema.projection, ahead);
        self.digests.retain(|(projection, ..), _| *projection != schema.projection);
        let digests = next.digests.iter().filter(|((projection, ..), _)| *projection == schema.projection);
        self.digests.extend(digests.map(|(key, digest)| (*key, digest.clone())));
        Ok(())
    }
}
