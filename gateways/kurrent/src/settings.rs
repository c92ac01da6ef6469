//! What a metadata stream says of the stream that it describes: how much of it is shown. Pure.

use serde_json::{Map, Value};
use std::fmt;

/// What `$tb` says of a deleted stream.
pub const DELETED: u64 = 9_223_372_036_854_775_807;

const TRUNCATE_BEFORE: &str = "$tb";
const MAX_COUNT: &str = "$maxCount";
const MAX_AGE: &str = "$maxAge";
const CACHE_CONTROL: &str = "$cacheControl";
const ACL: &str = "$acl";

/// How much of a stream is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// The first revision that is shown.
    pub truncate_before: u64,
    /// Most events that are shown.
    pub max_count: Option<u64>,
    /// Longest age of an event that is shown, in seconds.
    pub max_age_s: Option<u64>,
}

/// Why a text is no metadata of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings(String);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the metadata of a stream: {}", self.0)
    }
}

impl Settings {
    /// Reads the data of a metadata event.
    pub fn read(data: &[u8]) -> Result<Self, InvalidSettings> {
        let object = object(data)?;
        if object.get(ACL).is_some_and(|acl| !acl.is_object() && !acl.is_string()) {
            return Err(InvalidSettings(format!("{ACL} is no object")));
        }
        positive(&object, CACHE_CONTROL)?;
        let truncate_before = match object.get(TRUNCATE_BEFORE) {
            None | Some(Value::Null) => 0,
            Some(value) => value.as_u64().filter(|tb| *tb <= DELETED).ok_or_else(|| {
                InvalidSettings(format!("{TRUNCATE_BEFORE} is no whole number from 0 to {DELETED}"))
            })?,
        };
        Ok(Self {
            truncate_before,
            max_count: positive(&object, MAX_COUNT)?,
            max_age_s: positive(&object, MAX_AGE)?,
        })
    }

    /// Whether the stream is deleted, until it is appended to again.
    pub fn deleted(self) -> bool {
        self.truncate_before == DELETED
    }

    /// The first revision that is shown of a stream that ends at `last`.
    pub fn first_shown(self, last: u64) -> u64 {
        let by_count = self.max_count.map_or(0, |count| last.saturating_add(1).saturating_sub(count));
        self.truncate_before.max(by_count)
    }
}

/// The same metadata with another first revision. Whatever else they say stays.
pub fn truncated(data: &[u8], before: u64) -> Vec<u8> {
    let mut object = object(data).unwrap_or_default();
    object.insert(TRUNCATE_BEFORE.to_owned(), Value::from(before));
    Value::Object(object).to_string().into_bytes()
}

fn object(data: &[u8]) -> Result<Map<String, Value>, InvalidSettings> {
    serde_json::from_slice(data).map_err(|error| InvalidSettings(format!("no JSON object: {error}")))
}

fn positive(object: &Map<String, Value>, key: &str) -> Result<Option<u64>, InvalidSettings> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| *number > 0) {
            Some(number) => Ok(Some(number)),
            None => Err(InvalidSettings(format!("{key} is no whole number above 0"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{DELETED, Settings, truncated};

    #[test]
    fn settings_are_read_and_the_rest_is_passed_over() {
        let data = br#"{"$maxCount":2,"$maxAge":60,"$tb":3,"$cacheControl":5,"$acl":{"$r":"x"},"mine":[1]}"#;
        let read = Settings::read(data).unwrap();
        assert_eq!(read, Settings { truncate_before: 3, max_count: Some(2), max_age_s: Some(60) });
        assert_eq!((read.first_shown(9), read.first_shown(3), read.first_shown(0)), (8, 3, 3));
        assert_eq!(Settings::read(b"{}"), Ok(Settings::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_named() {
        for (data, word) in [
            (&br#"{"$maxCount":0}"#[..], "$maxCount"),
            (br#"{"$maxCount":-1}"#, "$maxCount"),
            (br#"{"$maxAge":"x"}"#, "$maxAge"),
            (br#"{"$maxAge":1.5}"#, "$maxAge"),
            (br#"{"$tb":9223372036854775808}"#, "$tb"),
            (br#"{"$tb":-1}"#, "$tb"),
            (br#"{"$acl":7}"#, "$acl"),
            (br#"{"$cacheControl":0}"#, "$cacheControl"),
            (b"[]", "object"),
            (b"\xff", "object"),
            (b"", "object"),
        ] {
            let refused = Settings::read(data).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn deleting_keeps_whatever_else_was_said() {
        let deleted = truncated(br#"{"$acl":{"$r":"x"},"mine":1,"$tb":4}"#, DELETED);
        assert!(Settings::read(&deleted).unwrap().deleted());
        let text = String::from_utf8(deleted).unwrap();
        assert!(text.contains(r#""$acl":{"$r":"x"}"#) && text.contains(r#""mine":1"#), "{text}");
        assert!(Settings::read(&truncated(b"", DELETED)).unwrap().deleted());
    }
}
