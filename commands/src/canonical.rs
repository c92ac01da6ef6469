//! One text for one JSON value, and its digest: what repetitions, approvals and people compare.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// JSON without spaces and with sorted names, whatever order the value was built in.
pub fn text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(256);
    write(&serde_json::to_value(value)?, &mut out);
    Ok(out)
}

/// SHA-256 of a text, in hex.
pub fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (i, (name, field)) in sorted.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{sha256, text};
    use serde_json::json;

    #[test]
    fn the_order_in_which_names_were_written_changes_nothing() {
        let one: serde_json::Value =
            serde_json::from_str(r#"{"b": [1, {"d": 2, "c": null}], "a": "x"}"#).unwrap();
        assert_eq!(text(&one).unwrap(), r#"{"a":"x","b":[1,{"c":null,"d":2}]}"#);
        assert_ne!(text(&one).unwrap(), text(&json!({"a": "x", "b": [{"c": null, "d": 2}, 1]})).unwrap());
    }

    #[test]
    fn the_digest_is_that_of_fips_180() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), abc);
    }
}
