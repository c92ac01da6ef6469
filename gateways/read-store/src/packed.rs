//! A row as bytes: one tag and the value per cell. A decision takes 3 KiB this way instead of 6.
//!
//! Runs on disk keep rows in this form too; [`PACKED_FORMAT`] names it, and runs of another one are thrown away.

use std::sync::Arc;
use stele_domain::port::read_store::{Cell, ColumnKind, Row};
use stele_domain::time::Timestamp;

/// Goes up when rows are packed in another way.
pub const PACKED_FORMAT: u32 = 1;

/// The cells of one row, one after the other. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

const NULL: u8 = 0;
const TEXT: u8 = 1;
const INT: u8 = 2;
const FALSE: u8 = 3;
const TRUE: u8 = 4;
const TIME: u8 = 5;
const UNITS: u8 = 6;
const DECIMAL: u8 = 7;
const JSON: u8 = 8;

impl Packed {
    /// Packs a row.
    pub fn of(row: &Row) -> Self {
        let mut bytes = Vec::with_capacity(row.0.len() * 12);
        for cell in &row.0 {
            match cell {
                Cell::Null => bytes.push(NULL),
                Cell::Text(text) => push_text(&mut bytes, TEXT, text),
                Cell::Int(number) => push_number(&mut bytes, INT, *number),
                Cell::Bool(false) => bytes.push(FALSE),
                Cell::Bool(true) => bytes.push(TRUE),
                Cell::Time(at) => push_number(&mut bytes, TIME, at.micros()),
                Cell::Units(units) => push_text(&mut bytes, UNITS, &units.to_string()),
                Cell::Decimal(number) => push_text(&mut bytes, DECIMAL, &number.normalize().to_string()),
                Cell::Json(text) => push_text(&mut bytes, JSON, text),
            }
        }
        Self(bytes.into())
    }

    /// The row again.
    pub fn row(&self) -> Row {
        let row = unpacked(&self.0);
        assert!(row.is_some(), "{} bytes of a packed row can't be read", self.0.len());
        row.unwrap_or(Row(vec![]))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// One cell of it.
    pub fn cell(&self, index: usize) -> Cell {
        let mut rest = &*self.0;
        let mut left = index;
        while let Some((raw, after)) = next(rest) {
            if left == 0 {
                return raw.cell();
            }
            left -= 1;
            rest = after;
        }
        Cell::Null
    }

    /// Its size.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The row that these bytes hold; `None` when they hold none.
pub fn unpacked(bytes: &[u8]) -> Option<Row> {
    let mut rest = bytes;
    let mut cells = Vec::with_capacity(16);
    while let Some((raw, after)) = next(rest) {
        cells.push(raw.cell());
        rest = after;
    }
    rest.is_empty().then_some(Row(cells))
}

/// A cell that was found and not yet decoded.
struct Raw<'b> {
    tag: u8,
    value: &'b [u8],
}

impl Raw<'_> {
    fn cell(&self) -> Cell {
        match self.tag {
            NULL => Cell::Null,
            FALSE => Cell::Bool(false),
            TRUE => Cell::Bool(true),
            INT => Cell::Int(self.number()),
            TIME => Cell::Time(Timestamp::from_micros(self.number())),
            TEXT => Cell::Text(self.text().into()),
            JSON => Cell::Json(self.text().into()),
            UNITS => Cell::parse(ColumnKind::Units, self.text()).unwrap_or(Cell::Null),
            _ => Cell::parse(ColumnKind::Decimal, self.text()).unwrap_or(Cell::Null),
        }
    }

    fn number(&self) -> i64 {
        self.value.try_into().map(i64::from_le_bytes).unwrap_or_default()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.value).unwrap_or_default()
    }
}

fn push_number(bytes: &mut Vec<u8>, tag: u8, number: i64) {
    bytes.push(tag);
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn push_text(bytes: &mut Vec<u8>, tag: u8, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    assert!(length != u32::MAX, "a cell of {} bytes is no cell", text.len());
    bytes.push(tag);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn next(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (value, rest) = match tag {
        NULL | FALSE | TRUE => (&rest[..0], rest),
        INT | TIME => rest.split_at_checked(8)?,
        _ => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?
        }
    };
    Some((Raw { tag, value }, rest))
}
