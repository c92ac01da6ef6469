//! A state of the runs with what was folded onto it: the changes in memory, the rest read through.

use super::forget::Begun;
use super::merge::merged;
use super::walk::Moment;
use super::{Runs, aside};
use crate::memory::MemoryStore;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Change, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema,
    StoreError, Table,
};
use stele_domain::port::state_store::{Fork, Histories};

/// About what a row takes in memory beside its cells, in bytes: its name and place in a tree, in the order of positions and in
/// each of up to five indexes, some 80 bytes each.
const ROW_OVERHEAD_BYTES: usize = 600;

/// A fork of a past state. Cheap to clone.
#[derive(Clone)]
pub struct StateFork(Arc<Forked>);

struct Forked {
    runs: Arc<Runs>,
    /// Held so that the state stays.
    _begun: Begun,
    /// As of when rows are read that were not changed here.
    moment: Moment,
    histories: Histories,
    base: BTreeMap<&'static str, Checkpoint>,
    /// What rows came to where it began, by projection, table and part.
    digests: BTreeMap<(&'static str, &'static str, u64), Digest>,
    over: MemoryStore,
    /// Rows that were changed here, those that are gone included, and which projection did it last.
    changed: RwLock<BTreeMap<RowKey, &'static str>>,
}

impl StateFork {
    /// Begins with the state at a position at which one is kept.
    pub fn of(begun: Begun, histories: Histories) -> Result<Self, StoreError> {
        let runs = Arc::clone(begun.runs());
        let moment = Moment::UpTo(begun.at().0);
        let mut base = BTreeMap::new();
        let mut digests = BTreeMap::new();
        for projection in runs.tables.projections() {
            let (checkpoint, parts) = runs.digests(projection, moment)?;
            base.insert(projection, checkpoint);
            digests.extend(parts.into_iter().map(|digest| ((projection, digest.table, digest.part), digest)));
        }
        let over = MemoryStore::onward(&runs.tables.schemas, base.clone())?;
        let changed = RwLock::default();
        Ok(Self(Arc::new(Forked { runs, _begun: begun, moment, histories, base, digests, over, changed })))
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Forked) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let forked = self.0.clone();
        aside(&self.0.runs, move |_| work(&forked)).await
    }
}

impl Forked {
    fn changed(&self) -> RwLockReadGuard<'_, BTreeMap<RowKey, &'static str>> {
        self.changed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, mut batch: Batch) -> Result<(), StoreError> {
        let schema = *self.runs.tables.schema(batch.projection)?;
        if self.histories == Histories::PassBy {
            let tables = &self.runs.tables;
            batch.changes.retain(|change| match change {
                Change::Put { table, .. } => !tables.table(table).is_ok_and(|named| named.table.append_only),
                Change::Delete(_) => true,
            });
        }
        let mut names = Vec::with_capacity(batch.changes.len());
        for change in &batch.changes {
            names.push(match change {
                Change::Put { table, row } => {
                    let definition = self.runs.tables.table(table)?.table;
                    definition.admits(row)?;
                    RowKey { table, key: definition.key_of(row) }
                }
                Change::Delete(gone) => gone.clone(),
            });
        }
        // A reader that comes between the two finds the row in neither place, or in the one where it is now.
        self.over.keep(batch)?;
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        changed.extend(names.into_iter().map(|name| (name, schema.projection)));
        Ok(())
    }

    fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut rows = self.over.found(keys)?;
        let changed = self.changed();
        let missing = |(place, key): (usize, &RowKey)| {
            let known = rows.get(place).is_some_and(Option::is_some) || changed.contains_key(key);
            (!known).then(|| (place, key.clone()))
        };
        let missing: Vec<(usize, RowKey)> = keys.iter().enumerate().filter_map(missing).collect();
        drop(changed);
        let (places, names): (Vec<usize>, Vec<RowKey>) = missing.into_iter().unzip();
        for (place, row) in places.into_iter().zip(self.runs.load(&names, self.moment)?) {
            if let Some(slot) = rows.get_mut(place) {
                *slot = row;
            }
        }
        Ok(rows)
    }

    fn row(&self, table: &str, key: &Key) -> Result<Answer<Option<Row>>, StoreError> {
        let named = self.runs.tables.table(table)?;
        let Answer { value, as_of, .. } = self.over.row(table, key)?;
        let name = RowKey { table: named.table.name, key: key.clone() };
        let value = match value {
            Some(row) => Some(row),
            None if self.changed().contains_key(&name) => None,
            None => self.runs.row(table, key, self.moment)?.value,
        };
        Ok(Answer { value, as_of, cut_rows: self.cut_rows(&named.table)? })
    }

    fn page(&self, table: &str, query: &ScanQuery) -> Result<Answer<Page>, StoreError> {
        let named = self.runs.tables.table(table)?;
        let Answer { value: newer, as_of, .. } = self.over.page(table, query)?;
        let older = |after| {
            let query = ScanQuery { after, ..query.clone() };
            Ok(self.runs.page(table, &query, self.moment)?.value)
        };
        let changed = self.changed();
        let stays = |key: &Key| !changed.contains_key(&RowKey { table: named.table.name, key: key.clone() });
        let page = merged(&named.table, query, newer, older, stays)?;
        drop(changed);
        Ok(Answer { value: page, as_of, cut_rows: self.cut_rows(&named.table)? })
    }

    /// Rows of a history that were ever written and are not here.
    fn cut_rows(&self, table: &Table) -> Result<u64, StoreError> {
        if !table.append_only {
            return Ok(0);
        }
        let mut written = 0_u64;
        for projection in self.runs.tables.projections() {
            let (_, digests) = self.digests(projection)?;
            let own = digests.iter().filter(|digest| digest.table == table.name);
            written = own.fold(written, |rows, digest| rows.saturating_add(digest.rows));
        }
        let here = self.over.usage().into_iter().find(|usage| usage.table == table.name);
        let here = here.map_or(0, |usage| u64::try_from(usage.rows).unwrap_or(u64::MAX));
        Ok(written.saturating_sub(here))
    }

    fn digests(&self, projection: &str) -> Result<(Checkpoint, Vec<Digest>), StoreError> {
        let (at, newer) = self.over.digested(projection)?;
        let own = self.digests.iter().filter(|((of, ..), _)| *of == projection);
        let mut parts: BTreeMap<(&str, u64), Digest> =
            own.map(|((_, table, part), digest)| ((*table, *part), digest.clone())).collect();
        parts.extend(newer.into_iter().map(|digest| ((digest.table, digest.part), digest)));
        Ok((at, parts.into_values().collect()))
    }

    fn changes(&self) -> Result<Vec<Batch>, StoreError> {
        let mut batches = vec![];
        for schema in self.runs.tables.schemas.iter().filter(|schema| !schema.shared) {
            let projection = schema.projection;
            let (at, digests) = self.over.digested(projection)?;
            let changed = self.changed();
            let own = changed.iter().filter(|(_, writer)| **writer == projection);
            let names: Vec<RowKey> = own.map(|(name, _)| name.clone()).collect();
            drop(changed);
            let rows = self.over.found(&names)?;
            let change = |(name, row): (RowKey, Option<Row>)| match row {
                Some(row) => Change::Put { table: name.table, row },
                None => Change::Delete(name),
            };
            let expected = self.base.get(projection).map(|base| base.position).unwrap_or_default();
            batches.push(Batch {
                projection,
                version: at.version,
                expected,
                checkpoint: at.position,
                event_id: at.event_id,
                changes: names.into_iter().zip(rows).map(change).collect(),
                digests,
            });
        }
        Ok(batches)
    }
}

impl ReadStore for StateFork {
    fn schemas(&self) -> &[Schema] {
        &self.0.runs.tables.schemas
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.0.over.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        self.0.over.reached(projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        Box::pin(std::future::ready(self.0.digests(projection)))
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        let why = "a fork changes under whoever reads it: fork the same state once more instead";
        Box::pin(std::future::ready(Err(StoreError::Invalid(why.to_owned()))))
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        let keys = keys.to_vec();
        Box::pin(async move { self.aside(move |forked| forked.load(&keys)).await })
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(self.0.apply(batch)))
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        let (table, key) = (table.to_owned(), key.clone());
        Box::pin(async move { self.aside(move |forked| forked.row(&table, &key)).await })
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        let (table, query) = (table.to_owned(), query.clone());
        Box::pin(async move { self.aside(move |forked| forked.page(&table, &query)).await })
    }
}

impl Fork for StateFork {
    fn changes(&self) -> Result<Vec<Batch>, StoreError> {
        self.0.changes()
    }

    fn bytes(&self) -> usize {
        let of_rows = |usage: crate::memory::Usage| usage.bytes + usage.rows * ROW_OVERHEAD_BYTES;
        let of_digests = |digest: &Digest| digest.value.len() + ROW_OVERHEAD_BYTES;
        self.0.over.usage().into_iter().map(of_rows).sum::<usize>()
            + self.0.digests.values().map(of_digests).sum::<usize>()
    }
}
