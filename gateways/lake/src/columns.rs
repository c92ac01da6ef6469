//! Rows of a table as columns of Arrow, and back. Any `Table` will do: facts of this crate and read models alike.
//!
//! Texts, JSON and base units are strings; decimals are `decimal128(38,18)`, beside a text column `…_exact` that holds those
//! that don't fit without loss (the other is empty then). So every row comes back as it was.

use crate::error::LakeError;
use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rust_decimal::Decimal;
use std::sync::Arc;
use stele_domain::port::read_store::{Cell, Column, ColumnKind, Row, Table};
use stele_domain::time::Timestamp;

/// Digits of a decimal column.
pub const DECIMAL_DIGITS: u8 = 38;
/// Those of them after the point.
pub const DECIMAL_SCALE: i8 = 18;
/// The same as a count.
const SCALE: u32 = 18;
/// The first number that has too many digits: 10 to the power of [`DECIMAL_DIGITS`].
const DECIMAL_END: i128 = 10_i128.pow(38);
/// What the name of the text column beside a decimal one ends with.
pub const EXACT: &str = "_exact";

/// The type of a column in files.
#[must_use]
pub fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Units => DataType::Utf8,
        ColumnKind::Int64 => DataType::Int64,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Decimal => DataType::Decimal128(DECIMAL_DIGITS, DECIMAL_SCALE),
    }
}

/// The columns that a table has in files.
#[must_use]
pub fn schema(table: &Table) -> SchemaRef {
    let mut fields = Vec::with_capacity(table.columns.len());
    for column in table.columns {
        let is_decimal = column.kind == ColumnKind::Decimal;
        fields.push(Field::new(column.name, data_type(column.kind), column.nullable || is_decimal));
        if is_decimal {
            fields.push(Field::new(format!("{}{EXACT}", column.name), DataType::Utf8, true));
        }
    }
    Arc::new(Schema::new(fields))
}

/// Columns of rows that fit the table.
///
/// # Errors
///
/// [`LakeError::Misfit`] for a row that does not.
pub fn from_rows(table: &Table, schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch, LakeError> {
    for row in rows {
        table
            .admits(row)
            .map_err(|misfit| LakeError::Misfit { table: table.name.to_owned(), what: misfit.to_string() })?;
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (at, column) in table.columns.iter().enumerate() {
        push(column, rows.iter().map(|row| row.0.get(at).unwrap_or(&Cell::Null)), rows.len(), &mut columns);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn push<'r>(
    column: &Column,
    cells: impl Iterator<Item = &'r Cell>,
    rows: usize,
    columns: &mut Vec<ArrayRef>,
) {
    match column.kind {
        ColumnKind::Text | ColumnKind::Json | ColumnKind::Units => columns.push(texts(cells, rows)),
        ColumnKind::Int64 => {
            let mut built = Int64Builder::with_capacity(rows);
            cells.for_each(|cell| built.append_option(int(cell)));
            columns.push(Arc::new(built.finish()));
        }
        ColumnKind::Bool => {
            let mut built = BooleanBuilder::with_capacity(rows);
            cells.for_each(|cell| built.append_option(boolean(cell)));
            columns.push(Arc::new(built.finish()));
        }
        ColumnKind::Timestamp => {
            let mut built =
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type(column.kind));
            cells.for_each(|cell| built.append_option(time(cell).map(Timestamp::micros)));
            columns.push(Arc::new(built.finish()));
        }
        ColumnKind::Decimal => {
            let mut built = Decimal128Builder::with_capacity(rows).with_data_type(data_type(column.kind));
            let mut exact = StringBuilder::with_capacity(rows, 0);
            for cell in cells {
                let number = decimal(cell);
                let fits = number.and_then(scaled);
                built.append_option(fits);
                exact.append_option(number.filter(|_| fits.is_none()).map(|number| number.to_string()));
            }
            columns.push(Arc::new(built.finish()));
            columns.push(Arc::new(exact.finish()));
        }
    }
}

fn texts<'r>(cells: impl Iterator<Item = &'r Cell>, rows: usize) -> ArrayRef {
    let mut built = StringBuilder::with_capacity(rows, rows.saturating_mul(16));
    for cell in cells {
        match cell {
            Cell::Text(text) => built.append_value(&**text),
            Cell::Json(text) => built.append_value(text),
            Cell::Units(units) => built.append_value(units.to_string()),
            Cell::Null | Cell::Int(_) | Cell::Bool(_) | Cell::Time(_) | Cell::Decimal(_) => {
                built.append_null();
            }
        }
    }
    Arc::new(built.finish())
}

fn int(cell: &Cell) -> Option<i64> {
    if let Cell::Int(number) = cell { Some(*number) } else { None }
}

fn boolean(cell: &Cell) -> Option<bool> {
    if let Cell::Bool(yes) = cell { Some(*yes) } else { None }
}

fn time(cell: &Cell) -> Option<Timestamp> {
    if let Cell::Time(at) = cell { Some(*at) } else { None }
}

fn decimal(cell: &Cell) -> Option<Decimal> {
    if let Cell::Decimal(number) = cell { Some(*number) } else { None }
}

/// The number in units of 10^-18, where it is a whole number of them with at most 38 digits.
fn scaled(number: Decimal) -> Option<i128> {
    let number = number.normalize();
    let shift = SCALE.checked_sub(number.scale())?;
    let scaled = number.mantissa().checked_mul(10_i128.checked_pow(shift)?)?;
    (scaled.abs() < DECIMAL_END).then_some(scaled)
}

/// The rows of columns that were made of rows of this table. A column that is not there is empty in every row.
///
/// # Errors
///
/// [`LakeError::Misfit`] where they are not of this table.
pub fn to_rows(table: &Table, batch: &RecordBatch) -> Result<Vec<Row>, LakeError> {
    let mut rows = vec![Row(Vec::with_capacity(table.columns.len())); batch.num_rows()];
    for column in table.columns {
        let Some(array) = batch.column_by_name(column.name) else {
            for row in &mut rows {
                row.0.push(Cell::Null);
            }
            continue;
        };
        let misfit = |what: &str| LakeError::Misfit {
            table: table.name.to_owned(),
            what: format!("column {}: {what}", column.name),
        };
        if *array.data_type() != data_type(column.kind) {
            return Err(misfit(&format!("it has type {}", array.data_type())));
        }
        let exact = batch.column_by_name(&format!("{}{EXACT}", column.name));
        for (at, row) in rows.iter_mut().enumerate() {
            let cell =
                cell(column.kind, array, exact, at).ok_or_else(|| misfit("a value is none of its kind"))?;
            row.0.push(cell);
        }
    }
    for row in &rows {
        let fits = table.admits(row);
        fits.map_err(|misfit| LakeError::Misfit { table: table.name.to_owned(), what: misfit.to_string() })?;
    }
    Ok(rows)
}

fn cell(kind: ColumnKind, array: &ArrayRef, exact: Option<&ArrayRef>, at: usize) -> Option<Cell> {
    if array.is_null(at) {
        let exact = exact.filter(|_| kind == ColumnKind::Decimal).filter(|exact| !exact.is_null(at));
        return match exact {
            Some(exact) => Cell::parse(kind, exact.as_string_opt::<i32>()?.value(at)),
            None => Some(Cell::Null),
        };
    }
    match kind {
        ColumnKind::Text => Some(Cell::text(array.as_string_opt::<i32>()?.value(at))),
        ColumnKind::Json => Some(Cell::Json(array.as_string_opt::<i32>()?.value(at).into())),
        ColumnKind::Units => Cell::parse(kind, array.as_string_opt::<i32>()?.value(at)),
        ColumnKind::Int64 => Some(Cell::Int(array.as_primitive_opt::<Int64Type>()?.value(at))),
        ColumnKind::Bool => Some(Cell::Bool(array.as_boolean_opt()?.value(at))),
        ColumnKind::Timestamp => {
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.value(at);
            Timestamp::of_micros(micros).map(Cell::Time)
        }
        ColumnKind::Decimal => {
            let scaled = array.as_primitive_opt::<Decimal128Type>()?.value(at);
            unscaled(scaled).map(Cell::Decimal)
        }
    }
}

/// A number that was written in units of 10^-18. It has at most 28 significant digits, as what was written.
fn unscaled(scaled: i128) -> Option<Decimal> {
    let (mut number, mut scale) = (scaled, SCALE);
    while scale > 0 && number % 10 == 0 {
        number /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(number, scale).ok()
}

#[cfg(test)]
mod tests;
