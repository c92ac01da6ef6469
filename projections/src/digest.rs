//! What a projection's rows come to, in a few bytes that follow every change. Two stores hold the same rows exactly when
//! their digests agree, and nobody has to compare the rows.
//!
//! Pure, but for [`scan`], which reads a store page by page. `projections/DIGESTS.md` says byte for byte what is hashed,
//! so that others can check it; which parts a table has says [`Digest`].

mod history;
mod lattice;
mod scan;

pub use history::History;
pub use lattice::{LANES, Lattice};
pub use scan::{ScanError, Scanned, scan};

use crate::models::parked_events;
use crate::projection::Registered;
use std::collections::{BTreeMap, BTreeSet};
use stele_domain::port::read_store::{Digest, Row, Table};

/// The digests of everything that one projection has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    histories: BTreeMap<(&'static str, u64), History>,
    /// Without those of no rows: a table that was emptied is like one that was never filled.
    lattices: BTreeMap<&'static str, Lattice>,
}

/// A stored digest is none of its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored digest of part {part} of table {table} is none of this build's: {why}; fold the table again"
)]
pub struct Malformed {
    /// The table.
    pub table: &'static str,
    /// Which part of it.
    pub part: u64,
    /// What is wrong.
    pub why: &'static str,
}

/// One part that two sides don't agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// Which part of it.
    pub part: u64,
    /// What one side says; `None` when it has no rows there.
    pub one: Option<Digest>,
    /// What the other side says.
    pub other: Option<Digest>,
}

/// A digest in 64 hexadecimal digits, for people and JSON: BLAKE3 of its value.
#[must_use]
pub fn short(digest: &Digest) -> String {
    blake3::hash(&digest.value).to_hex().to_string()
}

impl Digests {
    /// What a store has kept for a projection.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for one that can't be a digest of its table.
    pub fn of(projection: &Registered, stored: Vec<Digest>) -> Result<Self, Malformed> {
        let mut digests = Self::default();
        for Digest { table: name, part, rows, value } in stored {
            let malformed = |why| Malformed { table: name, part, why };
            let table =
                table_of(projection, name).ok_or_else(|| malformed("the projection has no such table"))?;
            if table.append_only {
                let history =
                    History::stored(rows, &value).ok_or_else(|| malformed("it is not 32 bytes long"))?;
                digests.histories.insert((name, part), history);
            } else {
                let lattice =
                    Lattice::stored(rows, &value).ok_or_else(|| malformed("it is not 2,048 bytes long"))?;
                if part != 0 {
                    return Err(malformed("a table whose rows change has one part"));
                }
                digests.put_lattice(name, lattice);
            }
        }
        Ok(digests)
    }

    /// As a store keeps them, by table and part.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Digest> {
        let of_history = |((table, part), history): (&(&'static str, u64), &History)| Digest {
            table,
            part: *part,
            rows: history.rows(),
            value: history.value().into(),
        };
        let of_lattice = |(table, lattice): (&&'static str, &Lattice)| Digest {
            table,
            part: 0,
            rows: lattice.rows(),
            value: lattice.value(),
        };
        let mut all: Vec<Digest> = self.histories.iter().map(of_history).collect();
        all.extend(self.lattices.iter().map(of_lattice));
        all.sort_by_key(|digest| (digest.table, digest.part));
        all
    }

    /// The parts on which two sides don't agree, by table and part.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let by_part = |digests: &Self| -> BTreeMap<(&'static str, u64), Digest> {
            digests.to_vec().into_iter().map(|digest| ((digest.table, digest.part), digest)).collect()
        };
        let (mut one, mut other) = (by_part(self), by_part(other));
        let parts: BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
        let both = parts.into_iter().map(|part| (part, one.remove(&part), other.remove(&part)));
        both.filter(|(_, one, other)| one != other)
            .map(|((table, part), one, other)| Difference { table, part, one, other })
            .collect()
    }

    /// Takes over what some changes made.
    pub fn keep(&mut self, changed: Self) {
        self.histories.extend(changed.histories);
        for (table, lattice) in changed.lattices {
            self.put_lattice(table, lattice);
        }
    }

    fn put_lattice(&mut self, table: &'static str, lattice: Lattice) {
        if lattice.is_empty() {
            self.lattices.remove(table);
        } else {
            self.lattices.insert(table, lattice);
        }
    }
}

/// What changes make of the digests, part by part, without touching what they were before.
pub struct Changed<'d> {
    before: &'d Digests,
    after: Digests,
    room: Room,
}

/// Room to write rows out in, kept from one to the next.
#[derive(Debug, Default)]
pub struct Room(Vec<u8>);

impl<'d> Changed<'d> {
    /// Nothing has changed yet.
    #[must_use]
    pub fn of(before: &'d Digests) -> Self {
        Self { before, after: Digests::default(), room: Room::default() }
    }

    /// A row of a history was written. Rows come in the order of their keys.
    pub fn append(&mut self, table: &Table, row: &Row) {
        let part = (table.name, table.part_of(row));
        let fresh = || self.before.histories.get(&part).cloned().unwrap_or_default();
        self.after.histories.entry(part).or_insert_with(fresh).append(table, row, &mut self.room);
    }

    /// A row of a table whose rows change was this, and is that. Rows come in any order, each once.
    pub fn replace(&mut self, table: &Table, was: Option<&Row>, is: Option<&Row>) {
        let fresh = || self.before.lattices.get(table.name).cloned().unwrap_or_default();
        let lattice = self.after.lattices.entry(table.name).or_insert_with(fresh);
        if let Some(row) = was {
            lattice.remove(table, row, &mut self.room);
        }
        if let Some(row) = is {
            lattice.add(table, row, &mut self.room);
        }
    }

    /// The parts that were touched, those included that have no rows any more.
    #[must_use]
    pub fn finish(self) -> Digests {
        self.after
    }
}

/// A table that a projection writes, its own or a shared one.
pub(crate) fn table_of(projection: &Registered, name: &str) -> Option<&'static Table> {
    projection.tables.iter().chain(parked_events::SCHEMA.tables).find(|table| table.name == name)
}

#[cfg(test)]
mod tests;
