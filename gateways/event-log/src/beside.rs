//! Reads the commits of a directory without owning it: what copies a log, tells it or counts it beside the process that
//! writes to it. Every checksum is verified on the way, and every segment must go on where the one before it ends; the
//! tree and the signatures are for [`crate::verify`].

mod end;

use crate::archive::{self, Reach};
use crate::checkpoint::log_of;
use crate::errors::storage as failed;
use crate::format::{PUBLIC_KEY_FILE, SEGMENT_HEADER_BYTES, frame_start, to_u64};
use crate::frame::Place;
use crate::frame::inspect::{Found, inspect};
use crate::frame::payload::Payload;
use crate::note::NoteVerifier;
use crate::recovery::read_text;
use crate::segment::{self, SegmentHeader};
use crate::storage::{Access, Storage, StorageFile};
use crate::window::{SCAN_CHUNK_BYTES, Window};
use std::io;
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::LogError;
use uuid::Uuid;

/// Why a directory can't be read as a log.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// There is no log.
    #[error("there is no log in {directory}: {file} is missing")]
    NotALog {
        /// The directory.
        directory: String,
        /// What a log would have.
        file: String,
    },
    /// A segment that another log wrote.
    #[error("{file} is a segment of another log: of {found}, and this is log {log}")]
    Foreign {
        /// The segment.
        file: String,
        /// The log that the segment says it belongs to.
        found: Uuid,
        /// The log that the directory's key names.
        log: Uuid,
    },
    /// A segment that must have been there is not.
    #[error("a segment is missing: {file}, {why}")]
    Missing {
        /// The segment.
        file: String,
        /// What says that it was there.
        why: String,
    },
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
    /// There is less than was asked for.
    #[error("the log has {found} commits, and {wanted} were durable")]
    Short {
        /// How many were to be there.
        wanted: u64,
        /// How many are.
        found: u64,
    },
    /// The disk did not do what it was asked to.
    #[error(transparent)]
    Storage(#[from] LogError),
}

/// A log in a directory, owned by somebody else or by nobody.
pub struct Beside {
    directory: String,
    log: Uuid,
    verifier: NoteVerifier,
    segments: Vec<Part>,
    /// Whether somebody else wrote to it when it was opened.
    being_written: bool,
}

/// A segment whose header follows the one before it.
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its header.
    pub header: SegmentHeader,
    file: Arc<dyn StorageFile>,
}

/// Where a log ends, or is taken to end: after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Which segment the last commit is in.
    pub segment: usize,
    /// Offset after its frame.
    pub offset: u64,
    /// How many commits there are up to there.
    pub commits: u64,
    /// The last position.
    pub position: u64,
}

/// A commit where it lies.
pub struct Commit<'a> {
    /// Its number: how many commits are before it.
    pub number: u64,
    /// Position of its first record.
    pub first: u64,
    /// Offset after its frame, in its segment.
    pub end: u64,
    /// The segment's name.
    pub file: &'a str,
    /// Offset of its frame.
    pub offset: u64,
    /// Its payload.
    pub payload: Payload<'a>,
}

impl Part {
    /// Where its bytes are.
    pub fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }
}

impl Commit<'_> {
    /// Damage of this commit.
    pub fn damaged(&self, what: &str) -> BesideError {
        BesideError::Damaged { file: self.file.to_owned(), offset: self.offset, what: what.to_owned() }
    }
}

/// Says of a directory that is refused as damaged whether a segment is missing there or belongs to another log, which an
/// operator mends in another way than a disk that changed what it was given.
#[must_use]
pub fn diagnose(directory: &Path) -> Option<BesideError> {
    let storage = archive::directory(directory, &Reach::default()).ok()?;
    let told = match Beside::open_on(&storage) {
        Ok(beside) => end::missing(&beside, &storage),
        Err(told) => Some(told),
    };
    match told? {
        told @ (BesideError::Foreign { .. } | BesideError::Missing { .. }) => Some(told),
        BesideError::NotALog { .. }
        | BesideError::Damaged { .. }
        | BesideError::Short { .. }
        | BesideError::Storage(_) => None,
    }
}

impl Beside {
    /// Reads the headers of all segments.
    pub fn open(directory: &Path, archive: &Reach) -> Result<Self, BesideError> {
        let missing = || BesideError::NotALog {
            directory: directory.display().to_string(),
            file: "the directory".to_owned(),
        };
        let storage = archive::directory(directory, archive).map_err(|error| {
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                return missing();
            }
            failed("opening", "the directory", &directory.display().to_string(), error).into()
        })?;
        Self::open_on(&storage)
    }

    /// The same on any storage.
    pub fn open_on(storage: &dyn Storage) -> Result<Self, BesideError> {
        let directory = storage.describe();
        let verifier = public_key(storage)?;
        let not_named = || damaged(PUBLIC_KEY_FILE, 0, "the key is not named after a log");
        let log = log_of(verifier.name()).ok_or_else(not_named)?;
        let names = storage.list().map_err(|error| failed("listing", "the files", &directory, error))?;
        let names: Vec<String> = names.into_iter().filter(|name| segment::claims_to_be(name)).collect();
        let owned = storage.is_owned();
        let being_written =
            owned.map_err(|error| failed("asking for the owner of", "the log", &directory, error))?;
        let mut beside = Self { directory, log, verifier, segments: vec![], being_written };
        for (nth, name) in names.iter().enumerate() {
            let last = nth + 1 == names.len();
            beside.add(storage, name, last)?;
        }
        Ok(beside)
    }

    /// The log's identity.
    pub fn log(&self) -> Uuid {
        self.log
    }

    /// What checks the log's checkpoints.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The segments in order. One whose header is on its way is left out.
    pub fn segments(&self) -> &[Part] {
        &self.segments
    }

    /// Where the log ends after this many commits; without a number, after the last whole commit, and what follows that in a
    /// log that is being written to is not judged.
    pub fn end(&self, commits: Option<u64>) -> Result<End, BesideError> {
        let wanted = commits.unwrap_or(u64::MAX);
        // The last segment that has one of them.
        let segment =
            self.segments.partition_point(|part| part.header.tree.size() < wanted).saturating_sub(1);
        let mut walk = self.walk(segment);
        let mut end = walk.at;
        while end.commits < wanted {
            let commit = match walk.within() {
                // A commit on its way: its owner has put a part of it there. In any other log it is what it looks like.
                Err(BesideError::Damaged { .. }) if commits.is_none() && self.being_written => break,
                found => found?,
            };
            let Some(commit) = commit else { break };
            end.offset = commit.end;
            end.commits = commit.number + 1;
            end.position = commit.first + commit.payload.count - 1;
        }
        match commits {
            Some(wanted) if end.commits != wanted => Err(BesideError::Short { wanted, found: end.commits }),
            Some(_) | None => Ok(end),
        }
    }

    /// Which segment has this position, or would have it.
    pub fn segment_of(&self, position: u64) -> usize {
        self.segments.partition_point(|part| part.header.first <= position).saturating_sub(1)
    }

    /// A walk through the commits from the beginning of a segment on.
    pub fn walk(&self, segment: usize) -> Walk<'_> {
        Walk { beside: self, window: None, at: self.beginning(segment) }
    }

    /// Bytes of the segments before this one, up to their last commits.
    pub fn bytes_before(&self, segment: usize) -> u64 {
        let after = self.segments.get(1..=segment).unwrap_or_default();
        after.iter().map(|part| part.header.previous_end).sum()
    }

    fn ends_elsewhere(&self, at: End) -> BesideError {
        let file = self.segments.get(at.segment).map_or("", |part| part.name.as_str());
        damaged(file, at.offset, "the segment does not end where the one after it says")
    }

    fn beginning(&self, segment: usize) -> End {
        let header = self.segments.get(segment).map(|part| &part.header);
        End {
            segment,
            offset: to_u64(SEGMENT_HEADER_BYTES),
            commits: header.map_or(0, |header| header.tree.size()),
            position: header.map_or(0, |header| header.first - 1),
        }
    }

    fn add(&mut self, storage: &dyn Storage, name: &str, last: bool) -> Result<(), BesideError> {
        let first = segment::first_position(name);
        let first = first.ok_or_else(|| damaged(name, 0, "the file is named like no segment of this log"))?;
        let unread = |error| failed("reading", name, &self.directory, error);
        let file = storage.open(name, Access::Read).map_err(unread)?;
        let mut window = Window::new(Arc::clone(&file), SEGMENT_HEADER_BYTES);
        let read = window.slice(0, SEGMENT_HEADER_BYTES).map_err(unread)?;
        let header = match SegmentHeader::decode(read) {
            Ok(header) => header,
            // It is being created, or its creation did not finish: a header is durable before a commit is behind it.
            Err(_) if last && window.is_blank_from(to_u64(SEGMENT_HEADER_BYTES)).map_err(unread)? => {
                return Ok(());
            }
            Err(what) => return Err(damaged(name, 0, &what)),
        };
        if header.log != self.log {
            return Err(BesideError::Foreign { file: name.to_owned(), found: header.log, log: self.log });
        }
        let before = self.segments.last().map_or(0, |before| before.header.first);
        if header.previous_first != before {
            let file = segment::file_name(header.previous_first.max(1));
            return Err(BesideError::Missing { file, why: format!("which {name} goes on from") });
        }
        if header.first != first {
            return Err(damaged(name, 32, "the segment's header is that of another segment"));
        }
        self.segments.push(Part { name: name.to_owned(), header, file });
        Ok(())
    }
}

/// A walk through commits.
pub struct Walk<'b> {
    beside: &'b Beside,
    window: Option<Window>,
    at: End,
}

impl Walk<'_> {
    /// The end of what has been passed.
    pub fn at(&self) -> End {
        self.at
    }

    /// The next commit; `None` where nothing whole follows.
    pub fn next(&mut self) -> Result<Option<Commit<'_>>, BesideError> {
        let beside = self.beside;
        while let Some(next) = beside.segments.get(self.at.segment + 1)
            && next.header.previous_end <= self.at.offset
        {
            if next.header.previous_end != self.at.offset || next.header.tree.size() != self.at.commits {
                return Err(beside.ends_elsewhere(self.at));
            }
            self.at = beside.beginning(self.at.segment + 1);
            self.window = None;
        }
        let at = self.at;
        match self.within()? {
            None if at.segment + 1 < beside.segments.len() => Err(beside.ends_elsewhere(at)),
            found => Ok(found),
        }
    }

    /// The next commit of the same segment.
    fn within(&mut self) -> Result<Option<Commit<'_>>, BesideError> {
        let beside = self.beside;
        let Some(part) = beside.segments.get(self.at.segment) else { return Ok(None) };
        let window = self.window.get_or_insert_with(|| Window::new(Arc::clone(&part.file), SCAN_CHUNK_BYTES));
        let offset = frame_start(self.at.offset);
        let place = Place { log: beside.log, segment: part.header.first, offset };
        let found = inspect(window, place)
            .map_err(|error| failed("reading", &part.name, &beside.directory, error))?;
        let (bytes, end) = match found {
            Found::Commit { payload, end, .. } => (payload, end),
            Found::Blank | Found::Unfinished => return Ok(None),
            Found::Damaged(what) => return Err(damaged(&part.name, offset, what)),
        };
        let payload = Payload::read(bytes).map_err(|what| damaged(&part.name, offset, what))?;
        let (number, first) = (self.at.commits, self.at.position + 1);
        self.at =
            End { offset: end, commits: number + 1, position: self.at.position + payload.count, ..self.at };
        Ok(Some(Commit { number, first, end, file: &part.name, offset, payload }))
    }
}

fn public_key(storage: &dyn Storage) -> Result<NoteVerifier, BesideError> {
    let directory = storage.describe();
    match read_text(storage, PUBLIC_KEY_FILE) {
        Ok(text) => {
            NoteVerifier::parse(&text).map_err(|error| damaged(PUBLIC_KEY_FILE, 0, &error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(BesideError::NotALog { directory, file: PUBLIC_KEY_FILE.to_owned() })
        }
        Err(error) => Err(failed("reading", PUBLIC_KEY_FILE, &directory, error).into()),
    }
}

fn damaged(file: &str, offset: u64, what: &str) -> BesideError {
    BesideError::Damaged { file: file.to_owned(), offset, what: what.to_owned() }
}
