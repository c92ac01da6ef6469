//! What stands beside a record of the second generation, as a content type and JSON that the first one's readers see. Pure.

use crate::envelope;
use crate::no::No;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use stele_proto::kurrent::v2::{SchemaFormat, SchemaInfo};

/// Where the format stands when it is neither JSON nor bytes, and where the schema's id does.
const FORMAT: &str = "$schema.format";
const SCHEMA: &str = "$schema.id";
/// Deepest nesting of a property.
const DEPTH_MAX: usize = 32;
/// Whole numbers up to here are exact in the wire's numbers: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The content type and the metadata.
pub fn beside(
    schema: &SchemaInfo,
    properties: BTreeMap<String, prost_types::Value>,
) -> Result<(&'static str, Vec<u8>), No> {
    let mut object = Map::new();
    for (key, value) in properties {
        object.insert(key, json(value, DEPTH_MAX)?);
    }
    let format = SchemaFormat::try_from(schema.format);
    let (content_type, word) = match format {
        Ok(SchemaFormat::Json) => (envelope::JSON, None),
        Ok(SchemaFormat::Bytes) => (envelope::BYTES, None),
        Ok(SchemaFormat::Protobuf) => (envelope::BYTES, Some("Protobuf")),
        Ok(SchemaFormat::Avro) => (envelope::BYTES, Some("Avro")),
        Ok(SchemaFormat::Unspecified) | Err(_) => {
            return Err(No::Malformed("a record's schema has no format".to_owned()));
        }
    };
    if let Some(word) = word {
        object.insert(FORMAT.to_owned(), word.into());
    }
    if let Some(id) = &schema.id {
        object.insert(SCHEMA.to_owned(), id.as_str().into());
    }
    // Without properties there is nothing, as with an append of the first generation.
    let metadata = if object.is_empty() { vec![] } else { Value::Object(object).to_string().into_bytes() };
    Ok((content_type, metadata))
}

fn json(value: prost_types::Value, depth: usize) -> Result<Value, No> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(No::Malformed(format!("a property is nested more than {DEPTH_MAX} deep")));
    };
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::NumberValue(value)) => Value::Number(numeric(value)?),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter().map(|value| json(value, depth));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(fields)) => {
            let fields = fields.fields.into_iter().map(|(key, value)| Ok((key, json(value, depth)?)));
            Value::Object(fields.collect::<Result<_, No>>()?)
        }
    })
}

/// Whole numbers are written as such.
fn numeric(value: f64) -> Result<Number, No> {
    let whole = value.fract() == 0.0 && value.abs() <= EXACT_MAX;
    if whole && let Ok(number) = format!("{value:.0}").parse::<i64>() {
        return Ok(number.into());
    }
    Number::from_f64(value).ok_or_else(|| No::Malformed("a property is no number that JSON has".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{beside, json};
    use prost_types::value::Kind;
    use prost_types::{ListValue, Value};
    use std::collections::BTreeMap;
    use stele_proto::kurrent::v2::{SchemaFormat, SchemaInfo};

    fn schema(format: SchemaFormat, id: Option<&str>) -> SchemaInfo {
        SchemaInfo { format: i32::from(format), name: "x".to_owned(), id: id.map(str::to_owned) }
    }

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    #[test]
    fn properties_become_json_and_whole_numbers_stay_whole() {
        let properties = BTreeMap::from([
            ("count".to_owned(), value(Kind::NumberValue(3.0))),
            ("rate".to_owned(), value(Kind::NumberValue(0.5))),
            ("who".to_owned(), value(Kind::StringValue("ann".to_owned()))),
        ]);
        let (content_type, metadata) = beside(&schema(SchemaFormat::Json, None), properties).unwrap();
        assert_eq!(content_type, "application/json");
        assert_eq!(String::from_utf8(metadata).unwrap(), r#"{"count":3,"rate":0.5,"who":"ann"}"#);
    }

    #[test]
    fn what_a_schema_says_is_kept() {
        let (content_type, metadata) =
            beside(&schema(SchemaFormat::Avro, Some("7")), BTreeMap::new()).unwrap();
        let text = String::from_utf8(metadata).unwrap();
        assert_eq!(
            (content_type, &*text),
            ("application/octet-stream", r#"{"$schema.format":"Avro","$schema.id":"7"}"#)
        );
        let (_, metadata) = beside(&schema(SchemaFormat::Bytes, None), BTreeMap::new()).unwrap();
        assert!(metadata.is_empty());
        assert!(beside(&schema(SchemaFormat::Unspecified, None), BTreeMap::new()).is_err());
    }

    #[test]
    fn a_property_that_is_nested_without_end_is_refused() {
        let mut nested = value(Kind::BoolValue(true));
        for _ in 0..40 {
            nested = value(Kind::ListValue(ListValue { values: vec![nested] }));
        }
        assert!(json(nested, 32).is_err());
        assert!(json(value(Kind::NumberValue(f64::NAN)), 32).is_err());
    }
}
