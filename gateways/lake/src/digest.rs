//! What a set of rows comes to, in whatever order and however cut into files: a lattice sum (`LtHash` of 1,024 lanes of 16
//! bits) over the canonical texts of the rows. Rows that are added, lost or changed change it; sums of parts are the sum of
//! the whole. It is the digest that read models of changing rows have, so that both can be held against each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use stele_domain::port::read_store::{Row, Table};

/// Lanes of 16 bits.
const LANES: usize = 1_024;

/// Its length in bytes.
pub const DIGEST_BYTES: usize = LANES * 2;

/// The sum, and how many rows are in it.
#[derive(Clone, PartialEq, Eq)]
pub struct RowsDigest {
    rows: u64,
    lanes: Box<[u16; LANES]>,
}

impl Default for RowsDigest {
    fn default() -> Self {
        Self { rows: 0, lanes: Box::new([0; LANES]) }
    }
}

impl RowsDigest {
    /// How many rows are in it.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row of a table.
    pub fn add(&mut self, table: &Table, row: &Row) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(table.name.as_bytes()).update(table.canonical(row).as_bytes());
        let mut bytes = [0; DIGEST_BYTES];
        hasher.finalize_xof().fill(&mut bytes);
        for (lane, pair) in self.lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = lane.wrapping_add(u16::from_le_bytes(*pair));
        }
        self.rows = self.rows.saturating_add(1);
    }

    /// Adds the rows of another part of the same table.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*more);
        }
        self.rows = self.rows.saturating_add(other.rows);
    }

    /// The lanes, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// As it is kept: the lanes in base64.
    #[must_use]
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }

    /// Reads what [`RowsDigest::to_text`] wrote of so many rows; `None` for another text.
    #[must_use]
    pub fn parse(rows: u64, text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (pairs, rest) = bytes.as_chunks::<2>();
        if pairs.len() != LANES || !rest.is_empty() {
            return None;
        }
        let mut digest = Self { rows, ..Self::default() };
        for (lane, pair) in digest.lanes.iter_mut().zip(pairs) {
            *lane = u16::from_le_bytes(*pair);
        }
        Some(digest)
    }

    /// Sixty-four hexadecimal digits, for people: a hash of the lanes.
    #[must_use]
    pub fn short(&self) -> String {
        blake3::hash(&self.to_bytes()).to_hex().to_string()
    }
}

impl fmt::Debug for RowsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {}", self.rows, self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::RowsDigest;
    use quickcheck::quickcheck;
    use stele_domain::port::read_store::table::{Column, ColumnKind, Retention, Table, column};
    use stele_domain::port::read_store::{Cell, Row};

    const COLUMNS: &[Column] =
        &[column("position", ColumnKind::Int64, "Where."), column("word", ColumnKind::Text, "What.")];

    const TABLE: Table = Table {
        name: "words",
        doc: "Words.",
        columns: COLUMNS,
        key: &["position"],
        indexes: &[],
        retention: Retention::All,
        append_only: true,
    };

    fn row(position: i64, word: &str) -> Row {
        Row(vec![Cell::Int(position), Cell::text(word)])
    }

    fn of(rows: &[(i64, String)]) -> RowsDigest {
        let mut digest = RowsDigest::default();
        for (position, word) in rows {
            digest.add(&TABLE, &row(*position, word));
        }
        digest
    }

    quickcheck! {
        fn any_order_and_any_cut_come_to_the_same(rows: Vec<(i64, String)>, cut: usize) -> bool {
            let (left, right) = rows.split_at(cut.checked_rem(rows.len() + 1).unwrap_or(0));
            let mut parts = of(right);
            parts.merge(&of(left));
            let backwards: Vec<_> = rows.iter().rev().cloned().collect();
            parts == of(&rows) && of(&backwards) == of(&rows)
        }

        fn what_is_written_is_read_again(rows: Vec<(i64, String)>) -> bool {
            let digest = of(&rows);
            RowsDigest::parse(digest.rows(), &digest.to_text()) == Some(digest)
        }

        fn a_row_more_or_another_row_comes_to_something_else(rows: Vec<(i64, String)>, more: (i64, String)) -> bool {
            let mut longer = rows.clone();
            longer.push(more);
            let mut other = longer.clone();
            if let Some((_, word)) = other.last_mut() {
                word.push('x');
            }
            of(&longer).short() != of(&rows).short() && of(&longer).short() != of(&other).short()
        }
    }

    #[test]
    fn a_text_that_is_no_digest_is_not_read() {
        let whole = RowsDigest::default().to_text();
        for text in ["", "AAAA", "?", &whole[4..], &format!("{whole}AAAA")] {
            assert_eq!(RowsDigest::parse(0, text), None, "{text:.20}");
        }
    }
}
