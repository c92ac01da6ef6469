//! What stands in a table: cells, rows and keys.

pub(super) mod json;
mod text;

pub use text::Text;

use super::table::ColumnKind;
use crate::ids::{CommandId, DecisionId, EventId, PairId, QuoteHash, QuoteId, TokenId};
use crate::money::{Rate, Units};
use crate::port::event_log::Position;
use crate::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// One value. Compares as SQL would within one kind: text by its bytes, `1.50` equal to `1.5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Nothing.
    Null,
    /// UTF-8 without U+0000.
    Text(Text),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A moment.
    Time(Timestamp),
    /// Base units of a token.
    Units(Units),
    /// An exact decimal.
    Decimal(Decimal),
    /// JSON text, kept word for word.
    Json(Box<str>),
}

/// A row: one cell per column, in column order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(pub Vec<Cell>);

/// The name of a row: the cells of its key columns, in key order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<Cell>);

/// Whether there is a U+0000 in a text. No shortcut, so that bytes are compared many at once.
pub(super) fn has_nul(text: &[u8]) -> bool {
    text.iter().fold(0, |found, byte| found | u8::from(*byte == 0)) != 0
}

impl Cell {
    /// Text; U+0000, which PostgreSQL can't hold, becomes U+FFFD.
    #[must_use]
    pub fn text(text: &str) -> Self {
        if has_nul(text.as_bytes()) {
            Self::Text(text.replace('\0', "\u{fffd}").into())
        } else {
            Self::Text(text.into())
        }
    }

    /// A count or a span; past 63 bits it stays at the largest value.
    #[must_use]
    pub fn count(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// The kind of column that it fits; `None` for [`Cell::Null`], which fits every nullable one.
    #[must_use]
    pub fn kind(&self) -> Option<ColumnKind> {
        match self {
            Self::Null => None,
            Self::Text(_) => Some(ColumnKind::Text),
            Self::Int(_) => Some(ColumnKind::Int64),
            Self::Bool(_) => Some(ColumnKind::Bool),
            Self::Time(_) => Some(ColumnKind::Timestamp),
            Self::Units(_) => Some(ColumnKind::Units),
            Self::Decimal(_) => Some(ColumnKind::Decimal),
            Self::Json(_) => Some(ColumnKind::Json),
        }
    }

    /// Reads what people type, or what a cursor carries; `None` when it is no value of that kind.
    #[must_use]
    pub fn parse(kind: ColumnKind, text: &str) -> Option<Self> {
        match kind {
            ColumnKind::Text => Some(Self::text(text)),
            ColumnKind::Int64 => text.parse().ok().map(Self::Int),
            ColumnKind::Bool => text.parse().ok().map(Self::Bool),
            ColumnKind::Timestamp => Timestamp::parse(text).ok().map(Self::Time),
            ColumnKind::Units => text.parse().ok().map(Self::Units),
            ColumnKind::Decimal => Decimal::from_str_exact(text).ok().map(Self::Decimal),
            ColumnKind::Json => serde_json::from_str::<Value>(text).ok().map(|_| Self::Json(text.into())),
        }
    }

    /// Reads what serde writes where no one reads along: an id of 16 bytes, an amount of 32, the 16 of a decimal number; `None`
    /// when it is no value of that kind.
    #[must_use]
    pub fn of_bytes(kind: ColumnKind, bytes: &[u8]) -> Option<Self> {
        match kind {
            ColumnKind::Text => Uuid::from_slice(bytes).ok().map(Self::from),
            ColumnKind::Units => bytes.try_into().ok().map(Units::from_be_bytes).map(Self::Units),
            ColumnKind::Decimal => bytes.try_into().ok().map(Decimal::deserialize).map(Self::Decimal),
            ColumnKind::Int64 | ColumnKind::Bool | ColumnKind::Timestamp | ColumnKind::Json => None,
        }
    }

    /// The value as JSON: numbers that may pass 64 bits, and moments, as strings.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Text(text) => json::text(out, text.as_bytes()),
            Self::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
            Self::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Self::Time(at) => json::quoted(out, |out| at.write_bytes(out)),
            Self::Units(units) => json::quoted(out, |out| units.write_bytes(out)),
            Self::Decimal(number) => json::quoted(out, |out| json::decimal(out, number)),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

impl fmt::Display for Cell {
    /// For people: text and moments without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Json(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Bool(yes) => yes.fmt(f),
            Self::Time(at) => at.fmt(f),
            Self::Units(units) => units.fmt(f),
            Self::Decimal(number) => number.normalize().fmt(f),
        }
    }
}

impl fmt::Display for Key {
    /// The cells as a JSON array.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = vec![];
        for (i, cell) in self.0.iter().enumerate() {
            text.push(if i == 0 { b'[' } else { b',' });
            cell.write_json(&mut text);
        }
        write!(f, "{}]", json::shown(text))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Position> for Cell {
    fn from(position: Position) -> Self {
        Self::count(position.0)
    }
}

impl<C: Into<Cell>> From<C> for Key {
    fn from(only: C) -> Self {
        Self(vec![only.into()])
    }
}

impl<A: Into<Cell>, B: Into<Cell>> From<(A, B)> for Key {
    fn from((first, second): (A, B)) -> Self {
        Self(vec![first.into(), second.into()])
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        if has_nul(text.as_bytes()) { Self::text(&text) } else { Self::Text(text.into()) }
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        let mut text = Uuid::encode_buffer();
        Self::Text(Text::from(&*id.hyphenated().encode_lower(&mut text)))
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::count(count)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl From<Units> for Cell {
    fn from(units: Units) -> Self {
        Self::Units(units)
    }
}

impl From<Decimal> for Cell {
    fn from(number: Decimal) -> Self {
        Self::Decimal(number)
    }
}

impl From<Rate> for Cell {
    fn from(rate: Rate) -> Self {
        Self::Decimal(rate.decimal())
    }
}

impl<C: Into<Cell>> From<Option<C>> for Cell {
    fn from(value: Option<C>) -> Self {
        value.map_or(Self::Null, C::into)
    }
}

impl From<&PairId> for Cell {
    fn from(pair: &PairId) -> Self {
        Self::text(pair.as_str())
    }
}

impl From<CommandId> for Cell {
    fn from(id: CommandId) -> Self {
        Self::from(id.0)
    }
}

impl From<DecisionId> for Cell {
    fn from(id: DecisionId) -> Self {
        Self::from(id.0)
    }
}

impl From<EventId> for Cell {
    fn from(id: EventId) -> Self {
        Self::from(id.0)
    }
}

impl From<&QuoteId> for Cell {
    fn from(id: &QuoteId) -> Self {
        Self::text(id.as_str())
    }
}

impl From<&QuoteHash> for Cell {
    fn from(hash: &QuoteHash) -> Self {
        Self::text(hash.as_str())
    }
}

impl From<&TokenId> for Cell {
    fn from(token: &TokenId) -> Self {
        Self::text(token.as_str())
    }
}
