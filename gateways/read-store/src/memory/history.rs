//! The rows of a history in memory. They come at one end and go at the other: they lie one after the other in the order of
//! their names, and no tree is climbed for them.

use super::name::Name;
use crate::packed::Packed;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use stele_domain::port::event_log::Direction;

/// Rows by name.
#[derive(Clone)]
pub struct History {
    rows: VecDeque<(Name, Packed)>,
    indexes: Vec<Index>,
}

/// What stands in one column, row by row, as digests of eight bytes. To find a value, all of them are looked through: eight
/// bytes a row of what is kept of a history, or was folded onto a past state. What a digest finds is a candidate, and whoever
/// asks looks at the row itself.
#[derive(Clone)]
struct Index {
    /// Place of the column in the row.
    column: usize,
    /// Another one in every process, so that nobody outside can choose values that meet.
    digests: RandomState,
    values: VecDeque<u64>,
}

impl History {
    pub fn new(indexed: impl Iterator<Item = usize>) -> Self {
        let index = |column| Index { column, digests: RandomState::new(), values: VecDeque::new() };
        Self { rows: VecDeque::new(), indexes: indexed.map(index).collect() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, name: &Name) -> Option<&Packed> {
        self.place(name).ok().and_then(|at| self.rows.get(at)).map(|(_, packed)| packed)
    }

    /// Puts a row, and says what it was.
    pub fn put(&mut self, name: Name, packed: Packed) -> Option<Packed> {
        let (at, was) = match self.place(&name) {
            Ok(at) => (at, self.take(at)),
            Err(at) => (at, None),
        };
        for Index { column, digests, values } in &mut self.indexes {
            let digest = digests.hash_one(packed.cell(*column));
            if at == values.len() {
                values.push_back(digest);
            } else {
                values.insert(at, digest);
            }
        }
        if at == self.rows.len() {
            self.rows.push_back((name, packed));
        } else {
            self.rows.insert(at, (name, packed));
        }
        was
    }

    pub fn remove(&mut self, name: &Name) -> Option<Packed> {
        self.place(name).ok().and_then(|at| self.take(at))
    }

    /// Takes the first row away.
    pub fn pop(&mut self) -> Option<Packed> {
        for index in &mut self.indexes {
            index.values.pop_front();
        }
        self.rows.pop_front().map(|(_, packed)| packed)
    }

    /// Every row, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Packed)> {
        self.rows.iter().map(|(name, packed)| (name, packed))
    }

    /// Whether rows are found by what stands in this column.
    pub fn finds(&self, column: usize) -> bool {
        self.indexes.iter().any(|index| index.column == column)
    }

    /// Every row after this one in a direction, every row at all where there is none; those that may have a value in a column,
    /// where rows are found by it.
    pub fn after<'s>(
        &'s self,
        after: Option<&Name>,
        direction: Direction,
        value: Option<(usize, &[u8])>,
    ) -> Box<dyn Iterator<Item = &'s Packed> + 's> {
        let asked = self.asked(after, direction);
        let rows = self.rows.range(asked.clone()).map(|(_, packed)| packed);
        let index = value.and_then(|(column, value)| {
            self.indexes.iter().find(|index| index.column == column).map(|index| (index, value))
        });
        let Some((index, value)) = index else {
            return match direction {
                Direction::Forward => Box::new(rows),
                Direction::Backward => Box::new(rows.rev()),
            };
        };
        let wanted = index.digests.hash_one(value);
        let found = index.values.range(asked).zip(rows).filter(move |(digest, _)| **digest == wanted);
        match direction {
            Direction::Forward => Box::new(found.map(|(_, packed)| packed)),
            Direction::Backward => Box::new(found.rev().map(|(_, packed)| packed)),
        }
    }

    fn asked(&self, after: Option<&Name>, direction: Direction) -> Range<usize> {
        match (after, direction) {
            (None, _) => 0..self.rows.len(),
            (Some(after), Direction::Forward) => {
                self.rows.partition_point(|(name, _)| name <= after)..self.rows.len()
            }
            (Some(after), Direction::Backward) => 0..self.rows.partition_point(|(name, _)| name < after),
        }
    }

    fn take(&mut self, at: usize) -> Option<Packed> {
        for index in &mut self.indexes {
            index.values.remove(at);
        }
        self.rows.remove(at).map(|(_, packed)| packed)
    }

    /// Where a row stands, or where it would: mostly at the end.
    fn place(&self, name: &Name) -> Result<usize, usize> {
        match self.rows.back() {
            Some((last, _)) if last < name => Err(self.rows.len()),
            _ => self.rows.binary_search_by(|(at, _)| at.cmp(name)),
        }
    }
}

#[cfg(test)]
mod tests;
