//! What a projection sees while it folds: the rows it named, with what earlier events of the batch made of
//! them.
//!
//! A row that many events of a batch change stays a struct until the batch ends, and becomes cells once, unless its cells are
//! what is changed.

mod slots;

use crate::projection::{Poison, TableRow};
use crate::row::{Fields, Room, RowError, from_row, to_row_in};
use slots::Slots;
use std::any::Any;
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Key, Row, RowKey, Table};

/// The rows that one event names.
#[derive(Debug, Default)]
pub struct Keys(Vec<RowKey>);

impl Keys {
    /// Names a row.
    pub fn add<R: TableRow>(&mut self, key: impl Into<Key>) {
        self.0.push(RowKey { table: R::TABLE.name, key: key.into() });
    }

    /// How many are named so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_vec(self) -> Vec<RowKey> {
        self.0
    }
}

/// When structs become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// When the batch ends.
    AtTheEnd,
    /// With every event: so it is known which one made a row that does not fit its table.
    AtOnce,
}

/// The rows of a batch: as they were fetched, and as they are by now.
#[derive(Debug)]
pub(crate) struct Overlay {
    tables: BTreeMap<&'static str, Slots<Slot>>,
    /// Rows that are named by their position alone, of histories that nobody looks at: they come in order.
    appended: BTreeMap<&'static str, (&'static Table, Vec<Row>)>,
    cells: Cells,
}

/// A row of a batch.
#[derive(Debug, Default)]
struct Slot {
    before: Before,
    made: Made,
}

/// What one event made.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Few: the last one of a row is what it is.
    pub rows: Vec<(RowKey, Made)>,
    pub appended: Vec<(&'static Table, Row)>,
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
    Struct(Box<dyn Struct>),
    Gone,
}

/// A row as a struct that is not cells yet.
pub(crate) trait Struct: Any + Send + Sync {
    /// Its cells.
    fn row(&self, room: &mut Room) -> Result<Row, RowError>;
    /// The name that its cells give it.
    fn key(&self, row: &Row) -> Key;
    fn any(&self) -> &dyn Any;
}

impl<R: TableRow> Struct for R {
    fn row(&self, room: &mut Room) -> Result<Row, RowError> {
        to_row_in(&R::TABLE, self, room)
    }

    fn key(&self, row: &Row) -> Key {
        R::TABLE.key_of(row)
    }

    fn any(&self) -> &dyn Any {
        self
    }
}

impl std::fmt::Debug for dyn Struct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.row(&mut Room::default()).fmt(f)
    }
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
    pub fn of(fetched: impl IntoIterator<Item = (RowKey, Option<Row>)>, cells: Cells) -> Self {
        let mut overlay = Self { tables: BTreeMap::new(), appended: BTreeMap::new(), cells };
        for (key, row) in fetched {
            overlay.slot(key).before = Before::of(row);
        }
        overlay
    }

    /// Keeps what one event made.
    pub fn keep(&mut self, Kept { rows, appended }: Kept) {
        for (table, row) in appended {
            self.append(table, row);
        }
        for (key, made) in rows {
            self.slot(key).made = made;
        }
    }

    fn append(&mut self, table: &'static Table, row: Row) {
        let (_, rows) = self.appended.entry(table.name).or_insert_with(|| (table, vec![]));
        let again = rows.last().is_some_and(|last| table.position_of(last) == table.position_of(&row));
        if again {
            rows.pop();
        }
        rows.push(row);
    }

    fn slot(&mut self, RowKey { table, key }: RowKey) -> &mut Slot {
        let slots = self.tables.entry(table).or_default();
        // A history that is changed in another way, too: all of it goes there.
        if let Some((table, rows)) = self.appended.remove(table) {
            for row in rows {
                let key = table.key_of(&row);
                slots.slot(key).made = Made::Row(row);
            }
        }
        slots.slot(key)
    }

    /// Whether a row need not be told by its name from others.
    fn is_appended(&self, table: &Table) -> bool {
        table.append_only && table.key.len() == 1 && !self.tables.contains_key(table.name)
    }

    /// What the batch has changed, as cells; `None` when a struct does not fit its table, or has another name than the
    /// one that it was kept by.
    pub fn settle(self) -> Option<Settled> {
        let mut room = Room::default();
        let mut tables = BTreeMap::new();
        for (table, slots) in self.tables {
            let mut rows = vec![];
            for (key, Slot { before, made }) in slots.into_ordered() {
                let is = match made {
                    Made::Nothing => continue,
                    Made::Row(row) => Some(row),
                    Made::Struct(row) => Some(row.row(&mut room).ok().filter(|cells| row.key(cells) == key)?),
                    Made::Gone => None,
                };
                rows.push((key, Settling { before, is }));
            }
            tables.insert(table, Changes::Rows(rows));
        }
        tables.extend(self.appended.into_iter().map(|(table, (_, rows))| (table, Changes::Appended(rows))));
        Some(Settled { tables })
    }
}

/// The rows that a batch has changed.
pub(crate) struct Settled {
    tables: BTreeMap<&'static str, Changes>,
}

/// What a batch has changed in one table, in the order of keys.
pub(crate) enum Changes {
    /// New rows of a history.
    Appended(Vec<Row>),
    Rows(Vec<(Key, Settling)>),
}

impl Changes {
    fn rows(&self) -> &[(Key, Settling)] {
        match self {
            Self::Appended(_) => &[],
            Self::Rows(rows) => rows,
        }
    }
}

/// A row that a batch has changed.
pub(crate) struct Settling {
    pub before: Before,
    /// `None` when it is gone.
    pub is: Option<Row>,
}

impl Settled {
    /// The rows of which nobody has asked what they were, in the order of tables and keys.
    pub fn unasked(&self) -> impl Iterator<Item = (&'static str, &Key)> {
        let unasked = |row: &Settling| matches!(row.before, Before::Unasked);
        let rows = self.tables.iter().map(|(table, changes)| (*table, changes.rows()));
        rows.flat_map(move |(table, rows)| {
            rows.iter().filter(move |(_, row)| unasked(row)).map(move |(key, _)| (table, key))
        })
    }

    /// What rows were.
    pub fn learn(&mut self, fetched: impl IntoIterator<Item = (RowKey, Option<Row>)>) {
        for (key, row) in fetched {
            let Some(Changes::Rows(rows)) = self.tables.get_mut(key.table) else { continue };
            let place = rows.binary_search_by(|(at, _)| at.cmp(&key.key));
            if let Some((_, slot)) = place.ok().and_then(|at| rows.get_mut(at)) {
                slot.before = Before::of(row);
            }
        }
    }

    /// Every row, table by table and in the order of their keys.
    pub fn into_tables(self) -> impl Iterator<Item = (&'static str, Changes)> {
        self.tables.into_iter()
    }
}

/// The rows that one event may look at and change.
#[derive(Debug)]
pub struct Rows<'b> {
    overlay: &'b Overlay,
    at: Position,
    named: &'b [RowKey],
    made: Kept,
    mistake: Option<Mistake>,
    room: &'b mut Room,
}

/// What no event can be blamed for: the projection is wrong, whatever it folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It looked at a row that it had not named.
    Unnamed(RowKey),
    /// It wrote a row of a history that does not stand where its event stands.
    Misplaced(RowKey),
    /// It made a row whose key is not the one that it was asked for by.
    Renamed(RowKey),
}

impl<'b> Rows<'b> {
    pub(crate) fn of(overlay: &'b Overlay, at: Position, named: &'b [RowKey], room: &'b mut Room) -> Self {
        Self { overlay, at, named, made: Kept::default(), mistake: None, room }
    }

    /// What the event made, or what the projection did wrong.
    pub(crate) fn finish(self) -> Result<Kept, Mistake> {
        self.mistake.map_or(Ok(self.made), Err)
    }

    /// Puts a whole row, whether it was there or not. It need not be named.
    ///
    /// # Errors
    ///
    /// [`Poison::Row`] when it does not fit its table; [`Poison::Misplaced`] when it is a row of a history and does not
    /// stand at the event's own position.
    pub fn insert<R: TableRow>(&mut self, row: &R) -> Result<(), Poison> {
        let cells = to_row_in(&R::TABLE, row, self.room)?;
        self.keep::<R>(cells)
    }

    /// Room to write a text out in before it becomes a cell, kept from one event to the next.
    pub fn room(&mut self) -> &mut String {
        self.room.text()
    }

    /// As [`Rows::insert`], of a row whose cells are made already: for what comes with every event and can be made faster than
    /// serde does.
    ///
    /// # Errors
    ///
    /// As [`Rows::insert`].
    pub fn insert_cells<R: TableRow>(&mut self, cells: Row) -> Result<(), Poison> {
        R::TABLE.admits(&cells).map_err(RowError::from)?;
        self.keep::<R>(cells)
    }

    fn keep<R: TableRow>(&mut self, cells: Row) -> Result<(), Poison> {
        let stands = || u64::try_from(R::TABLE.position_of(&cells)) == Ok(self.at.0);
        if self.overlay.is_appended(&R::TABLE) && stands() {
            self.made.appended.push((const { &R::TABLE }, cells));
            return Ok(());
        }
        let key = RowKey { table: R::TABLE.name, key: R::TABLE.key_of(&cells) };
        if R::TABLE.append_only && u64::try_from(R::TABLE.position_of(&cells)) != Ok(self.at.0) {
            self.mistake = Some(Mistake::Misplaced(key.clone()));
            return Err(Poison::Misplaced { row: key });
        }
        self.made.rows.push((key, Made::Row(cells)));
        Ok(())
    }

    /// A row by its key, when it is there.
    ///
    /// # Errors
    ///
    /// [`Poison::Unnamed`] when the row was not named.
    pub fn get<R: TableRow>(&mut self, key: impl Into<Key>) -> Result<Option<R>, Poison> {
        self.look(&RowKey { table: R::TABLE.name, key: key.into() })
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
        let key = RowKey { table: R::TABLE.name, key: key.into() };
        let Some(mut row) = self.look::<R>(&key)? else { return Ok(()) };
        change(&mut row)?;
        self.put(key, row)
    }

    /// As [`Rows::change`], cell by cell and without the struct: for what changes with every other event, and is told without a
    /// look at what was there. A word there that the struct would not know is passed over.
    ///
    /// # Errors
    ///
    /// As [`Rows::change`].
    pub(crate) fn change_cells<R: TableRow>(
        &mut self,
        key: impl Into<Key>,
        change: impl FnOnce(&mut Fields<'_>),
    ) -> Result<(), Poison> {
        let key = RowKey { table: R::TABLE.name, key: key.into() };
        self.named(&key)?;
        let mut cells = match standing(self.overlay, &self.made, &key) {
            Standing::Nothing => return Ok(()),
            Standing::Row(row) => row.clone(),
            Standing::Struct(row) => row.row(self.room)?,
        };
        change(&mut Fields::of(const { &R::TABLE }, &mut cells));
        R::TABLE.admits(&cells).map_err(RowError::from)?;
        self.put_cells::<R>(key, cells)
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
        let key = RowKey { table: R::TABLE.name, key: key.into() };
        let mut row = self.look(&key)?.unwrap_or_else(fresh);
        change(&mut row)?;
        self.put(key, row)
    }

    /// Takes a row away. It need not be named, nor be there.
    pub fn delete<R: TableRow>(&mut self, key: impl Into<Key>) {
        self.made.rows.push((RowKey { table: R::TABLE.name, key: key.into() }, Made::Gone));
    }

    fn put<R: TableRow>(&mut self, key: RowKey, row: R) -> Result<(), Poison> {
        if R::TABLE.append_only || self.overlay.cells == Cells::AtOnce {
            let cells = to_row_in(&R::TABLE, &row, self.room)?;
            return self.put_cells::<R>(key, cells);
        }
        self.made.rows.push((key, Made::Struct(Box::new(row))));
        Ok(())
    }

    fn put_cells<R: TableRow>(&mut self, key: RowKey, cells: Row) -> Result<(), Poison> {
        if R::TABLE.key_of(&cells) != key.key {
            self.mistake = Some(Mistake::Renamed(key));
        }
        self.keep::<R>(cells)
    }

    fn look<R: TableRow>(&mut self, key: &RowKey) -> Result<Option<R>, Poison> {
        self.named(key)?;
        let row = match standing(self.overlay, &self.made, key) {
            Standing::Nothing => return Ok(None),
            Standing::Row(row) => row,
            Standing::Struct(row) => {
                if let Some(row) = row.any().downcast_ref::<R>() {
                    return Ok(Some(row.clone()));
                }
                return Ok(Some(from_row(&R::TABLE, &row.row(self.room)?)?));
            }
        };
        Ok(Some(from_row(&R::TABLE, row)?))
    }

    fn named(&mut self, key: &RowKey) -> Result<(), Poison> {
        if self.named.contains(key) {
            return Ok(());
        }
        self.mistake = Some(Mistake::Unnamed(key.clone()));
        Err(Poison::Unnamed { row: key.clone() })
    }
}

/// What a row is by now.
enum Standing<'k> {
    Nothing,
    Row(&'k Row),
    Struct(&'k dyn Struct),
}

/// What one event has made of a row, or else the events before it, or what it was before them all.
fn standing<'k>(overlay: &'k Overlay, made: &'k Kept, key: &RowKey) -> Standing<'k> {
    let slot = || overlay.tables.get(key.table)?.get(&key.key);
    let made = made.rows.iter().rev().find(|(made, _)| made == key).map(|(_, made)| made);
    let slot = made.is_none().then(slot).flatten();
    match made.or(slot.map(|slot| &slot.made)) {
        Some(Made::Gone) => Standing::Nothing,
        Some(Made::Row(row)) => Standing::Row(row),
        Some(Made::Struct(row)) => Standing::Struct(&**row),
        Some(Made::Nothing) | None => {
            slot.and_then(|slot| slot.before.row()).map_or(Standing::Nothing, Standing::Row)
        }
    }
}

#[cfg(test)]
mod tests;
