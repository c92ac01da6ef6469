//! Tells a log, or a part of it, as lines of JSON, from the files of a directory and beside whoever owns it. Nothing is
//! lost: every byte, id, position, revision and time can be read back. The log is verified before the first line.

use crate::archive::Reach;
use crate::beside::{Beside, BesideError, Commit, End};
use crate::checkpoint::Checkpoint;
use crate::ndjson::{Bytes, EXPORT_VERSION, Event, Header, Line, Trailer, hex};
use crate::note::NoteError;
use crate::verify::{VerifyError, VerifyOptions, verify};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use stele_domain::port::event_log::Position;
use uuid::Uuid;

/// What is exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The first position; without it, the first of the log.
    pub from: Option<Position>,
    /// The last position; without it, the last of the log.
    pub to: Option<Position>,
    /// A checkpoint by the log's owner, who is running: only what it signs is durable for certain, and nothing else is
    /// exported.
    pub durable: Option<String>,
    /// Where archived segments are.
    pub archive: Reach,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The log.
    pub log: Uuid,
    /// How many events.
    pub events: u64,
    /// The first position.
    pub from: Position,
    /// The last one; one less where there was nothing.
    pub to: Position,
    /// Digest of the lines before the trailer, in hexadecimal digits.
    pub sha256: String,
}

/// Why a log is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It can't be read.
    #[error(transparent)]
    Beside(#[from] BesideError),
    /// It is not what was written.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Somebody is writing to it, and has not said how much of it is durable.
    #[error("somebody is writing to the log, and no checkpoint says what of it is durable")]
    Owned,
    /// The range is none.
    #[error("there are no positions from {from} to {to} in a log that ends at {head}")]
    Range {
        /// The first position that was asked for.
        from: u64,
        /// The last one.
        to: u64,
        /// The last position of the log.
        head: u64,
    },
    /// The checkpoint is not one of this log.
    #[error("the checkpoint is not one of this log")]
    Checkpoint(#[source] NoteError),
    /// The lines can't be written.
    #[error("the export can't be written")]
    Write(#[source] io::Error),
}

/// Writes the lines of a log to `out`. Blocks.
///
/// # Errors
///
/// What is written by then has no trailer, so that nobody takes it for an export.
pub fn export(directory: &Path, options: &ExportOptions, out: impl Write) -> Result<Exported, ExportError> {
    let log = Beside::open(directory, &options.archive)?;
    let signed = options.durable.as_deref().map(|note| Checkpoint::open(note, log.verifier()));
    let signed = signed.transpose().map_err(ExportError::Checkpoint)?;
    let verified = verify(
        directory,
        &VerifyOptions {
            against: options.durable.clone(),
            from: options.from,
            // An export of nothing is an export, too: what it would begin with is verified.
            to: options.to.max(options.from.filter(|_| options.to.is_some())),
            key: None,
            archive: options.archive.clone(),
        },
    )?;
    if verified.owned && signed.is_none() {
        return Err(ExportError::Owned);
    }
    let end = log.end(signed.map(|checkpoint| checkpoint.size))?;
    let from = options.from.map_or(1, |from| from.0.max(1));
    let to = options.to.map_or(end.position, |to| to.0);
    if to > end.position || from > to.saturating_add(1) {
        return Err(ExportError::Range { from, to, head: end.position });
    }
    let mut lines = Lines { out, digest: Sha256::new(), buffer: vec![] };
    lines.add(&Line::Export(Header { version: EXPORT_VERSION, log: log.log(), from, to }))?;
    let events = events(&log, &end, from..=to, &mut lines)?;
    let sha256 = hex(&lines.digest.clone().finalize());
    lines.add(&Line::End(Trailer { events, sha256: sha256.clone() }))?;
    lines.out.flush().map_err(ExportError::Write)?;
    Ok(Exported { log: log.log(), events, from: Position(from), to: Position(to), sha256 })
}

fn events(
    log: &Beside,
    end: &End,
    wanted: std::ops::RangeInclusive<u64>,
    lines: &mut Lines<impl Write>,
) -> Result<u64, ExportError> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut walk = log.walk(log.segment_of(*wanted.start()));
    let mut events = 0;
    while walk.at().position < *wanted.end() {
        let commit = walk.next()?;
        let commit = commit.ok_or(BesideError::Short { wanted: end.commits, found: 0 })?;
        events += commit_lines(&commit, &wanted, lines)?;
    }
    Ok(events)
}

fn commit_lines(
    commit: &Commit<'_>,
    wanted: &std::ops::RangeInclusive<u64>,
    lines: &mut Lines<impl Write>,
) -> Result<u64, ExportError> {
    let mut events = 0;
    for (position, raw) in (commit.first..).zip(commit.payload.records()) {
        let raw = raw.map_err(|what| commit.damaged(what))?;
        if !wanted.contains(&position) {
            continue;
        }
        lines.add(&Line::Event(Event {
            position,
            commit: commit.number,
            stream: Cow::Borrowed(raw.stream),
            revision: raw.revision,
            id: raw.event_id.0,
            kind: Cow::Borrowed(raw.event_type),
            recorded_at_us: commit.payload.recorded_at.micros(),
            data: Bytes::of(raw.data),
            metadata: Bytes::of(raw.metadata),
        }))?;
        events += 1;
    }
    Ok(events)
}

/// Lines on their way out, and what they come to.
struct Lines<W> {
    out: W,
    digest: Sha256,
    /// The line that is written; kept for its capacity.
    buffer: Vec<u8>,
}

/// Capacity that is kept from one line to the next, in bytes: 1 MiB.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

impl<W: Write> Lines<W> {
    fn add(&mut self, line: &Line<'_>) -> Result<(), ExportError> {
        self.buffer.clear();
        self.buffer.shrink_to(SPARE_BYTES_MAX);
        serde_json::to_writer(&mut self.buffer, line).map_err(|error| ExportError::Write(error.into()))?;
        self.buffer.push(b'\n');
        self.digest.update(&self.buffer);
        self.out.write_all(&self.buffer).map_err(ExportError::Write)
    }
}
