//! What stands beside an event, outside (a content type and bytes) and in the log (bytes). Pure, and without loss.
//!
//! A JSON event's metadata is kept as it came, so the desk's own events and those of others look alike. Anything else is
//! wrapped: `{"$outside":{"content-type":"…"},"metadata":…}` with the bytes as they are where they are JSON, and
//! `"metadata-base64":"…"` where they are not. Metadata that begins like a wrapping is wrapped too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// The content type of JSON.
pub const JSON: &str = "application/json";
/// The content type of anything else.
pub const BYTES: &str = "application/octet-stream";

const BEGIN: &str = "{\"$outside\":";
const CONTENT_TYPE: &str = "{\"$outside\":{\"content-type\":";
const AS_IT_IS: &str = "},\"metadata\":";
const IN_BASE64: &str = "},\"metadata-base64\":";
const END: &str = "}";

/// What the log keeps of a content type and metadata.
pub fn wrapped(content_type: &str, metadata: &[u8]) -> Vec<u8> {
    if content_type == JSON && !metadata.starts_with(BEGIN.as_bytes()) {
        return metadata.to_vec();
    }
    let content_type = serde_json::Value::from(content_type).to_string();
    let mut whole = format!("{CONTENT_TYPE}{content_type}");
    match as_json(metadata) {
        Some(json) => whole.extend([AS_IT_IS, json]),
        None => whole.extend([IN_BASE64, "\"", &STANDARD.encode(metadata), "\""]),
    }
    whole.push_str(END);
    whole.into_bytes()
}

/// Metadata that is JSON to the byte, without spaces around it.
fn as_json(metadata: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(metadata).ok()?;
    let read: &RawValue = serde_json::from_str(text).ok()?;
    (read.get() == text).then_some(text)
}

/// What was beside an event when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// JSON, and the metadata are the log's.
    Json,
    /// Something else.
    Other {
        /// The content type.
        content_type: String,
        /// The metadata.
        metadata: Vec<u8>,
    },
}

/// What the log's metadata say. Whatever is no wrapping is a JSON event's.
pub fn unwrapped(kept: &[u8]) -> Beside {
    if !kept.starts_with(BEGIN.as_bytes()) {
        return Beside::Json;
    }
    read(kept).unwrap_or(Beside::Json)
}

fn read(kept: &[u8]) -> Option<Beside> {
    let rest = std::str::from_utf8(kept).ok()?.strip_prefix(CONTENT_TYPE)?.strip_suffix(END)?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let content_type = values.next()?.ok()?;
    let rest = rest.get(values.byte_offset()..)?;
    let metadata = match (rest.strip_prefix(AS_IT_IS), rest.strip_prefix(IN_BASE64)) {
        (Some(json), _) => json.as_bytes().to_vec(),
        (None, Some(text)) => {
            STANDARD.decode(text.strip_prefix('"').and_then(|text| text.strip_suffix('"'))?).ok()?
        }
        (None, None) => return None,
    };
    Some(Beside::Other { content_type, metadata })
}

#[cfg(test)]
mod tests {
    use super::{BYTES, Beside, JSON, unwrapped, wrapped};
    use quickcheck::quickcheck;

    fn comes_back(content_type: &str, metadata: &[u8]) -> bool {
        let kept = wrapped(content_type, metadata);
        match unwrapped(&kept) {
            Beside::Json => content_type == JSON && kept == metadata,
            Beside::Other { content_type: read, metadata: back } => read == content_type && back == metadata,
        }
    }

    #[test]
    fn content_type_and_metadata_come_back_to_the_byte() {
        quickcheck(
            (|content_type, metadata| comes_back(&content_type, &metadata)) as fn(String, Vec<u8>) -> bool,
        );
        quickcheck((|metadata| comes_back(JSON, &metadata)) as fn(Vec<u8>) -> bool);
        let metadata: [&[u8]; 9] = [
            b"",
            b"{}",
            b" {\"a\" : 1} ",
            b"{\"a\" : 1}",
            b"\xff\x00",
            b"{\"$outside\":{\"content-type\":\"application/json\"},\"metadata\":{}}",
            b"{\"$outside\":",
            b"{\"$outside\":{\"content-type\":\"x\"},\"metadata-base64\":\"\"}",
            b"null",
        ];
        for metadata in metadata {
            for content_type in [JSON, BYTES, "a\"},\"metadata\":", ""] {
                assert!(
                    comes_back(content_type, metadata),
                    "{content_type} {:?}",
                    metadata.escape_ascii().to_string()
                );
            }
        }
    }

    #[test]
    fn what_is_wrapped_can_be_read_by_a_person() {
        let kept = wrapped(BYTES, b"{\"by\":\"ann\"}");
        let text = std::str::from_utf8(&kept).unwrap();
        assert_eq!(
            text,
            r#"{"$outside":{"content-type":"application/octet-stream"},"metadata":{"by":"ann"}}"#
        );
    }

    #[test]
    fn a_wrapping_that_is_not_ours_is_metadata_of_its_own() {
        for kept in
            [&b"{\"$outside\":1}"[..], b"{\"$outside\":{\"content-type\":\"x\"}}", b"{\"$outside\":\xff"]
        {
            assert_eq!(unwrapped(kept), Beside::Json);
        }
    }
}
