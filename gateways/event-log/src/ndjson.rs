//! The lines of an export: one JSON object per line, a header, the events, a trailer. `FORMAT.md` §10 describes them. Only
//! what a line says; what follows what is for [`crate::export`] and [`crate::import`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use stele_domain::port::event_log::APPEND_BYTES_MAX;
use uuid::Uuid;

/// The version of the lines.
pub const EXPORT_VERSION: u32 = 1;

/// Longest line in bytes, its newline included: 33 MiB. Every byte of data and metadata takes at most two, and the names
/// of an event, all of its characters escaped, less than a mebibyte.
pub const LINE_BYTES_MAX: usize = 2 * APPEND_BYTES_MAX + 1024 * 1024;

/// One line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line<'a> {
    /// The first line.
    Export(Header),
    /// One event.
    #[serde(borrow)]
    Event(Event<'a>),
    /// The last line.
    End(Trailer),
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`EXPORT_VERSION`].
    pub version: u32,
    /// The log that was exported.
    pub log: Uuid,
    /// First position.
    pub from: u64,
    /// Last position; one less than the first where there is nothing.
    pub to: u64,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event<'a> {
    /// Place in the log.
    pub position: u64,
    /// Number of the commit that it is a part of.
    pub commit: u64,
    /// Name of its stream.
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    /// Place in the stream.
    pub revision: u64,
    /// Names the fact.
    pub id: Uuid,
    /// `context.PastTense`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// When it was recorded, in microseconds since 1970-01-01T00:00:00Z.
    pub recorded_at_us: i64,
    /// As it was offered.
    #[serde(borrow)]
    pub data: Bytes<'a>,
    /// As it was offered.
    #[serde(borrow)]
    pub metadata: Bytes<'a>,
}

/// What the lines before were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// How many events.
    pub events: u64,
    /// SHA-256 of all lines before, newlines included, in hexadecimal digits.
    pub sha256: String,
}

/// Bytes as JSON: text where they are text, so that people and programs can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bytes<'a> {
    /// UTF-8 that is not much longer in JSON.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    /// Anything else.
    Coded(Base64),
}

/// Bytes as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base64 {
    /// RFC 4648 §4, with padding.
    pub base64: String,
}

impl<'a> Bytes<'a> {
    /// These bytes, as text if at all possible.
    pub fn of(bytes: &'a [u8]) -> Self {
        // Of the control characters only these have short escapes.
        let plain = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.iter().all(plain) => Self::Text(Cow::Borrowed(text)),
            Ok(_) | Err(_) => Self::Coded(Base64 { base64: STANDARD.encode(bytes) }),
        }
    }

    /// The bytes; `None` when the text is not Base64.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_owned().into_bytes()),
            Self::Coded(Base64 { base64 }) => STANDARD.decode(base64).ok(),
        }
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Event, LINE_BYTES_MAX, Line};
    use stele_domain::port::event_log::{APPEND_BYTES_MAX, EVENT_TYPE_BYTES_MAX, STREAM_ID_BYTES_MAX};
    use uuid::Uuid;

    #[test]
    fn all_bytes_come_back_whatever_they_are() {
        fn law(bytes: Vec<u8>, text: String) -> bool {
            let comes_back = |bytes: &[u8]| {
                let line = serde_json::to_string(&Bytes::of(bytes)).unwrap();
                let read: Bytes<'_> = serde_json::from_str(&line).unwrap();
                line.len() <= 2 * bytes.len() + 20 && read.into_bytes().as_deref() == Some(bytes)
            };
            [bytes, text.into_bytes()].iter().all(|bytes| comes_back(bytes))
        }
        quickcheck::quickcheck(law as fn(Vec<u8>, String) -> bool);
    }

    #[test]
    fn the_largest_event_fits_in_a_line() {
        // What takes most room in JSON: text of which every character is escaped.
        let data = "\"".repeat(APPEND_BYTES_MAX);
        let event = Event {
            position: u64::MAX,
            commit: u64::MAX,
            stream: "\u{7f}\\".repeat(STREAM_ID_BYTES_MAX / 2).into(),
            revision: u64::MAX,
            id: Uuid::max(),
            kind: "\u{1}".repeat(EVENT_TYPE_BYTES_MAX).into(),
            recorded_at_us: i64::MIN,
            data: Bytes::of(data.as_bytes()),
            metadata: Bytes::of(b""),
        };
        let line = serde_json::to_string(&Line::Event(event)).unwrap();
        assert!(line.len() < LINE_BYTES_MAX, "{} bytes", line.len());
    }
}
