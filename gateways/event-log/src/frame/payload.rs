//! The payload of a commit frame: when it was recorded and the records themselves. Knows nothing of where on
//! disk it lies, so the Merkle tree over payloads survives a copy of the log into other segments.

use crate::format::{NUMBER_MAX, RECORD_BYTES_MIN, to_u64, varint};
use crate::tree::{Hash, leaf_hash};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{EVENT_TYPE_BYTES_MAX, NewRecord, Position, STREAM_ID_BYTES_MAX};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// Writes a payload, record by record.
pub struct Encoder<'out> {
    out: &'out mut Vec<u8>,
}

impl<'out> Encoder<'out> {
    /// Begins a payload of `count` records.
    pub fn begin(out: &'out mut Vec<u8>, recorded_at: Timestamp, count: u64) -> Self {
        out.extend_from_slice(&recorded_at.micros().to_le_bytes());
        varint::put(out, count);
        Self { out }
    }

    /// Adds a record. `place` is its stream and revision, or `None` when it follows the record before it.
    pub fn record(&mut self, place: Option<(&str, u64)>, record: &NewRecord) {
        self.out.extend_from_slice(record.event_id.0.as_bytes());
        match place {
            None => varint::put(self.out, 0),
            Some((stream, revision)) => {
                put_length(self.out, stream.len());
                self.out.extend_from_slice(stream.as_bytes());
                varint::put(self.out, revision);
            }
        }
        put_length(self.out, record.event_type.len());
        self.out.extend_from_slice(record.event_type.as_bytes());
        put_length(self.out, record.data.len());
        put_length(self.out, record.metadata.len());
        self.out.extend_from_slice(&record.data);
        self.out.extend_from_slice(&record.metadata);
    }
}

/// A payload that has been read, its records not yet looked at.
#[derive(Debug, Clone)]
pub struct Payload<'a> {
    /// When the commit was recorded.
    pub recorded_at: Timestamp,
    /// How many records it has; at least one.
    pub count: u64,
    records: &'a [u8],
}

/// A record where it lies in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Names the fact.
    pub event_id: EventId,
    /// Stream it belongs to.
    pub stream: &'a str,
    /// Place in the stream.
    pub revision: u64,
    /// `context.PastTense`.
    pub event_type: &'a str,
    /// As offered.
    pub data: &'a [u8],
    /// As offered.
    pub metadata: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads what stands before the records.
    pub fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (time, mut rest) = bytes.split_first_chunk::<8>().ok_or("the commit is too short")?;
        let count = varint::take(&mut rest).ok_or("the commit's record count can't be read")?;
        if count == 0 {
            return Err("the commit has no records");
        }
        if count > to_u64(rest.len() / RECORD_BYTES_MIN) {
            return Err("the commit says that it has more records than it has room for");
        }
        Ok(Self { recorded_at: Timestamp::from_micros(i64::from_le_bytes(*time)), count, records: rest })
    }

    /// Where its records begin in the `bytes` that it was read from.
    #[must_use]
    pub fn records_at(&self, bytes: &[u8]) -> usize {
        bytes.len() - self.records.len()
    }

    /// The records in order. After an error there are no more; bytes left over after the last are an error.
    pub fn records(&self) -> Records<'a> {
        Records::of(self.records, self.count)
    }
}

/// The Merkle leaf of a commit: its first position and its payload.
#[must_use]
pub fn leaf_of(first: Position, payload: &[u8]) -> Hash {
    leaf_hash(&[&first.0.to_le_bytes(), payload])
}

/// Walks the records of a payload.
pub struct Records<'a> {
    rest: &'a [u8],
    left: u64,
    before: Option<(&'a str, u64)>,
    /// The last event type that was read. Most records have the type of the one before, and to compare two texts takes
    /// less than to look at one.
    event_type: &'a str,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RawRecord<'a>, &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let spare = std::mem::take(&mut self.rest);
            return (!spare.is_empty()).then_some(Err("there are bytes after the commit's last record"));
        }
        let record = self.take_record();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

impl<'a> Records<'a> {
    /// The `count` records that `bytes` consist of.
    #[must_use]
    pub fn of(bytes: &'a [u8], count: u64) -> Self {
        Self { rest: bytes, left: count, before: None, event_type: "" }
    }

    /// The same, after a record with this event type.
    #[must_use]
    pub fn after(self, event_type: &'a str) -> Self {
        Self { event_type, ..self }
    }

    /// The event type of the last record that was read, or of the one before them.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    #[inline]
    fn take_record(&mut self) -> Result<RawRecord<'a>, &'static str> {
        let (id, rest) = self.rest.split_first_chunk::<16>().ok_or("a record's event id is cut short")?;
        self.rest = rest;
        let event_id = EventId(Uuid::from_bytes(*id));
        let (stream, revision) = self.take_place()?;
        let event_type = self.take_type().ok_or("a record's event type can't be read")?;
        if event_type.is_empty() {
            return Err("a record has no event type");
        }
        self.event_type = event_type;
        let lengths = self.take_length().zip(self.take_length());
        let (data_len, metadata_len) = lengths.ok_or("a record's lengths can't be read")?;
        let data = self.take_bytes(data_len).ok_or("a record's data is cut short")?;
        let metadata = self.take_bytes(metadata_len).ok_or("a record's metadata is cut short")?;
        self.before = Some((stream, revision));
        Ok(RawRecord { event_id, stream, revision, event_type, data, metadata })
    }

    #[inline]
    fn take_place(&mut self) -> Result<(&'a str, u64), &'static str> {
        let name = self.take_text(STREAM_ID_BYTES_MAX).ok_or("a record's stream can't be read")?;
        if !name.is_empty() {
            let revision = varint::take(&mut self.rest).ok_or("a record's revision can't be read")?;
            return in_range(name, revision);
        }
        let (stream, revision) = self.before.ok_or("the commit's first record has no stream")?;
        in_range(stream, revision.saturating_add(1))
    }

    #[inline]
    fn take_text(&mut self, bytes_max: usize) -> Option<&'a str> {
        let length = self.take_length().filter(|length| *length <= bytes_max)?;
        std::str::from_utf8(self.take_bytes(length)?).ok()
    }

    #[inline]
    fn take_type(&mut self) -> Option<&'a str> {
        let length = self.take_length().filter(|length| *length <= EVENT_TYPE_BYTES_MAX)?;
        let bytes = self.take_bytes(length)?;
        if bytes == self.event_type.as_bytes() {
            return Some(self.event_type);
        }
        std::str::from_utf8(bytes).ok()
    }

    #[inline]
    fn take_length(&mut self) -> Option<usize> {
        varint::take(&mut self.rest).and_then(|length| usize::try_from(length).ok())
    }

    #[inline]
    fn take_bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[inline]
fn in_range(stream: &str, revision: u64) -> Result<(&str, u64), &'static str> {
    if revision > NUMBER_MAX { Err("a record's revision is out of range") } else { Ok((stream, revision)) }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    varint::put(out, to_u64(length));
}
