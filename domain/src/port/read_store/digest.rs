//! What the rows of a table come to, kept beside them: a few bytes that change with any cell of any row.
//!
//! Stores keep digests and don't look into them. How they are computed stands in `projections::digest` and, byte for
//! byte, in `projections/DIGESTS.md`.

use super::table::Table;
use super::{Batch, Change, Row};

/// How many log positions one part of a history covers. Divides the span of every partition, so that a part is dropped
/// with its rows or not at all.
pub const DIGEST_PART: u64 = 1_000_000;

/// What the rows that one projection has written into one part of one table come to. Rows that a store has dropped
/// since are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The table.
    pub table: &'static str,
    /// Which part of it: the position of its rows divided by [`DIGEST_PART`] in append-only tables, zero in all others.
    pub part: u64,
    /// How many rows it stands for.
    pub rows: u64,
    /// 32 bytes of a running hash for append-only tables, 2,048 bytes of a lattice hash for all others.
    pub value: Box<[u8]>,
}

impl Table {
    /// The part that a row belongs to.
    #[must_use]
    pub fn part_of(&self, row: &Row) -> u64 {
        if !self.append_only {
            return 0;
        }
        u64::try_from(self.position_of(row)).unwrap_or(0).checked_div(DIGEST_PART).unwrap_or(0)
    }
}

impl Batch {
    /// Whether every part that the changes touch has one digest here, and only tables have one that `table` knows;
    /// the first thing that is not so. Changes must fit their tables.
    ///
    /// # Errors
    ///
    /// The words for [`StoreError::Invalid`](super::StoreError::Invalid).
    pub fn check_digests<'t>(&self, table: impl Fn(&str) -> Option<&'t Table>) -> Result<(), String> {
        let mut named: Vec<(&str, u64)> =
            self.digests.iter().map(|digest| (digest.table, digest.part)).collect();
        named.sort_unstable();
        if let Some([(name, part), _]) = named.array_windows().find(|[one, other]| one == other) {
            return Err(format!("two digests of part {part} of table {name}"));
        }
        if let Some((name, _)) = named.iter().find(|(name, _)| table(name).is_none()) {
            return Err(format!("a digest of table {name}, which {} does not write", self.projection));
        }
        // Changes come table by table: the table and the part of the one before are mostly those of the next.
        let (mut last, mut known) = (None, None::<&Table>);
        for change in &self.changes {
            let part = match change {
                Change::Put { table: name, row } => {
                    known = known.filter(|known| known.name == *name).or_else(|| table(name));
                    (*name, known.map_or(0, |table| table.part_of(row)))
                }
                Change::Delete(gone) => (gone.table, 0),
            };
            if last != Some(part) && named.binary_search(&part).is_err() {
                let (name, part) = part;
                return Err(format!(
                    "rows of part {part} of table {name} change, and their digest is not there"
                ));
            }
            last = Some(part);
        }
        Ok(())
    }
}
