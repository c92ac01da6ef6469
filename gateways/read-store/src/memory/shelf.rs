//! One table in memory: rows by key, the order of their positions, and the indexes its definition asks for.

use super::Usage;
use crate::packed::Packed;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{
    Cell, Cursor, Key, Order, PAGE_ROWS_MAX, Retention, Row, ScanQuery, StoreError, Table,
};

/// Where a row stands in the order of positions.
type Place = (i64, Arc<Key>);

/// The rows of one table.
#[derive(Clone)]
pub struct Shelf {
    table: Table,
    rows: BTreeMap<Arc<Key>, Stored>,
    /// Empty when the key order is the order of positions already.
    order: BTreeSet<Place>,
    indexes: Vec<Index>,
    bytes: usize,
    cut_rows: u64,
}

#[derive(Clone)]
struct Stored {
    position: i64,
    packed: Packed,
}

/// Rows by the value of one column. Values are kept as digests of eight bytes, for most of them are texts that the
/// rows have already: what an index names is a candidate, and whoever asks looks at the row itself.
#[derive(Clone)]
struct Index {
    /// Place of the column in the row.
    column: usize,
    /// Another one in every process, so that nobody outside can choose values that meet.
    digests: RandomState,
    entries: BTreeSet<(u64, Place)>,
}

type Candidates<'s> = Box<dyn Iterator<Item = &'s Arc<Key>> + 's>;

impl Shelf {
    pub fn new(table: Table) -> Self {
        let columns = table.indexes.iter().filter_map(|name| table.index_of(name));
        let indexes = columns.map(Index::new).collect();
        Self { table, rows: BTreeMap::new(), order: BTreeSet::new(), indexes, bytes: 0, cut_rows: 0 }
    }

    pub fn usage(&self) -> Usage {
        Usage { table: self.table.name, rows: self.rows.len(), bytes: self.bytes, cut_rows: self.cut_rows }
    }

    pub fn get(&self, key: &Key) -> Option<Packed> {
        self.rows.get(key).map(|stored| stored.packed.clone())
    }

    /// Whether putting this row would change what is written for good.
    pub fn forbids(&self, key: &Key, packed: &Packed) -> bool {
        self.table.append_only && self.rows.get(key).is_some_and(|stored| stored.packed != *packed)
    }

    pub fn put(&mut self, key: Arc<Key>, row: &Row, packed: Packed) {
        self.take(&key);
        let position = self.table.position_of(row);
        if !self.table.key_is_position() {
            self.order.insert((position, key.clone()));
        }
        for index in &mut self.indexes {
            if let Some(cell) = row.0.get(index.column) {
                index.entries.insert((index.digest(cell), (position, key.clone())));
            }
        }
        self.bytes += packed.len();
        self.rows.insert(key, Stored { position, packed });
    }

    pub fn delete(&mut self, key: &Key) {
        self.take(key);
    }

    /// Takes the place of the rows with this text in a column, by those of another shelf of the same table.
    pub fn replace_rows(&mut self, column: &str, value: &str, by: &Self) {
        let Some(column) = self.table.index_of(column) else { return };
        let value = Cell::text(value);
        let own = |shelf: &Self| -> Vec<(Arc<Key>, Packed)> {
            let rows = shelf.rows.iter().filter(|(_, stored)| stored.packed.cell(column) == value);
            rows.map(|(key, stored)| (key.clone(), stored.packed.clone())).collect()
        };
        for (key, _) in own(self) {
            self.take(&key);
        }
        for (key, packed) in own(by) {
            let row = packed.row();
            self.put(key, &row, packed);
        }
        self.cut();
    }

    /// Drops the oldest rows until the rest fits.
    pub fn cut(&mut self) {
        let Retention::Newest { rows, bytes } = self.table.retention else { return };
        while self.rows.len() > rows || (self.bytes > bytes && self.rows.len() > 1) {
            let Some(oldest) = self.oldest() else { return };
            self.take(&oldest);
            self.cut_rows += 1;
        }
    }

    fn oldest(&self) -> Option<Arc<Key>> {
        if self.table.key_is_position() {
            self.rows.first_key_value().map(|(key, _)| key.clone())
        } else {
            self.order.first().map(|(_, key)| key.clone())
        }
    }

    fn take(&mut self, key: &Key) {
        let Some((key, stored)) = self.rows.remove_entry(key) else { return };
        self.bytes -= stored.packed.len();
        let place = (stored.position, key);
        self.order.remove(&place);
        for index in &mut self.indexes {
            index.entries.remove(&(index.digest(&stored.packed.cell(index.column)), place.clone()));
        }
    }

    /// At most a page of rows, and whether there are more.
    pub fn scan(&self, query: &ScanQuery) -> Result<(Vec<Packed>, bool), StoreError> {
        let filters = self.filters(query)?;
        let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
        let mut page = Vec::with_capacity(limit.min(64));
        for key in self.candidates(query, &filters) {
            let Some(stored) = self.rows.get(key) else { continue };
            if filters.iter().all(|(column, wanted)| stored.packed.cell(*column) == *wanted) {
                if page.len() == limit {
                    return Ok((page, true));
                }
                page.push(stored.packed.clone());
            }
        }
        Ok((page, false))
    }

    /// Columns by place instead of by name, and values of the right kind.
    fn filters(&self, query: &ScanQuery) -> Result<Vec<(usize, Cell)>, StoreError> {
        let place = |(name, value): &(String, Cell)| {
            let bad = |why| StoreError::BadQuery { table: self.table.name, column: name.clone(), why };
            let at = self.table.index_of(name).ok_or_else(|| bad("there is no such column"))?;
            match value.kind() {
                Some(kind) if kind != self.table.columns[at].kind => Err(bad("the value is of another kind")),
                Some(_) | None => Ok((at, value.clone())),
            }
        };
        query.filters.iter().map(place).collect()
    }

    /// Every row that may be asked for, in order, after the cursor.
    fn candidates<'s>(&'s self, query: &'s ScanQuery, filters: &[(usize, Cell)]) -> Candidates<'s> {
        let after = query.after.as_ref();
        let indexed = filters.iter().find_map(|(column, value)| {
            self.indexes.iter().find(|index| index.column == *column).map(|index| (index, value))
        });
        match (query.order, indexed) {
            (Order::Position(direction), Some((index, value))) => index.places(value, direction, after),
            (Order::Key(direction), Some((index, value))) => {
                let mut keys: Vec<&Arc<Key>> = index.places(value, Direction::Forward, None).collect();
                keys.sort_unstable();
                if direction == Direction::Backward {
                    keys.reverse();
                }
                Box::new(keys.into_iter().filter(move |key| is_after(key, direction, after)))
            }
            (Order::Key(direction), None) => self.by_key(direction, after),
            (Order::Position(direction), None) if self.table.key_is_position() => {
                self.by_key(direction, after)
            }
            (Order::Position(direction), None) => {
                let place = after.map(|cursor| (cursor.position, Arc::new(cursor.key.clone())));
                match direction {
                    Direction::Forward => {
                        let lower = place.map_or(Bound::Unbounded, Bound::Excluded);
                        Box::new(self.order.range((lower, Bound::Unbounded)).map(|(_, key)| key))
                    }
                    Direction::Backward => {
                        let upper = place.map_or(Bound::Unbounded, Bound::Excluded);
                        Box::new(self.order.range((Bound::Unbounded, upper)).rev().map(|(_, key)| key))
                    }
                }
            }
        }
    }

    fn by_key(&self, direction: Direction, after: Option<&Cursor>) -> Candidates<'_> {
        let bound = after.map_or(Bound::Unbounded, |cursor| Bound::Excluded(&cursor.key));
        match direction {
            Direction::Forward => {
                Box::new(self.rows.range::<Key, _>((bound, Bound::Unbounded)).map(|(key, _)| key))
            }
            Direction::Backward => {
                Box::new(self.rows.range::<Key, _>((Bound::Unbounded, bound)).rev().map(|(key, _)| key))
            }
        }
    }
}

impl Index {
    fn new(column: usize) -> Self {
        Self { column, digests: RandomState::new(), entries: BTreeSet::new() }
    }

    fn digest(&self, cell: &Cell) -> u64 {
        self.digests.hash_one(cell)
    }

    /// Every row with this value, and hardly ever one with another, in the order of their positions.
    fn places(&self, value: &Cell, direction: Direction, after: Option<&Cursor>) -> Candidates<'_> {
        let digest = self.digest(value);
        let entry = |position, key: Key| (digest, (position, Arc::new(key)));
        let bound = after.map(|cursor| Bound::Excluded(entry(cursor.position, cursor.key.clone())));
        let first = || Bound::Included(entry(i64::MIN, Key(vec![])));
        let last = || Bound::Excluded(entry(i64::MAX, Key(vec![])));
        match direction {
            // A cursor may be anybody's text: one past every place must not turn the range around.
            Direction::Forward if after.is_some_and(|cursor| cursor.position == i64::MAX) => {
                Box::new(std::iter::empty())
            }
            Direction::Forward => {
                let range = (bound.unwrap_or_else(first), last());
                Box::new(self.entries.range(range).map(|(_, (_, key))| key))
            }
            Direction::Backward => {
                let range = (first(), bound.unwrap_or_else(last));
                Box::new(self.entries.range(range).rev().map(|(_, (_, key))| key))
            }
        }
    }
}

fn is_after(key: &Key, direction: Direction, after: Option<&Cursor>) -> bool {
    after.is_none_or(|cursor| match direction {
        Direction::Forward => *key > cursor.key,
        Direction::Backward => *key < cursor.key,
    })
}
