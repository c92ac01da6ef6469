//! What a projection sees while it folds: the rows it named, with what earlier events of the batch made of
//! them.

use crate::projection::{Poison, TableRow};
use crate::row::{from_row, to_row};
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Key, Row, RowKey};

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

/// A row of a batch.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub before: Before,
    pub made: Made,
}

/// What a row was before the batch.
#[derive(Debug, Default)]
pub(crate) enum Before {
    /// Nobody has asked the store.
    #[default]
    Unasked,
    Missing,
    Row(Row),
}

/// What the batch has made of a row so far.
#[derive(Debug, Default)]
pub(crate) enum Made {
    #[default]
    Nothing,
    Row(Row),
    Gone,
}

impl Before {
    fn of(row: Option<Row>) -> Self {
        row.map_or(Self::Missing, Self::Row)
    }

    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Unasked | Self::Missing => None,
            Self::Row(row) => Some(row),
        }
    }
}

impl Overlay {
    /// Starts with what was fetched.
    pub fn of(fetched: impl IntoIterator<Item = (RowKey, Option<Row>)>) -> Self {
        let slot = |row| Slot { before: Before::of(row), made: Made::Nothing };
        Self { slots: fetched.into_iter().map(|(key, row)| (key, slot(row))).collect() }
    }

    /// The rows that are made and of which nobody has asked what they were, in the order of tables and keys.
    pub fn unasked(&self) -> impl Iterator<Item = &RowKey> {
        let unasked =
            |slot: &Slot| matches!((&slot.before, &slot.made), (Before::Unasked, Made::Row(_) | Made::Gone));
        self.slots.iter().filter(move |(_, slot)| unasked(slot)).map(|(key, _)| key)
    }

    /// What rows were, asked for later.
    pub fn learn(&mut self, fetched: impl IntoIterator<Item = (RowKey, Option<Row>)>) {
        for (key, row) in fetched {
            self.slots.entry(key).or_default().before = Before::of(row);
        }
    }

    /// Every row, as it was and as it is, in the order of tables and keys.
    pub fn into_slots(self) -> impl Iterator<Item = (RowKey, Slot)> {
        self.slots.into_iter()
    }

    /// Keeps what one event made.
    pub fn keep(&mut self, made: BTreeMap<RowKey, Option<Row>>) {
        for (key, row) in made {
            self.slots.entry(key).or_default().made = row.map_or(Made::Gone, Made::Row);
        }
    }

    fn row(&self, key: &RowKey) -> Option<&Row> {
        let slot = self.slots.get(key)?;
        match &slot.made {
            Made::Nothing => slot.before.row(),
            Made::Row(row) => Some(row),
            Made::Gone => None,
        }
    }
}

/// The rows that one event may look at and change.
#[derive(Debug)]
pub struct Rows<'b> {
    overlay: &'b Overlay,
    at: Position,
    named: &'b [RowKey],
    made: BTreeMap<RowKey, Option<Row>>,
    mistake: Option<Mistake>,
}

/// What no event can be blamed for: the projection is wrong, whatever it folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It looked at a row that it had not named.
    Unnamed(RowKey),
    /// It wrote a row of a history that does not stand where its event stands.
    Misplaced(RowKey),
}

impl<'b> Rows<'b> {
    pub(crate) fn of(overlay: &'b Overlay, at: Position, named: &'b [RowKey]) -> Self {
        Self { overlay, at, named, made: BTreeMap::new(), mistake: None }
    }

    /// What the event made, or what the projection did wrong.
    pub(crate) fn finish(self) -> Result<BTreeMap<RowKey, Option<Row>>, Mistake> {
        self.mistake.map_or(Ok(self.made), Err)
    }

    /// Puts a whole row, whether it was there or not. It need not be named.
    ///
    /// # Errors
    ///
    /// [`Poison::Row`] when it does not fit its table; [`Poison::Misplaced`] when it is a row of a history and does not
    /// stand at the event's own position.
    pub fn insert<R: TableRow>(&mut self, row: &R) -> Result<(), Poison> {
        let cells = to_row(&R::TABLE, row)?;
        let key = RowKey { table: R::TABLE.name, key: R::TABLE.key_of(&cells) };
        if R::TABLE.append_only && u64::try_from(R::TABLE.position_of(&cells)) != Ok(self.at.0) {
            self.mistake = Some(Mistake::Misplaced(key.clone()));
            return Err(Poison::Misplaced { row: key });
        }
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
            self.mistake = Some(Mistake::Unnamed(key.clone()));
            return Err(Poison::Unnamed { row: key.clone() });
        }
        Ok(self.made.get(key).map_or_else(|| self.overlay.row(key), Option::as_ref))
    }
}
