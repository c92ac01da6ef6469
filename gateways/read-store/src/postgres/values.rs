//! Cells as parameters and back. What SQL can't hold as it is travels as text: base units of 256 bits, decimals,
//! and JSON that must come back word for word.

use super::error::Failure;
use super::numeric;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgHasArrayType, PgRow, PgTypeInfo, PgValueFormat, PgValueRef,
};
use sqlx::{Arguments, Decode, Encode, Postgres, Row as _, Type, ValueRef as _};
use std::fmt::Write as _;
use stele_domain::port::read_store::{Cell, ColumnKind};
use stele_domain::time::Timestamp;

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The first and last moment that PostgreSQL can hold, in its own count; outside lie its infinities.
const MOMENTS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// A moment in PostgreSQL's own count.
#[derive(Debug, Clone, Copy)]
struct Moment(i64);

impl Moment {
    fn of(at: Timestamp) -> Result<Self, String> {
        let count = at.micros().checked_sub(EPOCH_MICROS).filter(|count| MOMENTS.contains(count));
        count.map(Self).ok_or_else(|| format!("the moment {at} is outside of what PostgreSQL can hold"))
    }

    fn timestamp(self) -> Result<Timestamp, BoxDynError> {
        let micros = self.0.checked_add(EPOCH_MICROS).ok_or("an infinite moment")?;
        Ok(Timestamp::from_micros(micros))
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Moment {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Moment {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Decode::<Postgres>::decode(value).map(Self),
            PgValueFormat::Text => Err("a moment came as text".into()),
        }
    }
}

/// The SQL type under which a cell of this kind travels.
pub fn wire_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text | ColumnKind::Units | ColumnKind::Decimal | ColumnKind::Json => "text",
        ColumnKind::Int64 => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Timestamp => "timestamptz",
    }
}

/// The SQL type under which it is stored, without its collation.
pub fn stored_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Int64 => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Timestamp => "timestamp with time zone",
        ColumnKind::Units => "numeric(78,0)",
        ColumnKind::Decimal => "numeric",
        ColumnKind::Json => "json",
    }
}

/// What turns the wire type into the stored one, and back; empty where they are the same.
pub fn casts(kind: ColumnKind) -> (&'static str, &'static str) {
    match kind {
        ColumnKind::Text | ColumnKind::Int64 | ColumnKind::Bool | ColumnKind::Timestamp => ("", ""),
        ColumnKind::Units | ColumnKind::Decimal => ("::numeric", "::text"),
        ColumnKind::Json => ("::json", "::text"),
    }
}

/// Parameters in the order in which they were added.
#[derive(Default)]
pub struct Parameters(PgArguments);

impl Parameters {
    /// Adds a parameter of any type that the driver knows.
    pub fn add<'t, T>(&mut self, value: T) -> Result<(), Failure>
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.0.add(value).map_err(|error| Failure::Data(error.to_string()))
    }

    /// Adds one cell. [`Cell::Null`] fits every kind.
    pub fn add_cell(&mut self, kind: ColumnKind, cell: &Cell) -> Result<(), Failure> {
        match kind {
            ColumnKind::Text | ColumnKind::Json => self.add(text(cell)?),
            ColumnKind::Units | ColumnKind::Decimal => self.add(digits(cell)?),
            ColumnKind::Int64 => self.add(number(cell)?),
            ColumnKind::Bool => self.add(yes(cell)?),
            ColumnKind::Timestamp => self.add(moment(cell)?),
        }
    }

    /// Adds the cells of one column as an array.
    pub fn add_column<'c>(
        &mut self,
        kind: ColumnKind,
        cells: impl Iterator<Item = &'c Cell>,
    ) -> Result<(), Failure> {
        match kind {
            ColumnKind::Text | ColumnKind::Json => self.add(cells.map(text).collect::<Result<Vec<_>, _>>()?),
            ColumnKind::Units | ColumnKind::Decimal => {
                self.add(cells.map(digits).collect::<Result<Vec<_>, _>>()?)
            }
            ColumnKind::Int64 => self.add(cells.map(number).collect::<Result<Vec<_>, _>>()?),
            ColumnKind::Bool => self.add(cells.map(yes).collect::<Result<Vec<_>, _>>()?),
            ColumnKind::Timestamp => self.add(cells.map(moment).collect::<Result<Vec<_>, _>>()?),
        }
    }

    /// What the driver takes.
    pub fn take(self) -> PgArguments {
        self.0
    }
}

/// Reads a cell back.
pub fn cell(row: &PgRow, at: usize, kind: ColumnKind) -> Result<Cell, sqlx::Error> {
    let bad = |why: BoxDynError| sqlx::Error::ColumnDecode { index: at.to_string(), source: why };
    let cell = match kind {
        ColumnKind::Text => row.try_get::<Option<&str>, _>(at)?.map(|text| Cell::Text(text.into())),
        ColumnKind::Json => row.try_get::<Option<&str>, _>(at)?.map(|text| Cell::Json(text.into())),
        ColumnKind::Int64 => row.try_get::<Option<i64>, _>(at)?.map(Cell::Int),
        ColumnKind::Bool => row.try_get::<Option<bool>, _>(at)?.map(Cell::Bool),
        ColumnKind::Units | ColumnKind::Decimal => {
            let parse =
                |text| Cell::parse(kind, text).ok_or_else(|| bad(format!("{text} is no {kind:?}").into()));
            row.try_get::<Option<&str>, _>(at)?.map(parse).transpose()?
        }
        ColumnKind::Timestamp => {
            let moment = row.try_get::<Option<Moment>, _>(at)?;
            moment.map(|moment| moment.timestamp().map(Cell::Time).map_err(bad)).transpose()?
        }
    };
    Ok(cell.unwrap_or(Cell::Null))
}

/// Whether a cell is what came, by its bytes on the wire; `room` is for what has to be written out. A number that came in
/// another of its forms, as only somebody else writes it, is another one here.
pub fn is_cell(row: &PgRow, at: usize, cell: &Cell, room: &mut String) -> Result<bool, sqlx::Error> {
    let came = row.try_get_raw(at)?;
    if *cell == Cell::Null || came.is_null() {
        return Ok(*cell == Cell::Null && came.is_null());
    }
    let bad = |why: BoxDynError| sqlx::Error::ColumnDecode { index: at.to_string(), source: why };
    let came = came.as_bytes().map_err(bad)?;
    room.clear();
    // Writing to a string can't fail.
    let words = match cell {
        Cell::Null => return Ok(false),
        Cell::Text(text) => return Ok(came == text.as_bytes()),
        Cell::Json(text) => return Ok(came == text.as_bytes()),
        Cell::Int(number) => return Ok(came == number.to_be_bytes()),
        Cell::Bool(yes) => return Ok(came == [u8::from(*yes)]),
        Cell::Time(at) => {
            return Ok(Moment::of(*at).is_ok_and(|moment| came == moment.0.to_be_bytes()));
        }
        Cell::Units(units) => write!(room, "{units}"),
        Cell::Decimal(number) => write!(room, "{}", number.normalize()),
    };
    Ok(words.is_ok() && came == room.as_bytes())
}

/// Appends one cell in the binary form of COPY: its length, or -1 for none, and its bytes as the server stores them.
pub fn copied(kind: ColumnKind, cell: &Cell, out: &mut Vec<u8>) -> Result<(), Failure> {
    if *cell == Cell::Null {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    match kind {
        ColumnKind::Text | ColumnKind::Json => {
            out.extend_from_slice(text(cell)?.unwrap_or_default().as_bytes());
        }
        ColumnKind::Int64 => out.extend_from_slice(&number(cell)?.unwrap_or_default().to_be_bytes()),
        ColumnKind::Bool => out.push(u8::from(yes(cell)?.unwrap_or_default())),
        ColumnKind::Timestamp => {
            out.extend_from_slice(&moment(cell)?.map_or(0, |moment| moment.0).to_be_bytes());
        }
        ColumnKind::Units | ColumnKind::Decimal => {
            let digits = digits(cell)?.unwrap_or_default();
            if !numeric::write(&digits, out) {
                return Err(Failure::Data(format!("{digits} is no number")));
            }
        }
    }
    let length = out.len().saturating_sub(start).saturating_sub(4);
    let length =
        i32::try_from(length).map_err(|_| Failure::Data("a cell is larger than 2 GiB".to_owned()))?;
    if let Some(room) = out.get_mut(start..start.saturating_add(4)) {
        room.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Whether a cell can be a parameter of this kind at all; if not, no stored cell equals it.
pub fn fits(kind: ColumnKind, cell: &Cell) -> bool {
    match cell {
        Cell::Null => true,
        Cell::Text(text) => kind == ColumnKind::Text && !text.contains('\0'),
        Cell::Json(text) => kind == ColumnKind::Json && !text.contains('\0'),
        Cell::Time(at) => kind == ColumnKind::Timestamp && Moment::of(*at).is_ok(),
        Cell::Int(_) | Cell::Bool(_) | Cell::Units(_) | Cell::Decimal(_) => cell.kind() == Some(kind),
    }
}

fn text(cell: &Cell) -> Result<Option<&str>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Text(text) => Ok(Some(text)),
        Cell::Json(text) => Ok(Some(text)),
        Cell::Int(_) | Cell::Bool(_) | Cell::Time(_) | Cell::Units(_) | Cell::Decimal(_) => Err(other(cell)),
    }
}

fn digits(cell: &Cell) -> Result<Option<String>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Units(units) => Ok(Some(units.to_string())),
        Cell::Decimal(number) => Ok(Some(number.normalize().to_string())),
        Cell::Text(_) | Cell::Int(_) | Cell::Bool(_) | Cell::Time(_) | Cell::Json(_) => Err(other(cell)),
    }
}

fn number(cell: &Cell) -> Result<Option<i64>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Int(number) => Ok(Some(*number)),
        Cell::Text(_) | Cell::Bool(_) | Cell::Time(_) | Cell::Units(_) | Cell::Decimal(_) | Cell::Json(_) => {
            Err(other(cell))
        }
    }
}

fn yes(cell: &Cell) -> Result<Option<bool>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Bool(yes) => Ok(Some(*yes)),
        Cell::Text(_) | Cell::Int(_) | Cell::Time(_) | Cell::Units(_) | Cell::Decimal(_) | Cell::Json(_) => {
            Err(other(cell))
        }
    }
}

fn moment(cell: &Cell) -> Result<Option<Moment>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Time(at) => Moment::of(*at).map(Some).map_err(Failure::Data),
        Cell::Text(_) | Cell::Int(_) | Cell::Bool(_) | Cell::Units(_) | Cell::Decimal(_) | Cell::Json(_) => {
            Err(other(cell))
        }
    }
}

fn other(cell: &Cell) -> Failure {
    Failure::Data(format!("a cell of kind {:?} where another belongs", cell.kind()))
}
