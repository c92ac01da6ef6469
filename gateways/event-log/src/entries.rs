//! Reading the log without copying it: whoever hands records on, counts them or looks for one takes them as they lie in
//! the buffer that they were read into. Every checksum is verified on the way.

use crate::errors::{damaged, storage as failed};
use crate::format::{FRAME_HEADER_BYTES, FRAME_TRAILER, frame_start, to_u32, to_u64, to_usize};
use crate::frame::header::FrameHeader;
use crate::frame::payload::{Payload, RawRecord, Records};
use crate::frame::{Place, sectors};
use crate::index::Located;
use crate::segment;
use crate::shared::{Shared, off_thread};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{LogError, Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;

/// Bytes that are read at a time, but for a commit that is longer.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that a commit is taken to have, where room is made for what is known of those of a chunk.
const COMMIT_BYTES_EXPECTED: usize = 256;

/// A reading of the log from some position to the head, chunk by chunk.
pub struct Entries {
    shared: Arc<Shared>,
    from: u64,
    at: Option<At>,
    /// The buffer of the chunk before, to be used again when nobody has it any more.
    spare: Bytes,
}

/// Where the next commit lies.
struct At {
    located: Located,
    offset: u64,
    position: u64,
}

/// Some commits, one after the other.
#[derive(Debug, Clone)]
pub struct Chunk {
    buffer: Bytes,
    commits: Vec<Commit>,
    /// The records of those commits that were masked, as they were before.
    plain: Vec<Bytes>,
    file: Arc<str>,
    /// Records before this position were not asked for.
    from: u64,
    /// The position after the last record.
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Commit {
    /// Position of its first record.
    position: u64,
    /// Where its frame lies in the segment.
    offset: u64,
    recorded_at: Timestamp,
    /// How many records it has.
    count: u64,
    /// Where they lie in the buffer.
    begin: usize,
    end: usize,
    /// Which of the plain ones they are, when they were masked.
    plain: Option<u32>,
}

/// A record, as it lies in a chunk.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Place in the log.
    pub position: Position,
    /// Name of the stream it belongs to.
    pub stream: &'a str,
    /// Place in the stream.
    pub revision: Revision,
    /// Names the fact.
    pub event_id: EventId,
    /// `context.PastTense`.
    pub event_type: &'a str,
    /// As offered.
    pub data: &'a [u8],
    /// As offered.
    pub metadata: &'a [u8],
    /// When the log wrote it down.
    pub recorded_at: Timestamp,
    buffer: &'a Bytes,
}

impl Entries {
    pub(crate) fn new(shared: Arc<Shared>, from: Position) -> Self {
        Self { shared, from: from.0.max(1), at: None, spare: Bytes::new() }
    }

    /// The position of the next record.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.from)
    }

    /// The next records, without holding up an asynchronous thread; `None` when nothing more is durable yet.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`] or [`LogError::Unreachable`]; the next call tries again from the same place.
    pub async fn next(&mut self) -> Result<Option<Chunk>, LogError> {
        if self.from > self.shared.head() {
            return Ok(None);
        }
        let taken = Self { at: self.at.take(), spare: std::mem::take(&mut self.spare), ..self.again() };
        let (back, chunk) = off_thread(move || {
            let mut entries = taken;
            let chunk = entries.next_blocking()?;
            Ok((entries, chunk))
        })
        .await?;
        *self = back;
        Ok(chunk)
    }

    /// As [`Self::next`], on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub fn next_blocking(&mut self) -> Result<Option<Chunk>, LogError> {
        if self.from > self.shared.head() {
            self.at = None;
            return Ok(None);
        }
        let mut at = match self.at.take() {
            Some(at) if at.offset < at.located.end => at,
            Some(_) | None => self.locate()?,
        };
        let file: Arc<str> = segment::file_name(at.located.first).into();
        let mut wanted = CHUNK_BYTES;
        let mut chunk = loop {
            let buffer = self.fill(&at, wanted)?;
            let whole = to_u64(buffer.len()) == at.located.end - at.offset;
            let (commits, plain) = (Vec::with_capacity(buffer.len() / COMMIT_BYTES_EXPECTED), vec![]);
            let mut chunk =
                Chunk { buffer, commits, plain, file: Arc::clone(&file), from: self.from, next: 0 };
            match self.frames(&mut chunk, &mut at)? {
                _ if !chunk.commits.is_empty() => break chunk,
                needed if needed > wanted && !whole => wanted = needed,
                _ => {
                    return Err(damaged(&file, at.offset, "a commit that was durable is not there any more"));
                }
            }
        };
        chunk.next = at.position;
        self.spare = chunk.buffer.clone();
        self.from = at.position;
        self.at = Some(at);
        Ok(Some(chunk))
    }

    fn again(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), from: self.from, at: None, spare: Bytes::new() }
    }

    fn locate(&self) -> Result<At, LogError> {
        let found = self.shared.index().locate(self.from);
        let lost = || LogError::Stopped(format!("position {} is in no segment", self.from));
        let located = found.ok_or_else(lost)?;
        let mark = located.mark_of(self.from)?;
        Ok(At { located, offset: mark.offset, position: mark.position })
    }

    /// Reads from the next commit on, as far as the segment was written when it was located.
    fn fill(&mut self, at: &At, wanted: usize) -> Result<Bytes, LogError> {
        let wanted = wanted.min(to_usize(at.located.end - at.offset));
        let mut buffer = match std::mem::take(&mut self.spare).try_into_mut() {
            Ok(spare) => spare,
            Err(_) => BytesMut::new(),
        };
        buffer.resize(wanted, 0);
        let mut filled = 0;
        while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
            match at.located.file.read_at(space, at.offset + to_u64(filled)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = segment::file_name(at.located.first);
                    return Err(failed("reading", &name, &self.shared.directory, error));
                }
            }
        }
        buffer.truncate(filled);
        Ok(buffer.freeze())
    }

    /// Takes the commits that lie wholly in the chunk; returns how many bytes the next one would have needed.
    fn frames(&self, chunk: &mut Chunk, at: &mut At) -> Result<usize, LogError> {
        let (head, begin) = (self.shared.head(), at.offset);
        while at.offset < at.located.end && at.position <= head {
            let here = to_usize(at.offset - begin);
            let place = Place { log: self.shared.log, segment: at.located.first, offset: at.offset };
            let rest = chunk.buffer.get(here..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<FRAME_HEADER_BYTES>() else {
                return Ok(here + FRAME_HEADER_BYTES);
            };
            let wrong = |what| damaged(&chunk.file, place.offset, what);
            let header = FrameHeader::decode(header, place).map_err(wrong)?;
            let len = to_usize(header.end(0));
            let Some(body) = rest.get(FRAME_HEADER_BYTES..len) else {
                return Ok(here + len);
            };
            if crc_fast::crc32_iscsi(body) != header.body_crc || body.last() != Some(&FRAME_TRAILER) {
                return Err(wrong("the commit is not what was written"));
            }
            let stored = body.get(..body.len() - 1).unwrap_or_default();
            let plain = (header.mask != 0).then(|| {
                let mut plain = stored.to_vec();
                sectors::apply_mask(&mut plain, header.mask);
                Bytes::from(plain)
            });
            let bytes = plain.as_deref().unwrap_or(stored);
            let payload = Payload::read(bytes).map_err(wrong)?;
            let records_at = payload.records_at(bytes);
            let (recorded_at, count) = (payload.recorded_at, payload.count);
            let (position, offset) = (at.position, at.offset);
            at.position += count;
            at.offset = frame_start(header.end(offset));
            if at.position > self.from {
                let plain = plain.map(|plain| {
                    chunk.plain.push(plain.slice(records_at..));
                    to_u32(to_u64(chunk.plain.len() - 1))
                });
                let (begin, end) = (here + FRAME_HEADER_BYTES + records_at, here + len - 1);
                chunk.commits.push(Commit { position, offset, recorded_at, count, begin, end, plain });
            }
        }
        Ok(0)
    }
}

impl Chunk {
    /// The records in order. One that can't be read is damage, and the last of its commit.
    #[must_use]
    pub fn entries(&self) -> ChunkEntries<'_> {
        ChunkEntries { chunk: self, commits: self.commits.iter(), inside: None, event_type: "" }
    }

    /// The position after its last record.
    #[must_use]
    pub fn next(&self) -> Position {
        Position(self.next)
    }
}

/// Walks the records of a chunk.
pub struct ChunkEntries<'a> {
    chunk: &'a Chunk,
    commits: std::slice::Iter<'a, Commit>,
    inside: Option<Inside<'a>>,
    /// That of the last record of the commit before.
    event_type: &'a str,
}

/// The commit whose records come next.
struct Inside<'a> {
    records: Records<'a>,
    position: u64,
    recorded_at: Timestamp,
    offset: u64,
    buffer: &'a Bytes,
}

impl<'a> ChunkEntries<'a> {
    fn begin(&self, commit: &'a Commit) -> Inside<'a> {
        let Commit { position, recorded_at, offset, .. } = *commit;
        let stored = self.chunk.buffer.get(commit.begin..commit.end).unwrap_or_default();
        let plain = commit.plain.and_then(|nth| self.chunk.plain.get(to_usize(nth.into())));
        let (bytes, buffer) = plain.map_or((stored, &self.chunk.buffer), |plain| (&plain[..], plain));
        let records = Records::of(bytes, commit.count).after(self.event_type);
        Inside { records, position, recorded_at, offset, buffer }
    }
}

impl<'a> Iterator for ChunkEntries<'a> {
    type Item = Result<Entry<'a>, LogError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(inside) = &mut self.inside else {
                let commit = self.commits.next()?;
                self.inside = Some(self.begin(commit));
                continue;
            };
            let (position, recorded_at, buffer) = (inside.position, inside.recorded_at, inside.buffer);
            match inside.records.next() {
                None => {
                    self.event_type = inside.records.event_type();
                    self.inside = None;
                }
                Some(Err(what)) => return Some(Err(damaged(&self.chunk.file, inside.offset, what))),
                Some(Ok(raw)) => {
                    inside.position += 1;
                    if position >= self.chunk.from {
                        let RawRecord { event_id, stream, revision, event_type, data, metadata } = raw;
                        let (position, revision) = (Position(position), Revision(revision));
                        return Some(Ok(Entry {
                            position,
                            stream,
                            revision,
                            event_id,
                            event_type,
                            data,
                            metadata,
                            recorded_at,
                            buffer,
                        }));
                    }
                }
            }
        }
    }
}

impl Entry<'_> {
    /// The data, to be kept: it keeps the buffer that it lies in, and is no copy.
    #[must_use]
    pub fn data_bytes(&self) -> Bytes {
        self.buffer.slice_ref(self.data)
    }

    /// The metadata, to be kept, as [`Self::data_bytes`].
    #[must_use]
    pub fn metadata_bytes(&self) -> Bytes {
        self.buffer.slice_ref(self.metadata)
    }

    /// A copy of its own.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`] when the stream's name is none, which no log of ours has.
    pub fn record(&self) -> Result<Record, LogError> {
        Ok(Record {
            position: self.position,
            stream: StreamId::new(self.stream).map_err(|error| LogError::Invalid(error.to_string()))?,
            revision: self.revision,
            event_id: self.event_id,
            event_type: self.event_type.into(),
            data: self.data.into(),
            metadata: self.metadata.into(),
            recorded_at: self.recorded_at,
        })
    }
}
