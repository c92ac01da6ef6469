//! The rows of one table by key. Those of a history come at one end and go at the other: they lie one after the other, and
//! no tree is climbed for them. All others stand in a tree.

use crate::packed::Packed;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::Key;

/// A row, and where it stands in the order of positions.
#[derive(Clone)]
pub struct Stored {
    pub position: i64,
    pub packed: Packed,
}

/// Rows by key.
#[derive(Clone)]
pub enum Rows {
    /// In the order of their keys.
    History(VecDeque<(Arc<Key>, Stored)>),
    Tree(BTreeMap<Arc<Key>, Stored>),
}

impl Rows {
    pub fn new(append_only: bool) -> Self {
        if append_only { Self::History(VecDeque::new()) } else { Self::Tree(BTreeMap::new()) }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::History(rows) => rows.len(),
            Self::Tree(rows) => rows.len(),
        }
    }

    pub fn get(&self, key: &Key) -> Option<&Stored> {
        match self {
            Self::History(rows) => place(rows, key).ok().and_then(|at| rows.get(at)).map(|(_, row)| row),
            Self::Tree(rows) => rows.get(key),
        }
    }

    /// Puts a row that is not there.
    pub fn insert(&mut self, key: Arc<Key>, row: Stored) {
        match self {
            Self::History(rows) => match place(rows, &key) {
                Ok(at) => rows[at].1 = row,
                Err(at) => rows.insert(at, (key, row)),
            },
            Self::Tree(rows) => {
                rows.insert(key, row);
            }
        }
    }

    pub fn remove(&mut self, key: &Key) -> Option<(Arc<Key>, Stored)> {
        match self {
            Self::History(rows) => place(rows, key).ok().and_then(|at| rows.remove(at)),
            Self::Tree(rows) => rows.remove_entry(key),
        }
    }

    pub fn first_key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::History(rows) => rows.front().map(|(key, _)| key),
            Self::Tree(rows) => rows.first_key_value().map(|(key, _)| key),
        }
    }

    /// Every row, in the order of keys.
    pub fn iter(&self) -> Box<dyn Iterator<Item = (&Arc<Key>, &Stored)> + '_> {
        match self {
            Self::History(rows) => Box::new(rows.iter().map(|(key, row)| (key, row))),
            Self::Tree(rows) => Box::new(rows.iter()),
        }
    }

    /// Every key after this one in a direction; every key at all where there is none.
    pub fn keys_after<'s>(
        &'s self,
        after: Option<&Key>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &'s Arc<Key>> + 's> {
        match (self, direction) {
            (Self::History(rows), Direction::Forward) => {
                let first = after.map_or(0, |after| rows.partition_point(|(key, _)| **key <= *after));
                Box::new(rows.range(first..).map(|(key, _)| key))
            }
            (Self::History(rows), Direction::Backward) => {
                let end = after.map_or(rows.len(), |after| rows.partition_point(|(key, _)| **key < *after));
                Box::new(rows.range(..end).rev().map(|(key, _)| key))
            }
            (Self::Tree(rows), Direction::Forward) => {
                let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(rows.range::<Key, _>((bound, Bound::Unbounded)).map(|(key, _)| key))
            }
            (Self::Tree(rows), Direction::Backward) => {
                let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(rows.range::<Key, _>((Bound::Unbounded, bound)).rev().map(|(key, _)| key))
            }
        }
    }
}

/// Where a key stands, or where it would: mostly at one of the ends.
fn place(rows: &VecDeque<(Arc<Key>, Stored)>, key: &Key) -> Result<usize, usize> {
    match (rows.front(), rows.back()) {
        (_, Some((last, _))) if **last < *key => Err(rows.len()),
        (Some((first, _)), _) if **first == *key => Ok(0),
        _ => rows.binary_search_by(|(at, _)| (**at).cmp(key)),
    }
}
