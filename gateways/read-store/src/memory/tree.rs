//! The rows of a table whose rows change, in memory: by name, in the order of their positions, and by the values that its
//! definition asks for.

mod index;

use super::name::Name;
use crate::packed::Packed;
use index::Index;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::Cursor;

/// Where a row stands in the order of positions.
type Place = (i64, Name);

/// A row, and where it stands in the order of positions.
#[derive(Clone)]
struct Stored {
    position: i64,
    packed: Packed,
}

/// Rows by name.
#[derive(Clone)]
pub struct Tree {
    rows: BTreeMap<Name, Stored>,
    /// Empty when the order of names is the order of positions already.
    order: BTreeSet<Place>,
    ordered: bool,
    indexes: Vec<Index>,
}

type Found<'s> = Box<dyn Iterator<Item = &'s Packed> + 's>;

impl Tree {
    /// `ordered` when rows come in the same order by name as by position.
    pub fn new(indexed: impl Iterator<Item = usize>, ordered: bool) -> Self {
        let (rows, order) = (BTreeMap::new(), BTreeSet::new());
        Self { rows, order, ordered, indexes: indexed.map(Index::new).collect() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, name: &Name) -> Option<&Packed> {
        self.rows.get(name).map(|stored| &stored.packed)
    }

    /// Puts a row, and says what it was.
    pub fn put(&mut self, name: Name, position: i64, packed: Packed) -> Option<Packed> {
        if let Some(stored) = self.rows.get_mut(&name).filter(|stored| stored.position == position) {
            for index in &mut self.indexes {
                let (was, is) = (stored.packed.cell(index.column), packed.cell(index.column));
                if was != is {
                    index.remove(was, &(position, name.clone()));
                    index.insert(is, (position, name.clone()));
                }
            }
            return Some(std::mem::replace(&mut stored.packed, packed));
        }
        let was = self.remove(&name);
        if !self.ordered {
            self.order.insert((position, name.clone()));
        }
        for index in &mut self.indexes {
            index.insert(packed.cell(index.column), (position, name.clone()));
        }
        self.rows.insert(name, Stored { position, packed });
        was
    }

    pub fn remove(&mut self, name: &Name) -> Option<Packed> {
        let (name, Stored { position, packed }) = self.rows.remove_entry(name)?;
        let place = (position, name);
        self.order.remove(&place);
        for index in &mut self.indexes {
            index.remove(packed.cell(index.column), &place);
        }
        Some(packed)
    }

    /// Takes the row with the lowest position away.
    pub fn pop(&mut self) -> Option<Packed> {
        let oldest = if self.ordered {
            self.rows.first_key_value().map(|(name, _)| name.clone())
        } else {
            self.order.first().map(|(_, name)| name.clone())
        };
        self.remove(&oldest?)
    }

    /// Every row and its position, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, i64, &Packed)> {
        self.rows.iter().map(|(name, stored)| (name, stored.position, &stored.packed))
    }

    /// Whether rows are found by what stands in this column.
    pub fn finds(&self, column: usize) -> bool {
        self.indexes.iter().any(|index| index.column == column)
    }

    /// Every row after this one in the order of names and in a direction, every row at all where there is none; those that may
    /// have a value in a column, where rows are found by it.
    pub fn by_name<'s>(
        &'s self,
        after: Option<&Cursor>,
        direction: Direction,
        value: Option<(usize, &[u8])>,
    ) -> Found<'s> {
        let after = after.map(|cursor| Name::from(&cursor.key));
        if let Some((index, value)) = self.index(value) {
            let mut names: Vec<&Name> = index.places(value, Direction::Forward, None).collect();
            names.sort_unstable();
            if direction == Direction::Backward {
                names.reverse();
            }
            let names = names.into_iter().filter(move |name| is_after(name, direction, after.as_ref()));
            return Box::new(names.filter_map(|name| self.get(name)));
        }
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        match direction {
            Direction::Forward => {
                Box::new(self.rows.range((bound, Bound::Unbounded)).map(|(_, stored)| &stored.packed))
            }
            Direction::Backward => {
                Box::new(self.rows.range((Bound::Unbounded, bound)).rev().map(|(_, stored)| &stored.packed))
            }
        }
    }

    /// As [`Tree::by_name`], in the order of positions.
    pub fn by_position<'s>(
        &'s self,
        after: Option<&Cursor>,
        direction: Direction,
        value: Option<(usize, &[u8])>,
    ) -> Found<'s> {
        if let Some((index, value)) = self.index(value) {
            let names = index.places(value, direction, after);
            return Box::new(names.filter_map(|name| self.get(name)));
        }
        if self.ordered {
            return self.by_name(after, direction, None);
        }
        let after = after.map(|cursor| (cursor.position, Name::from(&cursor.key)));
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        let row = |(_, name): &'s Place| self.get(name);
        match direction {
            Direction::Forward => Box::new(self.order.range((bound, Bound::Unbounded)).filter_map(row)),
            Direction::Backward => {
                Box::new(self.order.range((Bound::Unbounded, bound)).rev().filter_map(row))
            }
        }
    }

    fn index<'v>(&self, value: Option<(usize, &'v [u8])>) -> Option<(&Index, &'v [u8])> {
        let (column, value) = value?;
        self.indexes.iter().find(|index| index.column == column).map(|index| (index, value))
    }
}

fn is_after(name: &Name, direction: Direction, after: Option<&Name>) -> bool {
    after.is_none_or(|after| match direction {
        Direction::Forward => name > after,
        Direction::Backward => name < after,
    })
}
