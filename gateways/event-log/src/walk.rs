//! Walks the commits of a segment whose place and number are known, verifying each.

use crate::errors::{damaged, storage};
use crate::format::{SEGMENT_HEADER_BYTES, frame_start, to_u64};
use crate::frame::Place;
use crate::frame::inspect::{Found, inspect};
use crate::frame::payload::{Payload, RawRecord};
use crate::index::{Located, Mark, Segment};
use crate::segment;
use crate::window::Window;
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// A walk through the commits of one segment, up to what was written when it began.
pub struct Walk {
    window: Window,
    directory: Arc<str>,
    log: Uuid,
    segment: u64,
    end: u64,
    at: Mark,
}

/// A commit on the way.
pub struct Commit<'a> {
    /// Where it is.
    pub at: Mark,
    /// Its payload's bytes.
    pub bytes: &'a [u8],
    /// Its payload.
    pub payload: Payload<'a>,
}

impl Walk {
    /// A walk that begins with the commit at `from`, reading `chunk_bytes` at a time.
    pub fn new(log: Uuid, directory: Arc<str>, segment: &Located, from: Mark, chunk_bytes: usize) -> Self {
        let window = Window::new(Arc::clone(&segment.file), chunk_bytes);
        Self { window, directory, log, segment: segment.first, end: segment.end, at: from }
    }

    /// A walk through a segment of which nothing is known but what it covers, from its first commit.
    pub fn whole(log: Uuid, directory: Arc<str>, segment: &Segment, chunk_bytes: usize) -> Self {
        let extent = segment.extent();
        let at = Mark {
            position: extent.first,
            commit: extent.first_commit,
            offset: frame_start(to_u64(SEGMENT_HEADER_BYTES)),
        };
        let window = Window::new(Arc::clone(&segment.file), chunk_bytes);
        Self { window, directory, log, segment: extent.first, end: extent.end, at }
    }

    /// First position of the segment.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// Position of the first record that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at.position
    }

    /// Where the next commit is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.at
    }

    /// Goes back to a commit that it came by.
    pub fn back_to(&mut self, mark: Mark) {
        self.at = mark;
    }

    /// The same, reading `chunk_bytes` at a time from here on.
    #[must_use]
    pub fn reading(self, chunk_bytes: usize) -> Self {
        Self { window: self.window.reading(chunk_bytes), ..self }
    }

    /// Whether it has no more than this many bytes in memory, and nothing that was fetched for it.
    #[must_use]
    pub fn holds_at_most(&self, bytes: usize) -> bool {
        self.window.holds_at_most(bytes)
    }

    /// Goes to another commit of the same segment, which may have grown since.
    pub fn seek(&mut self, to: Mark, end: u64) {
        self.at = to;
        self.end = end;
    }

    /// Passes over commits, so that what comes next is the one with `position`.
    pub fn skip_to(&mut self, position: u64) -> Result<(), LogError> {
        loop {
            let before = self.at;
            let Some(commit) = self.next()? else {
                return Ok(());
            };
            if before.position + commit.payload.count > position {
                self.at = before;
                return Ok(());
            }
        }
    }

    /// The next commit; `None` at the end of what was durable.
    pub fn next(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        if self.at.offset >= self.end {
            return Ok(None);
        }
        let (at, first, directory) = (self.at, self.segment, &self.directory);
        let place = Place { log: self.log, segment: first, offset: at.offset };
        let name = || segment::file_name(first);
        let found = inspect(&mut self.window, place)
            .map_err(|error| storage("reading", &name(), directory, error))?;
        let (bytes, end) = match found {
            Found::Commit { payload, end, .. } => (payload, end),
            Found::Blank | Found::Unfinished => {
                return Err(damaged(&name(), at.offset, "a commit that was durable is not there any more"));
            }
            Found::Damaged(what) => return Err(damaged(&name(), at.offset, what)),
        };
        let payload = Payload::read(bytes).map_err(|what| damaged(&name(), at.offset, what))?;
        self.at =
            Mark { position: at.position + payload.count, commit: at.commit + 1, offset: frame_start(end) };
        Ok(Some(Commit { at, bytes, payload }))
    }
}

impl Commit<'_> {
    /// The records with their positions; a record that can't be read is damage.
    pub fn records(&self, segment: u64) -> impl Iterator<Item = Result<(Position, RawRecord<'_>), LogError>> {
        let (first, offset) = (self.at.position, self.at.offset);
        (first..).zip(self.payload.records()).map(move |(position, record)| match record {
            Ok(record) => Ok((Position(position), record)),
            Err(what) => Err(damaged(&segment::file_name(segment), offset, what)),
        })
    }

    /// Damage of this commit, as the port tells it.
    pub fn damaged(&self, segment: u64, what: &dyn std::fmt::Display) -> LogError {
        damaged(&segment::file_name(segment), self.at.offset, what.to_string())
    }

    /// A record as the port tells it. What it has in common with the one `before` is in memory once.
    pub fn owned(
        &self,
        segment: u64,
        position: Position,
        raw: &RawRecord<'_>,
        before: Option<&Record>,
    ) -> Result<Record, LogError> {
        owned(raw, position, self.payload.recorded_at, before)
            .map_err(|what| damaged(&segment::file_name(segment), self.at.offset, what))
    }
}

fn owned(
    raw: &RawRecord<'_>,
    position: Position,
    recorded_at: Timestamp,
    before: Option<&Record>,
) -> Result<Record, String> {
    let stream = before.map(|before| &before.stream).filter(|stream| stream.as_str() == raw.stream);
    let event_type = before.map(|before| &before.event_type).filter(|known| ***known == *raw.event_type);
    let metadata = before.map(|before| &before.metadata).filter(|known| ***known == *raw.metadata);
    Ok(Record {
        position,
        stream: match stream {
            Some(stream) => stream.clone(),
            None => StreamId::new(raw.stream).map_err(|error| error.to_string())?,
        },
        revision: Revision(raw.revision),
        event_id: raw.event_id,
        event_type: event_type.map_or_else(|| raw.event_type.into(), Arc::clone),
        data: raw.data.into(),
        metadata: metadata.map_or_else(|| raw.metadata.into(), Arc::clone),
        recorded_at,
    })
}
