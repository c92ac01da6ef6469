//! Records and pages of records as they cross the wire, written from the log's own memory and read into it by hand: what
//! the generated messages say, without a copy in between. Pure. The definitions in `proto/log/v1` hold here too, and tests
//! compare both.
//!
//! A reader passes over fields that it doesn't know, as every reader of such messages does.

use crate::wire::{Malformed, event_id, stream};
use bytes::Bytes;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint};
use std::sync::Arc;
use stele_domain::port::event_log::{Page, Position, Record, Revision};
use stele_domain::time::Timestamp;

/// Most bytes of a field's key: no message here has a field above 15.
const KEY_BYTES: usize = 1;
/// Most bytes of a whole number.
const NUMBER_BYTES_MAX: usize = 10;

/// Fields of a `Page`.
const RECORDS: u32 = 1;
const NEXT: u32 = 2;
const HEAD: u32 = 3;

/// Fields of a `Record`.
const POSITION: u32 = 1;
const STREAM: u32 = 2;
const REVISION: u32 = 3;
const EVENT_ID: u32 = 4;
const EVENT_TYPE: u32 = 5;
const DATA: u32 = 6;
const METADATA: u32 = 7;
const RECORDED_AT: u32 = 8;

/// A page as the message of that name. Its head is said even when it is zero: the page of an empty log is a page, and an
/// answer without one is none.
pub fn page_out(page: &Page) -> Bytes {
    let lengths: Vec<usize> = page.records.iter().map(record_len).collect();
    let records = lengths.iter().map(|length| framed_len(*length)).sum::<usize>();
    let mut out = Vec::with_capacity(records + 2 * (KEY_BYTES + NUMBER_BYTES_MAX));
    for (record, length) in page.records.iter().zip(lengths) {
        encode_key(RECORDS, WireType::LengthDelimited, &mut out);
        encode_varint(to_u64(length), &mut out);
        put_record(record, &mut out);
    }
    put_number(NEXT, page.next.0, &mut out);
    encode_key(HEAD, WireType::Varint, &mut out);
    encode_varint(page.head.0, &mut out);
    out.into()
}

/// A record as the message of that name.
pub fn record_out(record: &Record) -> Bytes {
    let mut out = Vec::with_capacity(record_len(record));
    put_record(record, &mut out);
    out.into()
}

fn put_record(record: &Record, out: &mut Vec<u8>) {
    put_number(POSITION, record.position.0, out);
    put_bytes(STREAM, record.stream.as_str().as_bytes(), out);
    put_number(REVISION, record.revision.0, out);
    put_bytes(EVENT_ID, record.event_id.0.as_bytes(), out);
    put_bytes(EVENT_TYPE, record.event_type.as_bytes(), out);
    put_bytes(DATA, &record.data, out);
    put_bytes(METADATA, &record.metadata, out);
    put_number(RECORDED_AT, recorded_at(record), out);
}

fn record_len(record: &Record) -> usize {
    number_len(record.position.0)
        + bytes_len(record.stream.as_str().as_bytes())
        + number_len(record.revision.0)
        + bytes_len(record.event_id.0.as_bytes())
        + bytes_len(record.event_type.as_bytes())
        + bytes_len(&record.data)
        + bytes_len(&record.metadata)
        + number_len(recorded_at(record))
}

/// Signed numbers are sent as the unsigned ones with the same bits.
fn recorded_at(record: &Record) -> u64 {
    u64::from_ne_bytes(record.recorded_at.micros().to_ne_bytes())
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
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(to_u64(bytes.len()), out);
        out.extend_from_slice(bytes);
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

/// A page, from the message of that name.
///
/// # Errors
///
/// [`Malformed`] when there is none, or a record in it that is none.
pub fn page_in(bytes: &[u8]) -> Result<Page, Malformed> {
    if bytes.is_empty() {
        return Err(Malformed("there is no page in the answer".to_owned()));
    }
    let mut kinds = Kinds::default();
    let mut page = Page { records: vec![], next: Position::START, head: Position::START };
    for field in Fields(bytes) {
        match field? {
            (RECORDS, Field::Bytes(record)) => {
                let record = read(record, &mut kinds, page.records.last())?;
                page.records.push(record);
            }
            (NEXT, Field::Number(next)) => page.next = Position(next),
            (HEAD, Field::Number(head)) => page.head = Position(head),
            (RECORDS | NEXT | HEAD, _) => return Err(other_kind("page")),
            (_, _) => {}
        }
    }
    Ok(page)
}

/// Records, from messages of that name.
///
/// # Errors
///
/// [`Malformed`] when one of them is none.
pub fn records_in(records: &[Bytes]) -> Result<Vec<Record>, Malformed> {
    let mut kinds = Kinds::default();
    let mut read_so_far = Vec::with_capacity(records.len());
    for record in records {
        let record = read(record, &mut kinds, read_so_far.last())?;
        read_so_far.push(record);
    }
    Ok(read_so_far)
}

/// A record. What it has in common with the one `before` is in memory once.
fn read(bytes: &[u8], kinds: &mut Kinds, before: Option<&Record>) -> Result<Record, Malformed> {
    let (mut position, mut revision, mut recorded_at) = (0, 0, 0);
    let [mut name, mut id, mut event_type, mut data, mut metadata] = [&[][..]; 5];
    for field in Fields(bytes) {
        match field? {
            (POSITION, Field::Number(number)) => position = number,
            (STREAM, Field::Bytes(bytes)) => name = bytes,
            (REVISION, Field::Number(number)) => revision = number,
            (EVENT_ID, Field::Bytes(bytes)) => id = bytes,
            (EVENT_TYPE, Field::Bytes(bytes)) => event_type = bytes,
            (DATA, Field::Bytes(bytes)) => data = bytes,
            (METADATA, Field::Bytes(bytes)) => metadata = bytes,
            (RECORDED_AT, Field::Number(number)) => recorded_at = number,
            (POSITION..=RECORDED_AT, _) => return Err(other_kind("record")),
            (_, _) => {}
        }
    }
    let known_stream = before.map(|before| &before.stream);
    let known_stream = known_stream.filter(|known| known.as_str().as_bytes() == name);
    let known_metadata = before.map(|before| &before.metadata).filter(|known| ***known == *metadata);
    Ok(Record {
        position: Position(position),
        stream: known_stream.map_or_else(|| stream(text(name)?), |known| Ok(known.clone()))?,
        revision: Revision(revision),
        event_id: event_id(id)?,
        event_type: kinds.kind(text(event_type)?),
        data: Arc::from(data),
        metadata: known_metadata.map_or_else(|| Arc::from(metadata), Arc::clone),
        recorded_at: Timestamp::from_micros(i64::from_ne_bytes(recorded_at.to_ne_bytes())),
    })
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a name is no UTF-8".to_owned()))
}

fn other_kind(what: &str) -> Malformed {
    Malformed(format!("a field of a {what} is of another kind"))
}

fn cut() -> Malformed {
    Malformed("a message ends in the middle of a field".to_owned())
}

/// How many types of event are remembered while a page is read; it is a power of two.
const KINDS: usize = 64;

/// Types of event that were met: a page has few, and each is kept in memory once.
struct Kinds([Option<Arc<str>>; KINDS]);

impl Default for Kinds {
    fn default() -> Self {
        Self([const { None }; KINDS])
    }
}

impl Kinds {
    fn kind(&mut self, text: &str) -> Arc<str> {
        // Types differ in their length or in one of their last letters, or they share a place and are kept twice.
        let last = text
            .bytes()
            .rev()
            .step_by(3)
            .take(4)
            .fold(text.len(), |sum, letter| sum.wrapping_mul(31).wrapping_add(usize::from(letter)));
        let Some(place) = self.0.get_mut(last % KINDS) else { return Arc::from(text) };
        match place {
            Some(kind) if **kind == *text => Arc::clone(kind),
            Some(_) | None => Arc::clone(place.insert(Arc::from(text))),
        }
    }
}

/// What a field holds.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Something that no field here holds.
    Other,
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Field<'a>), Malformed> {
        let (number, kind) = decode_key(&mut self.0).map_err(|error| Malformed(error.to_string()))?;
        let field = match kind {
            WireType::Varint => Field::Number(self.number()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                Field::Bytes(self.bytes(length)?)
            }
            WireType::SixtyFourBit => self.bytes(8).map(|_| Field::Other)?,
            WireType::ThirtyTwoBit => self.bytes(4).map(|_| Field::Other)?,
            WireType::StartGroup | WireType::EndGroup => {
                return Err(Malformed("a message has a group, which no version of it ever had".to_owned()));
            }
        };
        Ok((number, field))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        decode_varint(&mut self.0).map_err(|error| Malformed(error.to_string()))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
