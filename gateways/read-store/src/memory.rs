//! The read store in memory: rows packed into bytes, history tables cut to their newest part.
//!
//! One lock around everything makes a batch atomic for its readers. Rows are packed before it is taken and
//! unpacked after it is given back, so that neither side holds it for longer than some pointers take.

mod history;
mod name;
mod next;
mod shelf;
mod tree;

use crate::packed::Packed;
use crate::still::Still;
use name::Name;
use next::Rebuilds;
use shelf::Shelf;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Answer, Batch, Change, Checkpoint, Cursor, Digest, Key, Misfit, Page, ReadStore, Retention, Row, RowKey,
    ScanQuery, Schema, StoreError, Table,
};
use tokio::sync::watch;

/// Tables in memory.
pub struct MemoryStore {
    schemas: Vec<Schema>,
    /// Which projection's checkpoint a table's rows are as of; `None` for shared tables.
    owners: BTreeMap<&'static str, Option<&'static str>>,
    contents: Arc<RwLock<Contents>>,
    rebuilds: Arc<Mutex<Rebuilds>>,
    reached: BTreeMap<&'static str, watch::Sender<Position>>,
}

#[derive(Clone, Default)]
struct Contents {
    shelves: BTreeMap<&'static str, Shelf>,
    checkpoints: BTreeMap<&'static str, Checkpoint>,
    /// By projection, table and part.
    digests: BTreeMap<(&'static str, &'static str, u64), Digest>,
    /// Whether histories are kept whole.
    uncut: bool,
}

/// How much one table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The table.
    pub table: &'static str,
    /// Rows that are there.
    pub rows: usize,
    /// Their packed size in bytes, without the trees around them.
    pub bytes: usize,
    /// Old rows that were dropped.
    pub cut_rows: u64,
}

/// A change that was checked and packed, ready to be put in place.
struct Step {
    table: &'static str,
    name: Name,
    /// The position of a row and the row; `None` when it is taken away.
    row: Option<(i64, Packed)>,
}

impl Step {
    /// Checks and packs one change of a table.
    fn of(table: &Table, change: Change, room: &mut Vec<u8>) -> Result<Self, StoreError> {
        match change {
            Change::Put { row, .. } => {
                table.admits(&row)?;
                let (name, packed) = (Name::of_row(table, &row), Packed::by_way_of(room, &row));
                Ok(Self { table: table.name, name, row: Some((table.position_of(&row), packed)) })
            }
            Change::Delete(_) if table.append_only || table.retention != Retention::All => {
                Err(StoreError::Invalid(format!("table {} knows no deletion", table.name)))
            }
            Change::Delete(gone) => Ok(Self { table: table.name, name: Name::from(&gone.key), row: None }),
        }
    }

    /// Which row it is about.
    fn place(&self) -> (&'static str, &Name) {
        (self.table, &self.name)
    }
}

impl MemoryStore {
    /// An empty store for these projections.
    ///
    /// # Errors
    ///
    /// [`StoreError::Misfit`] when a definition makes no sense, [`StoreError::Invalid`] when two share a name.
    pub fn new(schemas: &[Schema]) -> Result<Self, StoreError> {
        let mut owners = BTreeMap::new();
        let mut contents = Contents::default();
        let mut reached = BTreeMap::new();
        for schema in schemas {
            let start = Checkpoint::NOTHING;
            if !schema.shared && contents.checkpoints.insert(schema.projection, start).is_some() {
                return Err(StoreError::Invalid(format!("two projections are called {}", schema.projection)));
            }
            reached.insert(schema.projection, watch::Sender::new(Position::START));
            for table in schema.tables {
                check(table)?;
                owners.insert(table.name, (!schema.shared).then_some(schema.projection));
                if contents.shelves.insert(table.name, Shelf::new(*table)).is_some() {
                    return Err(StoreError::Invalid(format!("two tables are called {}", table.name)));
                }
            }
        }
        Ok(Self {
            schemas: schemas.to_vec(),
            owners,
            contents: Arc::new(RwLock::new(contents)),
            rebuilds: Arc::default(),
            reached,
        })
    }

    /// A store of these projections that are somewhere already, and of which nothing is kept but what is applied from now
    /// on: all of that.
    pub(crate) fn onward(
        schemas: &[Schema],
        checkpoints: BTreeMap<&'static str, Checkpoint>,
    ) -> Result<Self, StoreError> {
        let store = Self::new(schemas)?;
        for (projection, at) in &checkpoints {
            if let Some(reached) = store.reached.get(projection) {
                reached.send_replace(at.position);
            }
        }
        let mut contents = store.write();
        contents.checkpoints.extend(checkpoints);
        contents.uncut = true;
        drop(contents);
        Ok(store)
    }

    /// How much every table holds.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.read().shelves.values().map(Shelf::usage).collect()
    }

    /// Rows are shared with the copy, the trees around them are not: work for a thread of its own.
    async fn as_of_now(&self) -> Result<Arc<dyn ReadStore>, StoreError> {
        let copy = Self::new(&self.schemas)?;
        let live = Arc::clone(&self.contents);
        let copied = tokio::task::spawn_blocking(move || {
            let contents = live.read().unwrap_or_else(PoisonError::into_inner).clone();
            *copy.write() = contents;
            copy
        });
        let copy = copied.await.map_err(|ended| StoreError::Unavailable(Box::new(ended)))?;
        Ok(Arc::new(Still::of(copy)))
    }

    // A panic while the lock is held is a bug that the process does not survive in good order; the data itself
    // is only ever changed after every check has passed.
    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn schema(&self, projection: &str) -> Result<&Schema, StoreError> {
        let found = self.schemas.iter().find(|schema| !schema.shared && schema.projection == projection);
        found.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))
    }

    pub(crate) fn keep(&self, batch: Batch) -> Result<(), StoreError> {
        let schema = self.schema(batch.projection)?;
        if batch.checkpoint < batch.expected {
            let why = format!("its checkpoint {} is before {}", batch.checkpoint, batch.expected);
            return Err(StoreError::Invalid(why));
        }
        batch.check_digests(|name| self.written_by(schema, name)).map_err(StoreError::Invalid)?;
        let steps = self.prepared(schema, batch.changes)?;
        {
            let mut contents = self.write();
            let at = contents.checkpoint(batch.projection)?;
            if at.version != 0 && at.version != batch.version {
                return Err(StoreError::OtherVersion {
                    projection: batch.projection.to_owned(),
                    stored: at.version,
                    offered: batch.version,
                });
            }
            if at.position != batch.expected {
                return Err(StoreError::Conflict {
                    projection: batch.projection.to_owned(),
                    expected: batch.expected,
                    actual: at.position,
                });
            }
            contents.put_in_place(steps)?;
            for digest in batch.digests {
                contents.digests.insert((schema.projection, digest.table, digest.part), digest);
            }
            let (version, position, event_id) = (batch.version, batch.checkpoint, batch.event_id);
            let moved = Checkpoint { version, position, event_id };
            contents.checkpoints.insert(batch.projection, moved);
        }
        if let Some(reached) = self.reached.get(batch.projection) {
            reached.send_if_modified(|at| {
                let later = batch.checkpoint > *at;
                *at = (*at).max(batch.checkpoint);
                later
            });
        }
        Ok(())
    }

    /// Everything that can be checked and packed without the lock.
    fn prepared(&self, schema: &Schema, changes: Vec<Change>) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::with_capacity(changes.len());
        let mut room = vec![];
        let mut last: Option<&Table> = None;
        for change in changes {
            let name = match &change {
                Change::Put { table, .. } => table,
                Change::Delete(gone) => gone.table,
            };
            // Changes come table by table: the one before is mostly of the same.
            let table = match last.filter(|last| last.name == name) {
                Some(table) => table,
                None => self.table_of(schema, name)?,
            };
            last = Some(table);
            steps.push(Step::of(table, change, &mut room)?);
        }
        each_once(&steps)?;
        Ok(steps)
    }

    /// A table that a projection may write, or why it may not.
    fn table_of(&self, schema: &Schema, name: &str) -> Result<&Table, StoreError> {
        let table = self.table(name)?;
        if self.written_by(schema, name).is_none() {
            let why = format!("{} writes table {name}, which is not its own", schema.projection);
            return Err(StoreError::Invalid(why));
        }
        Ok(table)
    }

    /// A table that a projection may write: its own, or one that is shared.
    fn written_by(&self, schema: &Schema, name: &str) -> Option<&Table> {
        let shared = self.schemas.iter().filter(|other| other.shared);
        shared.chain([schema]).flat_map(|schema| schema.tables).find(|table| table.name == name)
    }

    fn table(&self, name: &str) -> Result<&Table, StoreError> {
        let mut tables = self.schemas.iter().flat_map(|schema| schema.tables);
        tables.find(|table| table.name == name).ok_or_else(|| StoreError::UnknownTable(name.to_owned()))
    }

    fn answer<T>(
        &self,
        table: &str,
        ask: impl FnOnce(&Shelf) -> Result<T, StoreError>,
    ) -> Result<Answer<T>, StoreError> {
        let contents = self.read();
        let found = contents.shelf(table)?;
        let as_of = match self.owners.get(table).copied().flatten() {
            Some(projection) => contents.checkpoint(projection)?.position,
            None => contents.checkpoints.values().map(|c| c.position).min().unwrap_or_default(),
        };
        Ok(Answer { value: ask(found)?, as_of, cut_rows: found.usage().cut_rows })
    }

    pub(crate) fn found(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let packed: Vec<Option<Packed>> = {
            let contents = self.read();
            keys.iter()
                .map(|k| Ok(contents.shelf(k.table)?.get(&k.key)))
                .collect::<Result<_, StoreError>>()?
        };
        Ok(packed.into_iter().map(|row| row.map(|packed| packed.row())).collect())
    }

    pub(crate) fn digested(&self, projection: &str) -> Result<(Checkpoint, Vec<Digest>), StoreError> {
        let version = self.schema(projection)?.version;
        let contents = self.read();
        let at = contents.checkpoint(projection)?;
        let of_this = at.version == version;
        Ok((at, if of_this { contents.digests(projection) } else { vec![] }))
    }

    pub(crate) fn row(&self, table: &str, key: &Key) -> Result<Answer<Option<Row>>, StoreError> {
        let answer = self.answer(table, |shelf| Ok(shelf.get(key)))?;
        let Answer { value, as_of, cut_rows } = answer;
        Ok(Answer { value: value.map(|packed| packed.row()), as_of, cut_rows })
    }

    pub(crate) fn page(&self, table: &str, query: &ScanQuery) -> Result<Answer<Page>, StoreError> {
        let definition = *self.table(table)?;
        let Answer { value: (packed, more), as_of, cut_rows } =
            self.answer(table, |shelf| shelf.scan(query))?;
        let rows: Vec<Row> = packed.iter().map(Packed::row).collect();
        let next = rows.last().filter(|_| more).map(|row| Cursor::of(&definition, row));
        Ok(Answer { value: Page { rows, next }, as_of, cut_rows })
    }
}

impl Contents {
    fn shelf(&self, table: &str) -> Result<&Shelf, StoreError> {
        self.shelves.get(table).ok_or_else(|| StoreError::UnknownTable(table.to_owned()))
    }

    fn checkpoint(&self, projection: &str) -> Result<Checkpoint, StoreError> {
        let at = self.checkpoints.get(projection).copied();
        at.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))
    }

    fn digests(&self, projection: &str) -> Vec<Digest> {
        let own = self.digests.iter().filter(|((of, ..), _)| *of == projection);
        own.map(|(_, digest)| digest.clone()).collect()
    }

    /// All steps, or none when one would change a row of an append-only table.
    fn put_in_place(&mut self, steps: Vec<Step>) -> Result<(), StoreError> {
        for group in steps.chunk_by(|one, next| one.table == next.table) {
            let Some(Step { table, .. }) = group.first() else { continue };
            let rows = self.shelf(table)?;
            let changed =
                |step: &Step| step.row.as_ref().is_some_and(|(_, row)| rows.forbids(&step.name, row));
            if group.iter().any(changed) {
                let why = format!("table {table} is append-only and a written row would change");
                return Err(StoreError::Invalid(why));
            }
        }
        let mut steps = steps.into_iter().peekable();
        while let Some(table) = steps.peek().map(|step| step.table) {
            let mut rows = self.shelves.get_mut(table);
            while let Some(Step { name, row, .. }) = steps.next_if(|step| step.table == table) {
                match (&mut rows, row) {
                    (Some(rows), Some((position, packed))) => rows.put(name, position, packed),
                    (Some(rows), None) => rows.delete(&name),
                    (None, _) => {}
                }
            }
        }
        if !self.uncut {
            self.shelves.values_mut().for_each(Shelf::cut);
        }
        Ok(())
    }
}

/// Refuses a row that is changed twice. Rows mostly come in order, and then none is.
fn each_once(steps: &[Step]) -> Result<(), StoreError> {
    if steps.is_sorted_by(|one, next| one.place() < next.place()) {
        return Ok(());
    }
    let mut places: Vec<_> = steps.iter().map(Step::place).collect();
    places.sort_unstable();
    match places.array_windows().find(|[one, next]| one == next) {
        Some([(table, _), _]) => Err(StoreError::Invalid(format!("a row of {table} is changed twice"))),
        None => Ok(()),
    }
}

/// Refuses definitions that this store can't keep to.
fn check(table: &Table) -> Result<(), Misfit> {
    table.check()?;
    match table.retention {
        Retention::All => Ok(()),
        Retention::Newest { rows, bytes } if rows > 0 && (table.append_only || bytes == usize::MAX) => Ok(()),
        Retention::Newest { .. } => Err(Misfit {
            table: table.name,
            column: "retention".to_owned(),
            why: "at least one row, and a bound in bytes only for append-only tables".to_owned(),
        }),
    }
}

impl ReadStore for MemoryStore {
    fn schemas(&self) -> &[Schema] {
        &self.schemas
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        Box::pin(ready(self.read().checkpoint(projection)))
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        Box::pin(async move {
            self.schema(projection)?;
            let reached = self.reached.get(projection);
            let reached = reached.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))?;
            let mut watch = reached.subscribe();
            let at = watch.wait_for(|at| *at >= position).await;
            at.map(|at| *at).map_err(|closed| StoreError::Unavailable(Box::new(closed)))
        })
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        Box::pin(ready(self.digested(projection)))
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        Box::pin(self.as_of_now())
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(ready(self.found(keys)))
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(self.keep(batch)))
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        Box::pin(ready(self.row(table, key)))
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(ready(self.page(table, query)))
    }
}
