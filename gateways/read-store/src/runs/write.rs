//! How batches come into the runs: all that one call brings in one go, rows, indexes, checkpoints and digests together.

use super::keys;
use super::tables::Named;
use super::walk::{self, Moment};
use super::{Orders, Runs, States};
use crate::packed::{Packed, unpacked};
use fjall::{OwnedWriteBatch, PersistMode, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Change, Checkpoint, Retention, Row, Schema, StoreError};
use stele_domain::port::state_store::Histories;

/// Where the positions begin at which every projection was at once.
pub const STATES: &[u8] = b"s";

/// The name of a checkpoint.
pub fn checkpoint_mark(projection: &str) -> Vec<u8> {
    [b"c", projection.as_bytes(), &[0]].concat()
}

/// Where the digests of a projection begin.
pub fn digest_marks(projection: &str) -> Vec<u8> {
    [b"d", projection.as_bytes(), &[0]].concat()
}

/// The name of one digest.
pub fn digest_mark(projection: &str, table: &str, part: u64) -> Vec<u8> {
    [&digest_marks(projection), table.as_bytes(), &[0], &part.to_be_bytes()].concat()
}

/// A checkpoint in bytes: version, position, and the event's id as text.
pub fn checkpoint_bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    let id = checkpoint.event_id.map(|id| id.to_string()).unwrap_or_default();
    [&checkpoint.version.to_be_bytes()[..], &checkpoint.position.0.to_be_bytes(), id.as_bytes()].concat()
}

/// One call's changes, as they gather.
struct Gathered<'r> {
    runs: &'r Runs,
    snapshot: Snapshot,
    moment: Moment,
    batch: OwnedWriteBatch,
    /// What this call has made of rows so far: a later batch of it may look at them.
    made: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Runs {
    /// Every index that a row stands in.
    pub fn places_of(&self, named: &Named, row: &Row, name: &[u8]) -> Vec<Vec<u8>> {
        match self.options.orders {
            Orders::All => keys::places(named.ordinal, &named.table, row, name),
            Orders::Key => vec![],
        }
    }

    /// Keeps all of these batches, or nothing of them.
    pub fn keep(&self, batches: Vec<Batch>) -> Result<(), StoreError> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut moved = heads.clone();
        let mut gathered = Gathered {
            runs: self,
            snapshot: self.snapshot(),
            moment: self.now(),
            batch: self.database.batch(),
            made: BTreeMap::new(),
        };
        let mut written = vec![];
        for batch in batches {
            let schema = *self.tables.schema(batch.projection)?;
            if batch.checkpoint < batch.expected {
                let why = format!("its checkpoint {} is before {}", batch.checkpoint, batch.expected);
                return Err(StoreError::Invalid(why));
            }
            gathered.check(&schema, &batch.changes)?;
            batch.check_digests(|name| self.tables.may_write(&schema, name)).map_err(StoreError::Invalid)?;
            let at = moved.get(schema.projection).copied().unwrap_or(Checkpoint::NOTHING);
            in_its_place(&batch, &at)?;
            let (version, position, event_id) = (batch.version, batch.checkpoint, batch.event_id);
            let checkpoint = Checkpoint { version, position, event_id };
            gathered.changes(batch.changes, position)?;
            for digest in batch.digests {
                let value = [&digest.rows.to_be_bytes()[..], &digest.value].concat();
                gathered.mark(&digest_mark(schema.projection, digest.table, digest.part), value, position);
            }
            gathered.mark(&checkpoint_mark(schema.projection), checkpoint_bytes(&checkpoint), position);
            moved.insert(schema.projection, checkpoint);
            written.push((schema.projection, position));
        }
        gathered.finish(&moved)?;
        *heads = moved;
        drop(heads);
        for (projection, position) in written {
            if let Some(reached) = self.reached.get(projection) {
                reached.send_if_modified(|at| {
                    let later = position > *at;
                    *at = (*at).max(position);
                    later
                });
            }
        }
        Ok(())
    }
}

/// Whether a batch goes on where its projection is.
fn in_its_place(batch: &Batch, at: &Checkpoint) -> Result<(), StoreError> {
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
    Ok(())
}

impl Gathered<'_> {
    /// Whether every change fits its table, and no row is changed twice.
    fn check(&self, schema: &Schema, changes: &[Change]) -> Result<(), StoreError> {
        let mut named = BTreeSet::new();
        for change in changes {
            let (name, key) = match change {
                Change::Put { table: name, row } => {
                    let Named { table, .. } = self.runs.tables.written_by(schema, name)?;
                    table.admits(row)?;
                    (*name, table.key_of(row))
                }
                Change::Delete(gone) => {
                    let Named { table, .. } = self.runs.tables.written_by(schema, gone.table)?;
                    if table.append_only || table.retention != Retention::All {
                        return Err(StoreError::Invalid(format!("table {} knows no deletion", gone.table)));
                    }
                    (gone.table, gone.key.clone())
                }
            };
            if !named.insert((name, key)) {
                return Err(StoreError::Invalid(format!("a row of {name} is changed twice")));
            }
        }
        Ok(())
    }

    fn changes(&mut self, changes: Vec<Change>, position: Position) -> Result<(), StoreError> {
        for change in changes {
            match change {
                Change::Put { table, row } => {
                    let named = self.runs.tables.table(table)?;
                    if named.table.append_only && self.runs.options.histories == Histories::PassBy {
                        continue;
                    }
                    self.put(&named, &row, position)?;
                }
                Change::Delete(gone) => {
                    let Named { ordinal, table, .. } = self.runs.tables.table(gone.table)?;
                    if let Some(name) = keys::name(ordinal, &table, &gone.key) {
                        self.delete(&Named { ordinal, table, owner: None }, name, position)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, named: &Named, row: &Row, position: Position) -> Result<(), StoreError> {
        let Named { ordinal, table, .. } = named;
        let Some(name) = keys::name(*ordinal, table, &table.key_of(row)) else {
            let why = format!("a key of table {} is longer than {} bytes", table.name, keys::NAME_BYTES_MAX);
            return Err(StoreError::Invalid(why));
        };
        if self.moment != Moment::Only
            && u64::try_from(table.position_of(row)).is_ok_and(|at| at > position.0)
        {
            let why = format!("a row of table {} has a position after {position}, its state's", table.name);
            return Err(StoreError::Invalid(why));
        }
        let packed = Packed::of(row);
        let before = self.before(&name)?;
        if before.as_deref() == Some(packed.bytes()) {
            return Ok(());
        }
        if table.append_only && before.is_some() {
            let why = format!("table {} is append-only and a written row would change", table.name);
            return Err(StoreError::Invalid(why));
        }
        let new = self.runs.places_of(named, row, &name);
        let old = self.places_of(named, &name, before.as_deref())?;
        self.replace_places(old, &new);
        let written = self.moment.written(&name, position.0);
        self.batch.insert(&self.runs.rows, written, packed.bytes());
        self.made.insert(name, Some(packed.bytes().to_vec()));
        Ok(())
    }

    fn delete(&mut self, named: &Named, name: Vec<u8>, position: Position) -> Result<(), StoreError> {
        let Some(before) = self.before(&name)? else { return Ok(()) };
        let old = self.places_of(named, &name, Some(&before))?;
        self.replace_places(old, &[]);
        match self.moment {
            Moment::Only => self.batch.remove(&self.runs.rows, name.clone()),
            Moment::UpTo(_) => {
                self.batch.insert(&self.runs.rows, self.moment.written(&name, position.0), []);
            }
        }
        self.made.insert(name, None);
        Ok(())
    }

    fn before(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(made) = self.made.get(name) {
            return Ok(made.clone());
        }
        let found = walk::value(&self.snapshot, &self.runs.rows, name, self.moment);
        found.map_err(|error| self.runs.failed(error))
    }

    fn places_of(
        &self,
        named: &Named,
        name: &[u8],
        packed: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(packed) = packed.filter(|_| self.runs.options.orders == Orders::All) else {
            return Ok(vec![]);
        };
        let row = unpacked(packed).ok_or_else(|| self.runs.damaged("a row that can't be read"))?;
        Ok(self.runs.places_of(named, &row, name))
    }

    /// A row that left a place still stood there in the states before: only where they are not kept does the place go.
    fn replace_places(&mut self, old: Vec<Vec<u8>>, new: &[Vec<u8>]) {
        for place in new.iter().filter(|place| !old.contains(place)) {
            self.batch.insert(&self.runs.places, place.clone(), []);
        }
        if self.moment == Moment::Only {
            for place in old.into_iter().filter(|place| !new.contains(place)) {
                self.batch.remove(&self.runs.places, place);
            }
        }
    }

    fn mark(&mut self, name: &[u8], value: Vec<u8>, position: Position) {
        self.batch.insert(&self.runs.marks, self.moment.written(name, position.0), value);
    }

    /// Writes it all in one go.
    fn finish(mut self, heads: &BTreeMap<&'static str, Checkpoint>) -> Result<(), StoreError> {
        let every = self.runs.options.states == States::Every;
        let first = heads.values().next().map(|head| head.position);
        if every
            && let Some(at) = first
            && heads.values().all(|head| head.position == at)
        {
            self.batch.insert(&self.runs.marks, [STATES, &at.0.to_be_bytes()].concat(), b"");
        }
        let durability = every.then_some(PersistMode::SyncData);
        let runs = self.runs;
        runs.commit(self.batch.durability(durability)).map_err(|error| runs.failed(error))
    }
}
