//! Cells as a struct.

use super::Unfit;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use stele_domain::port::read_store::{Cell, Row, Table};

pub fn row<T: DeserializeOwned>(table: &Table, row: &Row) -> Result<T, Unfit> {
    let fields = table.columns.iter().zip(&row.0).map(|(column, cell)| (column.name, Reader(cell)));
    T::deserialize(MapDeserializer::new(fields))
}

struct Reader<'r>(&'r Cell);

impl IntoDeserializer<'_, Unfit> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Cell::Null => visitor.visit_unit(),
            Cell::Text(text) => visitor.visit_str(text),
            Cell::Int(number) => visitor.visit_i64(*number),
            Cell::Bool(yes) => visitor.visit_bool(*yes),
            Cell::Time(at) => visitor.visit_string(at.to_string()),
            Cell::Units(units) => visitor.visit_string(units.to_string()),
            Cell::Decimal(number) => visitor.visit_string(number.normalize().to_string()),
            Cell::Json(text) => value(text)?.deserialize_any(visitor).map_err(Unfit::custom),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if *self.0 == Cell::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        if let Cell::Json(text) = self.0 {
            return value(text)?.deserialize_enum(name, variants, visitor).map_err(Unfit::custom);
        }
        visitor.visit_enum(self.0.to_string().into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

fn value(text: &str) -> Result<Value, Unfit> {
    serde_json::from_str(text).map_err(Unfit::custom)
}
