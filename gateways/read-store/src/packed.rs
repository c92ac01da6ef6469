//! A row as bytes: one tag and the value per cell. A decision takes 3 KiB this way instead of 6.
//!
//! Runs on disk keep rows in this form too; [`PACKED_FORMAT`] names it, and runs of another one are thrown away.

use std::sync::Arc;
use stele_domain::port::read_store::{Cell, ColumnKind, Row};
use stele_domain::time::Timestamp;

/// Goes up when rows are packed in another way.
pub const PACKED_FORMAT: u32 = 2;

/// The cells of one row, one after the other. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

/// What an amount is in full; zeros at its top are left out.
const UNITS_BYTES: usize = 32;

/// What stands before a text, an amount or a decimal: how many bytes it has.
const LENGTH_BYTES: usize = size_of::<u32>();

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
        Self::by_way_of(&mut vec![], row)
    }

    /// Packs a row in room that is kept from one to the next, so that what is kept is allocated once and has no room to
    /// spare.
    pub fn by_way_of(room: &mut Vec<u8>, row: &Row) -> Self {
        room.clear();
        row.0.iter().for_each(|cell| push(room, cell));
        Self(room.as_slice().into())
    }

    /// The bytes of one cell alone, as they stand in a row: equal exactly when the cells are.
    pub fn bytes_of(cell: &Cell) -> Vec<u8> {
        let mut bytes = vec![];
        push(&mut bytes, cell);
        bytes
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

    /// The bytes of one of its cells; none for a cell that it has not.
    pub fn cell(&self, index: usize) -> &[u8] {
        let mut rest = &*self.0;
        for _ in 0..index {
            rest = next(rest).map_or(&[], |(_, after)| after);
        }
        next(rest).and_then(|(_, after)| rest.get(..rest.len() - after.len())).unwrap_or_default()
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
            UNITS => {
                let mut bytes = [0; UNITS_BYTES];
                let low = UNITS_BYTES.saturating_sub(self.value.len());
                bytes.iter_mut().skip(low).zip(self.value).for_each(|(byte, value)| *byte = *value);
                Cell::of_bytes(ColumnKind::Units, &bytes).unwrap_or(Cell::Null)
            }
            _ => Cell::of_bytes(ColumnKind::Decimal, self.value).unwrap_or(Cell::Null),
        }
    }

    fn number(&self) -> i64 {
        self.value.try_into().map(i64::from_le_bytes).unwrap_or_default()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.value).unwrap_or_default()
    }
}

fn push(bytes: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => bytes.push(NULL),
        Cell::Text(text) => push_bytes(bytes, TEXT, text.as_bytes()),
        Cell::Int(number) => push_number(bytes, INT, *number),
        Cell::Bool(false) => bytes.push(FALSE),
        Cell::Bool(true) => bytes.push(TRUE),
        Cell::Time(at) => push_number(bytes, TIME, at.micros()),
        Cell::Units(units) => {
            let value = units.to_be_bytes();
            let low = value.iter().take_while(|byte| **byte == 0).count();
            push_bytes(bytes, UNITS, &value[low..]);
        }
        Cell::Decimal(number) => push_bytes(bytes, DECIMAL, &number.normalize().serialize()),
        Cell::Json(text) => push_bytes(bytes, JSON, text.as_bytes()),
    }
}

fn push_number(bytes: &mut Vec<u8>, tag: u8, number: i64) {
    bytes.push(tag);
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn push_bytes(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(&length_of(value.len()));
    bytes.extend_from_slice(value);
}

fn length_of(bytes: usize) -> [u8; LENGTH_BYTES] {
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    assert!(length != u32::MAX, "a cell of {bytes} bytes is no cell");
    length.to_le_bytes()
}

fn next(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (value, rest) = match tag {
        NULL | FALSE | TRUE => (&rest[..0], rest),
        INT | TIME => rest.split_at_checked(8)?,
        _ => {
            let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?
        }
    };
    Some((Raw { tag, value }, rest))
}
