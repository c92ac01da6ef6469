//! An event as it is told, written from the record's own memory: what the generated message says, without a map, a text or
//! a copy of its own for every event. Pure. The definitions in `proto/kurrent/v1` hold here too, and tests compare both.

use crate::envelope::{self, Beside};
use crate::name;
use crate::outward::{IdForm, ticks};
use bytes::{BufMut as _, Bytes};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use std::borrow::Cow;
use stele_domain::port::event_log::{Position, Record};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Fields of a `ReadEvent`.
const EVENT: u32 = 1;
const LINK: u32 = 2;
const READ_AT: u32 = 3;

/// Fields of a `RecordedEvent`.
const ID: u32 = 1;
const STREAM: u32 = 2;
const REVISION: u32 = 3;
const PREPARED_AT: u32 = 4;
const COMMITTED_AT: u32 = 5;
const METADATA: u32 = 6;
const CUSTOM_METADATA: u32 = 7;
const DATA: u32 = 8;

/// The name in a `StreamIdentifier`.
const STREAM_NAME: u32 = 3;
/// The two forms of a `UUID`, and the halves of one of them.
const STRUCTURED: u32 = 1;
const TEXT: u32 = 2;
const HIGH: u32 = 1;
const LOW: u32 = 2;
/// What an entry of a map has.
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// Bytes of a field's key: no message here has a field above 15.
const KEY_BYTES: usize = 1;

/// A record as a `RecordedEvent`, in parts that are not put together yet.
pub struct Told<'r> {
    record: &'r Record,
    id: Id,
    name: Cow<'r, str>,
    content_type: Cow<'r, str>,
    created: String,
    metadata: Cow<'r, [u8]>,
}

impl<'r> Told<'r> {
    /// A record as it is told; `None` for one whose stream no name leads to.
    pub fn of(record: &'r Record, form: IdForm) -> Option<Self> {
        let name = name::outside(&record.stream)?;
        let (content_type, metadata) = match envelope::unwrapped(&record.metadata) {
            Beside::Json => (Cow::Borrowed(envelope::JSON), Cow::Borrowed(&*record.metadata)),
            Beside::Other { content_type, metadata } => (Cow::Owned(content_type), Cow::Owned(metadata)),
        };
        let (id, created) = (Id::of(record.event_id.0, form), ticks(record.recorded_at).to_string());
        Some(Self { record, id, name, content_type, created, metadata })
    }

    fn len(&self) -> usize {
        let Self { record, id, name, content_type, created, metadata } = self;
        framed_len(id.len())
            + framed_len(bytes_len(name.as_bytes()))
            + number_len(record.revision.0)
            + 2 * number_len(record.position.0)
            + framed_len(entry_len("content-type", content_type.as_bytes()))
            + framed_len(entry_len("created", created.as_bytes()))
            + framed_len(entry_len("type", record.event_type.as_bytes()))
            + bytes_len(metadata)
            + bytes_len(&record.data)
    }

    fn put(&self, out: &mut Vec<u8>) {
        let Self { record, id, name, content_type, created, metadata } = self;
        frame(ID, id.len(), out);
        id.put(out);
        frame(STREAM, bytes_len(name.as_bytes()), out);
        put_bytes(STREAM_NAME, name.as_bytes(), out);
        put_number(REVISION, record.revision.0, out);
        put_number(PREPARED_AT, record.position.0, out);
        put_number(COMMITTED_AT, record.position.0, out);
        put_entry("content-type", content_type.as_bytes(), out);
        put_entry("created", created.as_bytes(), out);
        put_entry("type", record.event_type.as_bytes(), out);
        put_bytes(CUSTOM_METADATA, metadata, out);
        put_bytes(DATA, &record.data, out);
    }
}

/// An event of a reading, and the event that pointed to it, as a `ReadEvent`.
pub fn read_event(event: Option<&Told<'_>>, link: Option<&Told<'_>>, position: Position) -> Bytes {
    let parts = [(EVENT, event), (LINK, link)];
    let parts = parts.into_iter().filter_map(|(field, told)| Some((field, told?, told?.len())));
    // A place that is one of several kinds is said also where it is zero.
    let at = KEY_BYTES + encoded_len_varint(position.0);
    let length = parts.clone().map(|(_, _, length)| framed_len(length)).sum::<usize>() + at;
    let mut out = Vec::with_capacity(length);
    for (field, told, length) in parts {
        frame(field, length, &mut out);
        told.put(&mut out);
    }
    encode_key(READ_AT, WireType::Varint, &mut out);
    encode_varint(position.0, &mut out);
    out.into()
}

/// An id as a `UUID`, in the form that is asked for.
enum Id {
    Text([u8; Hyphenated::LENGTH]),
    Structured(u64, u64),
}

impl Id {
    fn of(id: Uuid, form: IdForm) -> Self {
        match form {
            IdForm::Text => {
                let mut text = [0; Hyphenated::LENGTH];
                id.hyphenated().encode_lower(&mut text);
                Self::Text(text)
            }
            IdForm::Structured => {
                let (high, low) = id.as_u64_pair();
                Self::Structured(high, low)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => framed_len(text.len()),
            Self::Structured(high, low) => framed_len(number_len(*high) + number_len(*low)),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => put_bytes(TEXT, text, out),
            Self::Structured(high, low) => {
                frame(STRUCTURED, number_len(*high) + number_len(*low), out);
                put_number(HIGH, *high, out);
                put_number(LOW, *low, out);
            }
        }
    }
}

fn put_entry(key: &str, value: &[u8], out: &mut Vec<u8>) {
    frame(METADATA, entry_len(key, value), out);
    put_bytes(KEY, key.as_bytes(), out);
    put_bytes(VALUE, value, out);
}

fn entry_len(key: &str, value: &[u8]) -> usize {
    bytes_len(key.as_bytes()) + bytes_len(value)
}

/// What stands before a field of so many bytes.
fn frame(field: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(to_u64(length), out);
}

/// What is zero or empty is not said.
fn put_number(field: u32, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        encode_key(field, WireType::Varint, out);
        encode_varint(number, out);
    }
}

fn put_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        frame(field, bytes.len(), out);
        out.put_slice(bytes);
    }
}

fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { KEY_BYTES + encoded_len_varint(number) }
}

fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { framed_len(bytes.len()) }
}

fn framed_len(length: usize) -> usize {
    KEY_BYTES + encoded_len_varint(to_u64(length)) + length
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
