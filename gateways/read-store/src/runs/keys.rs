//! Names in bytes, ordered as the cells are ordered: text by its bytes, numbers by size, moments by time.
//!
//! No name is the beginning of another one of its table, so what follows a name never mixes two of them.

use sha2::{Digest as _, Sha256};
use stele_domain::port::read_store::{Cell, ColumnKind, Key, Misfit, Row, Table};

/// Longest name of a row, in bytes: the runs hold keys of 64 KiB, and an index needs some of it for itself.
pub const NAME_BYTES_MAX: usize = 60 * 1024;

/// How much of an indexed value's hash stands in its index. Two values that meet cost a look at a row, nothing more.
const VALUE_BYTES: usize = 12;

/// Decimal digits of the largest amount.
const UNITS_DIGITS: usize = 78;

/// Past every version of a name, and short of the next name.
pub const PAST: [u8; 9] = [0xff; 9];

/// Names what the bytes of the directory depend on. No table and no mark begins so.
pub const FINGERPRINT: [u8; TABLE_BYTES] = [0xff; TABLE_BYTES];

/// Where a table's rows begin.
pub fn table(ordinal: u16) -> Vec<u8> {
    ordinal.to_be_bytes().to_vec()
}

/// Past everything that begins so.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

/// The name of a row, table and all; `None` when no row of the table can have this key.
pub fn name(ordinal: u16, definition: &Table, key: &Key) -> Option<Vec<u8>> {
    let mut bytes = table(ordinal);
    push_key(&mut bytes, definition, key)?;
    Some(bytes)
}

/// A key without its table; `None` when no row of the table can have it.
pub fn push_key(bytes: &mut Vec<u8>, definition: &Table, key: &Key) -> Option<()> {
    if key.0.len() != definition.key.len() {
        return None;
    }
    let start = bytes.len();
    for (column, cell) in definition.key.iter().zip(&key.0) {
        if cell.kind() != Some(definition.column(column)?.kind) {
            return None;
        }
        push_cell(bytes, cell)?;
    }
    (bytes.len() - start <= NAME_BYTES_MAX).then_some(())
}

fn push_cell(bytes: &mut Vec<u8>, cell: &Cell) -> Option<()> {
    match cell {
        // No text of a table holds U+0000: one ends it, before anything that could follow in a longer text.
        Cell::Text(text) if text.contains('\0') => return None,
        Cell::Text(text) => {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        Cell::Int(number) => bytes.extend_from_slice(&ordered(*number)),
        Cell::Time(at) => bytes.extend_from_slice(&ordered(at.micros())),
        Cell::Bool(yes) => bytes.push(u8::from(*yes)),
        Cell::Units(units) => bytes.extend_from_slice(format!("{units:0>UNITS_DIGITS$}").as_bytes()),
        Cell::Null | Cell::Decimal(_) | Cell::Json(_) => return None,
    }
    Some(())
}

/// Refuses keys whose order bytes don't keep.
pub fn check(table: &Table) -> Result<(), Misfit> {
    table.check()?;
    let ordered = |kind| !matches!(kind, ColumnKind::Decimal | ColumnKind::Json);
    let bad = table.key.iter().find(|name| table.column(name).is_none_or(|c| !ordered(c.kind)));
    bad.map_or(Ok(()), |name| {
        let why = "part of the key, and rows on disk can't be ordered by decimals".to_owned();
        Err(Misfit { table: table.name, column: (*name).to_owned(), why })
    })
}

/// Where the places of one index begin: the order of positions is index zero, and has no value.
pub fn index(ordinal: u16, number: u8, value: Option<&Cell>) -> Vec<u8> {
    let mut bytes = table(ordinal);
    bytes.push(number);
    if let Some(value) = value {
        let mut text = vec![];
        value.write_json(&mut text);
        bytes.extend_from_slice(&Sha256::digest(&text)[..VALUE_BYTES]);
    }
    bytes
}

/// The place of a row in an index: after those of lower position, then of lower key.
pub fn place(index: &[u8], position: i64, name: &[u8]) -> Vec<u8> {
    let key = name.get(TABLE_BYTES..).unwrap_or_default();
    [index, &ordered(position), key].concat()
}

/// The position and the row's name in a place of an index; `None` when it is no place.
pub fn placed(index: &[u8], place: &[u8]) -> Option<(i64, Vec<u8>)> {
    let (position, key) = place.strip_prefix(index)?.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes(*position) ^ SIGN;
    Some((number.cast_signed(), [index.get(..TABLE_BYTES)?, key].concat()))
}

/// Every index that a row stands in.
pub fn places(ordinal: u16, definition: &Table, row: &Row, name: &[u8]) -> Vec<Vec<u8>> {
    let position = definition.position_of(row);
    let mut places = Vec::with_capacity(definition.indexes.len() + 1);
    if !definition.key_is_position() {
        places.push(place(&index(ordinal, 0, None), position, name));
    }
    for (number, column) in (1..).zip(definition.indexes) {
        if let Some(cell) = definition.cell(row, column) {
            places.push(place(&index(ordinal, number, Some(cell)), position, name));
        }
    }
    places
}

/// Which index leads to a column's values; `None` when none does.
pub fn index_of(definition: &Table, column: &str) -> Option<u8> {
    (1..).zip(definition.indexes).find(|(_, name)| **name == column).map(|(number, _)| number)
}

const TABLE_BYTES: usize = 2;

const SIGN: u64 = 1 << 63;

fn ordered(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ SIGN).to_be_bytes()
}

#[cfg(test)]
mod tests;
