//! A struct as cells.

use super::Unfit;
use serde::ser::{Error, Impossible, Serialize, SerializeStruct, Serializer};
use std::fmt::{self, Display, Write};
use stele_domain::port::read_store::{Cell, Column, ColumnKind, Row, Table};
use stele_domain::time::Timestamp;

/// Room to write JSON out in, kept from one row to the next.
#[derive(Debug, Default)]
pub struct Room {
    bytes: Vec<u8>,
    text: String,
}

impl Room {
    /// Room for a text, with none in it.
    pub fn text(&mut self) -> &mut String {
        self.text.clear();
        &mut self.text
    }
}

pub fn row<T: Serialize>(table: &Table, value: &T, room: &mut Room) -> Result<Row, Unfit> {
    let mut cells = Vec::with_capacity(table.columns.len());
    value.serialize(Writer { columns: table.columns, kind: None, cells: &mut cells, room })?;
    Ok(Row(cells))
}

/// Writes a whole row, or one cell of it when `kind` says which. Asks for amounts, rates and moments as what they are.
struct Writer<'w> {
    columns: &'static [Column],
    kind: Option<ColumnKind>,
    cells: &'w mut Vec<Cell>,
    room: &'w mut Room,
}

impl Writer<'_> {
    fn put(self, cell: Cell) -> Result<(), Unfit> {
        if self.kind.is_none() {
            return Err(unexpected("a bare value"));
        }
        self.cells.push(cell);
        Ok(())
    }
}

/// Room for a moment, an amount or a rate: most values that are written as text before they are read again.
struct Buffer {
    bytes: [u8; 96],
    used: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: [0; 96], used: 0 }
    }
}

impl Buffer {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.used]).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        let room = self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

fn unfit(value: &dyn fmt::Debug, kind: ColumnKind) -> Unfit {
    Unfit(format!("{value:?} is no {kind:?}"))
}

fn unexpected(what: &str) -> Unfit {
    Unfit::custom(format!("{what} is no cell; a column of kind Json could hold it"))
}

impl SerializeStruct for Writer<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        let place = self.cells.len();
        let column =
            self.columns.get(place).filter(|column| std::ptr::eq(column.name, name) || column.name == name);
        let column = column.ok_or_else(|| {
            let expected = self.columns.get(place).map_or("the end", |column| column.name);
            Unfit::custom(format!("field {name} stands where the table has {expected}"))
        })?;
        if column.kind == ColumnKind::Json {
            let Room { bytes, .. } = &mut *self.room;
            bytes.clear();
            serde_json::to_writer(&mut *bytes, value).map_err(Unfit::custom)?;
            let text = std::str::from_utf8(bytes).map_err(Unfit::custom)?;
            let empty = column.nullable && text == "null";
            self.cells.push(if empty { Cell::Null } else { Cell::Json(text.into()) });
            return Ok(());
        }
        let kind = Some(column.kind);
        value.serialize(Writer { columns: self.columns, kind, cells: self.cells, room: self.room })
    }

    fn end(self) -> Result<(), Unfit> {
        let (fields, columns) = (self.cells.len(), self.columns.len());
        if fields == columns { Ok(()) } else { Err(Unfit(format!("{fields} fields for {columns} columns"))) }
    }
}

impl Serializer for Writer<'_> {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Impossible<(), Unfit>;
    type SerializeTuple = Impossible<(), Unfit>;
    type SerializeTupleStruct = Impossible<(), Unfit>;
    type SerializeTupleVariant = Impossible<(), Unfit>;
    type SerializeMap = Impossible<(), Unfit>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Unfit>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, yes: bool) -> Result<(), Unfit> {
        self.put(Cell::Bool(yes))
    }

    fn serialize_i8(self, number: i8) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_i16(self, number: i16) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_i32(self, number: i32) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_i64(self, number: i64) -> Result<(), Unfit> {
        if self.kind == Some(ColumnKind::Timestamp) {
            let at = Timestamp::of_micros(number);
            return self.put(Cell::Time(at.ok_or_else(|| unfit(&number, ColumnKind::Timestamp))?));
        }
        self.put(Cell::Int(number))
    }

    fn serialize_u8(self, number: u8) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_u16(self, number: u16) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_u32(self, number: u32) -> Result<(), Unfit> {
        self.put(Cell::Int(number.into()))
    }

    fn serialize_u64(self, number: u64) -> Result<(), Unfit> {
        self.put(Cell::count(number))
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unfit> {
        Err(unexpected("a float"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unfit> {
        Err(unexpected("a float"))
    }

    fn serialize_char(self, letter: char) -> Result<(), Unfit> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Unfit> {
        let kind = self.kind.unwrap_or(ColumnKind::Text);
        let cell = Cell::parse(kind, text);
        self.put(cell.ok_or_else(|| unfit(&text.chars().take(80).collect::<String>(), kind))?)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        let mut text = Buffer::default();
        if write!(text, "{value}").is_ok() {
            return self.serialize_str(text.as_str());
        }
        self.serialize_str(&value.to_string())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unfit> {
        let cell = self.kind.and_then(|kind| Cell::of_bytes(kind, bytes));
        self.put(cell.ok_or_else(|| unexpected("a byte string"))?)
    }

    fn serialize_none(self) -> Result<(), Unfit> {
        self.put(Cell::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unfit> {
        self.put(Cell::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unfit> {
        Err(unexpected("an empty struct"))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unfit> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Unfit> {
        Err(unexpected(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Unfit> {
        Err(unexpected("a list"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unfit> {
        Err(unexpected("a tuple"))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unfit> {
        Err(unexpected(name))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unfit> {
        Err(unexpected(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unfit> {
        Err(unexpected("a map"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Unfit> {
        if self.kind.is_some() { Err(unexpected(name)) } else { Ok(self) }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unfit> {
        Err(unexpected(variant))
    }
}
