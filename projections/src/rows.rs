//! What a projection sees while it folds: the rows it named, with what earlier events of the batch made of
//! them.

use crate::projection::{Poison, TableRow};
use crate::row::{from_row, to_row};
use std::collections::BTreeMap;
use stele_domain::port::read_store::{Change, Key, Row, RowKey};

/// The rows that one event names.
#[derive(Debug, Default)]
pub struct Keys(Vec<RowKey>);

impl Keys {
    /// Names a row.
    pub fn add<R: TableRow>(&mut self, key: impl Into<Key>) {
        self.0.push(RowKey { table: R::TABLE.name, key: key.into() });
    }

    pub(crate) fn take(&mut self) -> Vec<RowKey> {
        std::mem::take(&mut self.0)
    }
}

/// The rows of a batch: as they were fetched, and as they are by now.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    slots: BTreeMap<RowKey, Slot>,
}

#[derive(Debug)]
struct Slot {
    row: Option<Row>,
    changed: bool,
}

impl Overlay {
    /// Starts with what was fetched.
    pub fn of(fetched: impl IntoIterator<Item = (RowKey, Option<Row>)>) -> Self {
        let slot = |row| Slot { row, changed: false };
        Self { slots: fetched.into_iter().map(|(key, row)| (key, slot(row))).collect() }
    }

    /// What the batch changes, at most once per row, in the order of tables and keys.
    pub fn changes(self) -> Vec<Change> {
        let changed = self.slots.into_iter().filter(|(_, slot)| slot.changed);
        let change = |(key, slot): (RowKey, Slot)| match slot.row {
            Some(row) => Change::Put { table: key.table, row },
            None => Change::Delete(key),
        };
        changed.map(change).collect()
    }

    /// Keeps what one event made.
    pub fn keep(&mut self, made: BTreeMap<RowKey, Option<Row>>) {
        self.slots.extend(made.into_iter().map(|(key, row)| (key, Slot { row, changed: true })));
    }
}

/// The rows that one event may look at and change.
#[derive(Debug)]
pub struct Rows<'b> {
    overlay: &'b Overlay,
    named: &'b [RowKey],
    made: BTreeMap<RowKey, Option<Row>>,
    unnamed: Option<RowKey>,
}

impl<'b> Rows<'b> {
    pub(crate) fn of(overlay: &'b Overlay, named: &'b [RowKey]) -> Self {
        Self { overlay, named, made: BTreeMap::new(), unnamed: None }
    }

    /// What the event made, or the row that it looked at without having named it.
    pub(crate) fn finish(self) -> Result<BTreeMap<RowKey, Option<Row>>, RowKey> {
        self.unnamed.map_or(Ok(self.made), Err)
    }

    /// Puts a whole row, whether it was there or not. It need not be named.
    ///
    /// # Errors
    ///
    /// [`Poison::Row`] when it does not fit its table.
    pub fn insert<R: TableRow>(&mut self, row: &R) -> Result<(), Poison> {
        let cells = to_row(&R::TABLE, row)?;
        let key = RowKey { table: R::TABLE.name, key: R::TABLE.key_of(&cells) };
        self.made.insert(key, Some(cells));
        Ok(())
    }

    /// A row by its key, when it is there.
    ///
    /// # Errors
    ///
    /// [`Poison::Unnamed`] when the row was not named.
    pub fn get<R: TableRow>(&mut self, key: impl Into<Key>) -> Result<Option<R>, Poison> {
        let key = RowKey { table: R::TABLE.name, key: key.into() };
        let row = self.look(&key)?;
        row.map(|row| from_row(&R::TABLE, row)).transpose().map_err(Poison::from)
    }

    /// Changes a row when it is there, and does nothing when it isn't.
    ///
    /// # Errors
    ///
    /// [`Poison::Unnamed`] when the row was not named, and whatever `change` says.
    pub fn change<R: TableRow>(
        &mut self,
        key: impl Into<Key>,
        change: impl FnOnce(&mut R) -> Result<(), Poison>,
    ) -> Result<(), Poison> {
        let Some(mut row) = self.get::<R>(key)? else { return Ok(()) };
        change(&mut row)?;
        self.insert(&row)
    }

    /// Changes a row, made by `fresh` when it isn't there.
    ///
    /// # Errors
    ///
    /// As [`Rows::change`].
    pub fn upsert<R: TableRow>(
        &mut self,
        key: impl Into<Key>,
        fresh: impl FnOnce() -> R,
        change: impl FnOnce(&mut R) -> Result<(), Poison>,
    ) -> Result<(), Poison> {
        let mut row = self.get::<R>(key)?.unwrap_or_else(fresh);
        change(&mut row)?;
        self.insert(&row)
    }

    /// Takes a row away. It need not be named, nor be there.
    pub fn delete<R: TableRow>(&mut self, key: impl Into<Key>) {
        self.made.insert(RowKey { table: R::TABLE.name, key: key.into() }, None);
    }

    fn look(&mut self, key: &RowKey) -> Result<Option<&Row>, Poison> {
        if !self.named.contains(key) {
            self.unnamed = Some(key.clone());
            return Err(Poison::Unnamed { row: key.clone() });
        }
        let kept = || self.overlay.slots.get(key).and_then(|slot| slot.row.as_ref());
        Ok(self.made.get(key).map_or_else(kept, Option::as_ref))
    }
}
