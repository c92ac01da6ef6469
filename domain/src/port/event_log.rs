//! Where facts are kept: one order for everyone, appended to and never changed.
//!
//! The port carries raw records (type, JSON bytes, metadata), so that categories Stele knows nothing of are
//! at home too; the codec to domain events is [`crate::codec`].

use super::PortFuture;
use crate::ids::EventId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A record's place in the one order of the log. The first record has position 1; positions have no gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// A record's place in its stream. The first record of a stream has revision 0; revisions have no gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Position {
    /// Before the first record; reading from here reads everything.
    pub const START: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Revision {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a stream, `category-id`: everything before the first `-` is the category.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(Arc<str>);

/// Longest stream name, in bytes.
pub const STREAM_ID_BYTES_MAX: usize = 512;

/// Longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 256;

/// Most records that one append may carry.
pub const APPEND_RECORDS_MAX: usize = 4_096;

/// Most bytes (data and metadata) that one append may carry: 16 MiB.
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a text can't name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream name {text:?} is not valid: category-id, 3 to 512 bytes, no control characters")]
pub struct InvalidStream {
    /// The offending text, cut to 80 characters.
    pub text: String,
}

impl StreamId {
    /// Names a stream.
    ///
    /// # Errors
    ///
    /// [`InvalidStream`] when the text is not `category-id`.
    pub fn new(text: &str) -> Result<Self, InvalidStream> {
        let split = text.split_once('-');
        let shaped = split.is_some_and(|(category, id)| !category.is_empty() && !id.is_empty());
        // Nearly every name is of letters that can be looked at a byte at a time.
        let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let unprintable = !plain && text.chars().any(char::is_control);
        if !shaped || text.len() > STREAM_ID_BYTES_MAX || unprintable {
            return Err(InvalidStream { text: text.chars().take(80).collect() });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(category, _)| category)
    }
}

impl TryFrom<String> for StreamId {
    type Error = InvalidStream;
    fn try_from(text: String) -> Result<Self, InvalidStream> {
        Self::new(&text)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the writer believes the stream to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anywhere. For facts whose repetition is harmless.
    Any,
    /// The stream has no record yet.
    NoStream,
    /// The stream has at least one record.
    Exists,
    /// The last record of the stream has this revision.
    Exactly(Revision),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("an existing stream"),
            Self::Exactly(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// A record as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Names the fact. The same id offered again at the same place returns the first answer.
    pub event_id: EventId,
    /// `context.PastTense`, 1 to 256 bytes.
    pub event_type: Arc<str>,
    /// JSON, by convention; the log doesn't look inside.
    pub data: Arc<[u8]>,
    /// JSON, by convention; the log doesn't look inside.
    pub metadata: Arc<[u8]>,
}

/// Whether a log can keep these records by one append, whatever it holds; how many bytes count towards the limit.
///
/// # Errors
///
/// [`LogError::Invalid`]: no records, more than [`APPEND_RECORDS_MAX`] or [`APPEND_BYTES_MAX`], or a type without a name or
/// longer than [`EVENT_TYPE_BYTES_MAX`].
pub fn keepable<'r>(records: impl IntoIterator<Item = &'r NewRecord>) -> Result<usize, LogError> {
    let invalid = |what: String| Err(LogError::Invalid(what));
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for record in records {
        let length = record.event_type.len();
        if !(1..=EVENT_TYPE_BYTES_MAX).contains(&length) {
            return invalid(format!(
                "an event type has {length} bytes, 1 to {EVENT_TYPE_BYTES_MAX} are allowed"
            ));
        }
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(record.data.len()).saturating_add(record.metadata.len());
    }
    if count == 0 {
        return invalid("it has no records".to_owned());
    }
    if count > APPEND_RECORDS_MAX {
        return invalid(format!("it has {count} records, at most {APPEND_RECORDS_MAX} are allowed"));
    }
    if bytes > APPEND_BYTES_MAX {
        return invalid(format!("it has {bytes} bytes, at most {APPEND_BYTES_MAX} are allowed"));
    }
    Ok(bytes)
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the log.
    pub position: Position,
    /// Stream it belongs to.
    pub stream: StreamId,
    /// Place in the stream.
    pub revision: Revision,
    /// Names the fact.
    pub event_id: EventId,
    /// `context.PastTense`.
    pub event_type: Arc<str>,
    /// As offered, byte for byte.
    pub data: Arc<[u8]>,
    /// As offered, byte for byte.
    pub metadata: Arc<[u8]>,
    /// When the log wrote it down. Never decreases along the log.
    pub recorded_at: Timestamp,
}

/// The answer to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first record.
    pub first: Position,
    /// Position of the last record.
    pub last: Position,
    /// Revision of the last record in its stream.
    pub revision: Revision,
    /// True when these very records were already there and nothing was written.
    pub repeated: bool,
}

/// Records offered to one stream, as part of an append to several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAppend {
    /// The stream to write.
    pub stream: StreamId,
    /// Where the writer believes it to be.
    pub expected: Expected,
    /// What to write; empty makes this a check of a stream that is not written.
    pub records: Vec<NewRecord>,
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// Which records a read-all or a follow wants. Empty lists mean "all"; both lists must agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Stream categories (the part before the first `-`).
    pub categories: Vec<String>,
    /// Exact event types.
    pub event_types: Vec<String>,
}

impl Filter {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these categories.
    #[must_use]
    pub fn categories(names: &[&str]) -> Self {
        Self { categories: names.iter().map(|name| (*name).to_owned()).collect(), event_types: vec![] }
    }

    /// Whether a record of `stream` with `event_type` is wanted.
    #[must_use]
    pub fn wants(&self, stream: &StreamId, event_type: &str) -> bool {
        let category = stream.category();
        (self.categories.is_empty() || self.categories.iter().any(|name| name == category))
            && (self.event_types.is_empty() || self.event_types.iter().any(|name| name == event_type))
    }
}

/// A page of the log, in log order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What matched.
    pub records: Vec<Record>,
    /// Where to read on: the first position that was not looked at.
    pub next: Position,
    /// The last durable position when the page was read, or handed to a follower.
    pub head: Position,
}

impl Page {
    /// Whether the page reached the head.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.next > self.head
    }
}

/// Why the log said no, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The stream is not where the writer believed.
    #[error("stream {stream} is at {} and not at {expected}", actual.map_or("no record".to_owned(), |r| format!("revision {r}")))]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// What the writer believed.
        expected: Expected,
        /// Where it is; `None` when it has no record.
        actual: Option<Revision>,
    },
    /// The offer itself can't be kept: too large, empty, or a bad type.
    #[error("the append can't be kept: {0}")]
    Invalid(String),
    /// The disk is full. Nothing acknowledged is lost, reads go on, and appends work again when there is room.
    #[error("no room on the disk for the event log: free some and try again")]
    Full,
    /// A write or fsync failed; the writer has stopped for good and the process must be restarted.
    #[error("the event log has stopped after a failed write: {0}")]
    Stopped(String),
    /// What is stored is not what was written.
    #[error("the event log is damaged: {file} at byte {offset}: {what}")]
    Damaged {
        /// File name within the log directory.
        file: String,
        /// Offset of the damage in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A part of the log was archived, and the archive does not have it any more as it was given it. The rest is served.
    #[error("the archive of the event log has lost a part of it")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else owns the log.
    #[error(
        "the event log in {directory} belongs to another process ({owner}): stop it, or use another directory"
    )]
    Owned {
        /// The directory.
        directory: String,
        /// What is known of the owner.
        owner: String,
    },
    /// The log's owner does not let this process do it.
    #[error("the owner of the event log says no: {0}")]
    Denied(String),
    /// The log did not answer; the outcome of an append is unknown and may be asked again with the same ids.
    #[error("the event log did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl LogError {
    /// One word for the kind, for figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Invalid(_) => "invalid",
            Self::Full => "full",
            Self::Stopped(_) => "stopped",
            Self::Damaged { .. } => "damaged",
            Self::Lost(_) => "lost",
            Self::Owned { .. } => "owned",
            Self::Denied(_) => "denied",
            Self::Unreachable(_) => "unreachable",
        }
    }

    /// Whether the same call, unchanged, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Full => true,
            Self::Conflict { .. }
            | Self::Invalid(_)
            | Self::Stopped(_)
            | Self::Damaged { .. }
            | Self::Lost(_)
            | Self::Owned { .. }
            | Self::Denied(_) => false,
        }
    }
}

/// The event log.
///
/// * Nothing is acknowledged before it is durable, and nothing is read before it is durable.
/// * An append keeps all of its records, next to each other, or none.
/// * Positions and revisions have no gaps and never change.
/// * **Idempotent**: with `Exactly(r)` or `NoStream`, when the stream has moved on and the records right after
///   `r` carry the offered ids in the offered order, the first answer is returned with `repeated`. With `Any`
///   and `Exists` the same holds for ids among the last 65,536 or more records of the log.
/// * Reads return at most `limit` records, and fewer when a page would pass [`APPEND_BYTES_MAX`] bytes.
pub trait EventLog: Send + Sync {
    /// Keeps `records` at the end of `stream`.
    ///
    /// # Errors
    ///
    /// [`LogError::Conflict`] when the stream is not at `expected`; see [`LogError`] for the rest.
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>>;

    /// Reads one stream from a revision. `Backward` from `Revision(u64::MAX)` starts at its last record.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`], [`LogError::Lost`] or [`LogError::Unreachable`]. A stream that does not exist is empty.
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>>;

    /// Reads the log from a position (inclusive), oldest first.
    ///
    /// # Errors
    ///
    /// [`LogError::Damaged`], [`LogError::Lost`] or [`LogError::Unreachable`]. A position past the head gives an empty page.
    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>>;

    /// The last durable position; [`Position::START`] when the log is empty.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreachable`].
    fn head(&self) -> PortFuture<'_, Result<Position, LogError>>;

    /// Follows the log from a position (inclusive), for ever.
    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow>;

    /// The capability to write several streams at once. No safety rule may need it.
    fn multi_stream(&self) -> Option<&dyn MultiStream>;
}

/// A live reading of the log.
pub trait Follow: Send {
    /// The next page: at once while there is something to read, else when something comes.
    ///
    /// A page may be empty of records while `next` moves on (nothing matched); [`Page::caught_up`] tells when
    /// the reader has seen everything. Cancelling the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`EventLog::read_all`]; after an error the next call tries again from the same place.
    fn next(&mut self, limit: usize) -> PortFuture<'_, Result<Page, LogError>>;
}

/// Appends to several streams, all or nothing.
pub trait MultiStream: Send + Sync {
    /// Keeps all of `appends` or none; those without records are checks only. Answers in the same order; a
    /// check answers with the head position and the stream's revision.
    ///
    /// # Errors
    ///
    /// [`LogError::Conflict`] for the first stream that is not where it was believed.
    fn append_many(&self, appends: Vec<StreamAppend>) -> PortFuture<'_, Result<Vec<Appended>, LogError>>;
}
