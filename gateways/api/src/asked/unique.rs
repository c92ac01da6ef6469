//! JSON in which every name stands once. Readers differ in which of two they take, so neither is taken: what was meant is
//! not for us to guess.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt;

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A name stands twice in one object.
    Twice(String),
    /// It is no JSON.
    NoJson(serde_json::Error),
}

/// Reads one value.
///
/// # Errors
///
/// [`Unreadable`].
pub(super) fn value(bytes: &[u8]) -> Result<Value, Unreadable> {
    let twice = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Reader { twice: &twice }.deserialize(&mut reader);
    let read = read.and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| twice.take().map_or(Unreadable::NoJson(error), Unreadable::Twice))
}

#[derive(Clone, Copy)]
struct Reader<'t> {
    /// The name that stands twice.
    twice: &'t RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = vec![];
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.contains_key(&name) {
                let error = A::Error::custom(format!("duplicate field `{name}`"));
                self.twice.replace(Some(name));
                return Err(error);
            }
            let value = map.next_value_seed(self)?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{Unreadable, value};
    use serde_json::Value;

    #[test]
    fn what_has_no_name_twice_is_read_as_anybody_would_read_it() {
        for text in [
            "null",
            "[]",
            r#"{"a":{"b":1},"c":{"b":[2,-3,4.5,true,"x",null]},"":"ä\u0000"}"#,
            "18446744073709551615",
            "1e300",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(value(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_found_at_any_depth_however_it_is_written() {
        for (text, name) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#, "a"),
            (r#"{"x":{"y":{"":1,"":2}}}"#, ""),
        ] {
            let Err(Unreadable::Twice(twice)) = value(text.as_bytes()) else { panic!("{text} was read") };
            assert_eq!(twice, name);
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "{", "nonsense", r#"{"a":1} trailing"#, "{\"a\":\"\u{1}\"}", &deep] {
            assert!(matches!(value(text.as_bytes()), Err(Unreadable::NoJson(_))), "{text:.40}");
        }
    }
}
