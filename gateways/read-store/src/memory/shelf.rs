//! One table in memory: rows by key, the order of their positions, and the indexes its definition asks for.

use super::Usage;
use super::rows::{Rows, Stored};
use crate::packed::Packed;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{
    Cell, Cursor, Key, Order, PAGE_ROWS_MAX, Retention, ScanQuery, StoreError, Table,
};

/// Where a row stands in the order of positions.
type Place = (i64, Arc<Key>);

/// The rows of one table.
#[derive(Clone)]
pub struct Shelf {
    table: Table,
    rows: Rows,
    /// Empty when the key order is the order of positions already.
    order: BTreeSet<Place>,
    indexes: Vec<Index>,
    bytes: usize,
    cut_rows: u64,
}

/// Rows by the value of one column. Values are kept as digests of eight bytes, for most of them are texts that the
/// rows have already: what an index names is a candidate, and whoever asks looks at the row itself.
#[derive(Clone)]
struct Index {
    /// Place of the column in the row.
    column: usize,
    /// Another one in every process, so that nobody outside can choose values that meet.
    digests: RandomState,
    entries: HashMap<u64, Places, BuildHasherDefault<AsItIs>>,
}

/// What is a digest already need not be hashed again.
#[derive(Clone, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

/// The rows with one value: mostly one, for most values are ids.
#[derive(Clone)]
enum Places {
    One(Place),
    /// In their order, for as long as they come at one end and go at the other, as those of a history do.
    Queue(VecDeque<Place>),
    Many(BTreeSet<Place>),
}

type Candidates<'s> = Box<dyn Iterator<Item = &'s Arc<Key>> + 's>;

impl Shelf {
    pub fn new(table: Table) -> Self {
        let columns = table.indexes.iter().filter_map(|name| table.index_of(name));
        let indexes = columns.map(Index::new).collect();
        Self {
            table,
            rows: Rows::new(table.append_only),
            order: BTreeSet::new(),
            indexes,
            bytes: 0,
            cut_rows: 0,
        }
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

    pub fn put(&mut self, key: Arc<Key>, position: i64, packed: Packed) {
        self.take(&key);
        if !self.table.key_is_position() {
            self.order.insert((position, key.clone()));
        }
        for index in &mut self.indexes {
            index.insert(packed.cell(index.column), (position, key.clone()));
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
        let value = Packed::bytes_of(&Cell::text(value));
        let own = |shelf: &Self| -> Vec<(Arc<Key>, Stored)> {
            let rows = shelf.rows.iter().filter(|(_, stored)| stored.packed.cell(column) == value);
            rows.map(|(key, stored)| (key.clone(), stored.clone())).collect()
        };
        for (key, _) in own(self) {
            self.take(&key);
        }
        for (key, Stored { position, packed }) in own(by) {
            self.put(key, position, packed);
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
            self.rows.first_key().cloned()
        } else {
            self.order.first().map(|(_, key)| key.clone())
        }
    }

    fn take(&mut self, key: &Key) {
        let Some((key, stored)) = self.rows.remove(key) else { return };
        self.bytes -= stored.packed.len();
        let place = (stored.position, key);
        self.order.remove(&place);
        for index in &mut self.indexes {
            index.remove(stored.packed.cell(index.column), &place);
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

    /// Columns by place instead of by name, and values of the right kind as rows have them.
    fn filters(&self, query: &ScanQuery) -> Result<Vec<(usize, Vec<u8>)>, StoreError> {
        let place = |(name, value): &(String, Cell)| {
            let bad = |why| StoreError::BadQuery { table: self.table.name, column: name.clone(), why };
            let at = self.table.index_of(name).ok_or_else(|| bad("there is no such column"))?;
            match value.kind() {
                Some(kind) if kind != self.table.columns[at].kind => Err(bad("the value is of another kind")),
                Some(_) | None => Ok((at, Packed::bytes_of(value))),
            }
        };
        query.filters.iter().map(place).collect()
    }

    /// Every row that may be asked for, in order, after the cursor.
    fn candidates<'s>(&'s self, query: &'s ScanQuery, filters: &[(usize, Vec<u8>)]) -> Candidates<'s> {
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
        self.rows.keys_after(after.map(|cursor| &cursor.key), direction)
    }
}

impl Index {
    fn new(column: usize) -> Self {
        Self { column, digests: RandomState::new(), entries: HashMap::default() }
    }

    fn insert(&mut self, value: &[u8], place: Place) {
        match self.entries.entry(self.digests.hash_one(value)) {
            Entry::Vacant(entry) => {
                entry.insert(Places::One(place));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Places::One(only) => {
                    let both = if *only < place { [only.clone(), place] } else { [place, only.clone()] };
                    entry.insert(Places::Queue(VecDeque::from(both)));
                }
                Places::Queue(places) if places.back().is_none_or(|last| *last < place) => {
                    places.push_back(place);
                }
                Places::Queue(places) => {
                    let others = places.drain(..).chain([place]).collect();
                    entry.insert(Places::Many(others));
                }
                Places::Many(places) => {
                    places.insert(place);
                }
            },
        }
    }

    fn remove(&mut self, value: &[u8], place: &Place) {
        let Entry::Occupied(mut entry) = self.entries.entry(self.digests.hash_one(value)) else { return };
        let empty = match entry.get_mut() {
            Places::One(only) => only == place,
            Places::Queue(places) if places.front() == Some(place) => {
                places.pop_front();
                places.is_empty()
            }
            Places::Queue(places) => {
                let mut others: BTreeSet<Place> = places.drain(..).collect();
                others.remove(place);
                let empty = others.is_empty();
                entry.insert(Places::Many(others));
                empty
            }
            Places::Many(places) => {
                places.remove(place);
                places.is_empty()
            }
        };
        if empty {
            entry.remove();
        }
    }

    /// Every row with this value, and hardly ever one with another, in the order of their positions.
    fn places(&self, value: &[u8], direction: Direction, after: Option<&Cursor>) -> Candidates<'_> {
        let after = after.map(|cursor| (cursor.position, Arc::new(cursor.key.clone())));
        let places = match self.entries.get(&self.digests.hash_one(value)) {
            None => return Box::new(std::iter::empty()),
            Some(Places::Many(places)) => places,
            Some(Places::Queue(places)) => return queued(places, direction, after.as_ref()),
            Some(Places::One(only)) => {
                let asked = after.is_none_or(|after| match direction {
                    Direction::Forward => *only > after,
                    Direction::Backward => *only < after,
                });
                return Box::new(asked.then_some(&only.1).into_iter());
            }
        };
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        match direction {
            Direction::Forward => Box::new(places.range((bound, Bound::Unbounded)).map(|(_, key)| key)),
            Direction::Backward => {
                Box::new(places.range((Bound::Unbounded, bound)).rev().map(|(_, key)| key))
            }
        }
    }
}

/// Every place of a queue after this one in a direction.
fn queued<'s>(places: &'s VecDeque<Place>, direction: Direction, after: Option<&Place>) -> Candidates<'s> {
    match direction {
        Direction::Forward => {
            let first = after.map_or(0, |after| places.partition_point(|place| place <= after));
            Box::new(places.range(first..).map(|(_, key)| key))
        }
        Direction::Backward => {
            let end = after.map_or(places.len(), |after| places.partition_point(|place| place < after));
            Box::new(places.range(..end).rev().map(|(_, key)| key))
        }
    }
}

fn is_after(key: &Key, direction: Direction, after: Option<&Cursor>) -> bool {
    after.is_none_or(|cursor| match direction {
        Direction::Forward => *key > cursor.key,
        Direction::Backward => *key < cursor.key,
    })
}

#[cfg(test)]
mod tests;
