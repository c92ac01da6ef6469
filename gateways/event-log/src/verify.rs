//! Checks a log without owning it: every checksum, every chain, every signature. Changes nothing and cuts nothing.

mod consistency;
mod secret;

pub use consistency::{SignedConsistency, prove_consistency, prove_consistency_on};

use crate::archive::{MANIFEST_FILE, Manifest, Reach, View};
use crate::checkpoint::{Checkpoint, Signed, log_of};
use crate::format::{CHECKPOINTS_FILE, PUBLIC_KEY_FILE, to_u64};
use crate::index::{Extent, Segment};
use crate::note::{self, NoteError, NoteVerifier};
use crate::recovery::read_text;
use crate::scan::{Aids, Indexes, Scan, Scanned, Tail, Watch};
use crate::stat::Stat;
use crate::storage::{Access, DirectoryStorage, Storage};
use crate::tree::Hash;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position};
use uuid::Uuid;

/// What to hold a log against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Checkpoints that were kept outside, one after the other: the log must still begin with what each of them signs.
    pub against: Option<String>,
    /// The key to believe. The one in the directory must be the same; without one here it is the one that is believed.
    pub key: Option<NoteVerifier>,
    /// The first position of interest: segments that end before it are left out. What they hold is then believed as the
    /// header of the segment after them says, which checkpoints between them and the end are compared with.
    pub from: Option<Position>,
    /// The last position of interest: segments that begin after it are left out.
    pub to: Option<Position>,
    /// Where archived segments are.
    pub archive: Reach,
}

impl VerifyOptions {
    /// The segments to verify. With a checkpoint from outside it is all of them: they are what it is held against.
    fn positions(&self) -> RangeInclusive<u64> {
        match (&self.against, self.from, self.to) {
            (None, from, to) => from.map_or(0, |from| from.0)..=to.map_or(u64::MAX, |to| to.0),
            (Some(_), ..) => 0..=u64::MAX,
        }
    }
}

/// What a verified log consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Size and content in numbers.
    pub stat: Stat,
    /// Hash of the tree over all commits.
    pub root: Hash,
    /// How many stored checkpoints were checked.
    pub checkpoints: u64,
    /// Size of the last stored checkpoint, in commits.
    pub checkpointed: u64,
    /// Bytes of a write that did not finish, or has not finished yet, at the end of the log.
    pub unfinished_bytes: u64,
    /// Whether somebody was writing to the log meanwhile.
    pub owned: bool,
    /// The positions that were looked at, when it was not the whole log: all of the segments that hold what was asked for.
    /// What is before them is counted as the header of the first one says.
    pub part: Option<RangeInclusive<Position>>,
    /// Whether a stored checkpoint is over exactly the commits that were looked at and those before them. It is one of
    /// those that were checked.
    pub signed_at_end: bool,
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no log.
    #[error("there is no log in {directory}: {file} is missing")]
    NotALog {
        /// The directory.
        directory: String,
        /// What a log would have.
        file: String,
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
    /// An index file is not what follows from its segment. Everything else was looked at and is right: no event is affected.
    #[error("{file} at byte {offset}: {what}; everything else is right, and no event is affected")]
    Index {
        /// File name within the log directory.
        file: String,
        /// Where it differs, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The given checkpoint can't be used.
    #[error("the given checkpoint is not one of this log")]
    Checkpoint(#[source] NoteError),
    /// The log has fewer commits than were signed.
    #[error("the log was cut: the given checkpoint signs {signed} commits, and {found} are there")]
    Truncated {
        /// Commits under the checkpoint.
        signed: u64,
        /// Commits that are there.
        found: u64,
    },
    /// The log has other commits than were signed.
    #[error(
        "the log was rewritten: its first {signed} commits are not those that the given checkpoint signs"
    )]
    Rewritten {
        /// Commits under the checkpoint.
        signed: u64,
    },
    /// Two checkpoints that are not in this order.
    #[error(
        "the newer checkpoint signs {new} commits, fewer than the {old} of the older one: name one that was made later"
    )]
    Order {
        /// Commits under the checkpoint that was named as the older one.
        old: u64,
        /// Commits under the other one.
        new: u64,
    },
    /// No position was asked for.
    #[error("there are no positions from {from} to {to}")]
    Nowhere {
        /// The first position that was asked for.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// A file can't be read.
    #[error("the log can't be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Verifies the log in a directory, whether or not somebody owns it.
pub fn verify(directory: &Path, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
    examined(directory, options, Aids::default())
}

/// As [`verify`], with somebody who waits for its end: `tell` is told how many bytes of segments are done with, and how
/// many there are, from any thread and never long after the time before.
pub fn verify_watched(
    directory: &Path,
    options: &VerifyOptions,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, VerifyError> {
    examined(directory, options, Aids::watched(Watch::new(tell)))
}

/// Verifies a directory with its archive. What is wrong with an object is told of the object.
fn examined(directory: &Path, options: &VerifyOptions, aids: Aids<'_>) -> Result<VerifyReport, VerifyError> {
    let (view, examined) =
        View::examining(Arc::new(storage_in(directory)?), options.archive.archive().cloned());
    let verified = verified(&view, options, aids);
    let found = match &verified {
        Err(VerifyError::Damaged { file, offset, what } | VerifyError::Index { file, offset, what }) => {
            examined.error(Some((file, *offset, what)))
        }
        Ok(_) => examined.error(None),
        Err(_) => None,
    };
    found.map_or(verified, |error| Err(VerifyError::Unreadable(Box::new(error))))
}

/// Verifies the log on any storage.
pub fn verify_on(storage: &dyn Storage, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
    verified(storage, options, Aids::default())
}

/// As [`verify_on`], for whoever verifies the same log again and again.
pub(crate) fn verify_knowing(
    storage: &dyn Storage,
    options: &VerifyOptions,
    signed: &Signed,
) -> Result<VerifyReport, VerifyError> {
    verified(storage, options, Aids::knowing(signed))
}

fn verified(
    storage: &dyn Storage,
    options: &VerifyOptions,
    aids: Aids<'_>,
) -> Result<VerifyReport, VerifyError> {
    // Also where another key is to be believed: without it, or with another one, the log can't be opened any more.
    let verifier = stored_key(storage)?;
    if options.key.as_ref().is_some_and(|given| *given != verifier) {
        return Err(damaged_key("this is not the key that the log was to be verified with"));
    }
    secret::belongs_to(storage, &verifier)?;
    let notes = options.against.as_deref().map(note::split).unwrap_or_default();
    let against: Vec<_> = notes
        .iter()
        .map(|note| Checkpoint::open(note, &verifier))
        .collect::<Result<_, _>>()
        .map_err(VerifyError::Checkpoint)?;
    let largest = against.iter().max_by_key(|checkpoint| checkpoint.size);
    let at_size = largest.map(|largest| largest.size);
    let (mut scanned, owned) = scanned_with(aids, storage, &verifier, at_size, options.positions())?;
    if let Some(largest) = largest {
        begins_with(&scanned, largest)?;
        consistency::begins_with_all(storage, log_in(&verifier)?, &scanned, &against)?;
    }
    let log = log_in(&verifier)?;
    entered(storage, log, &scanned)?;
    // Last: an index follows from its segment, and whatever else is wrong is worse.
    if let Some(wrong) = scanned.index_wrong.take() {
        return Err(of_index(wrong));
    }
    let stored = scanned.stored.map(|stored| stored.checkpoints).unwrap_or_default();
    let commits = scanned.index.commits();
    Ok(VerifyReport {
        stat: Stat { categories: scanned.categories, ..Stat::of(log, &scanned.index) },
        root: scanned.tree.frontier().root(),
        checkpoints: to_u64(stored.len()),
        checkpointed: stored.last().map_or(0, |(_, checkpoint)| checkpoint.size),
        unfinished_bytes: match scanned.tail {
            Tail::Torn { bytes, .. } => bytes,
            Tail::Clean | Tail::Unborn { .. } => 0,
        },
        owned,
        signed_at_end: stored.iter().any(|(_, checkpoint)| checkpoint.size == commits),
        part: scanned.partial.then(|| Position(scanned.first)..=Position(scanned.index.head())),
    })
}

/// Compares what is told of archived segments with what they were found to be.
fn entered(storage: &dyn Storage, log: Uuid, scanned: &Scanned) -> Result<(), VerifyError> {
    let unread =
        |error| of_scan(crate::errors::storage("reading", MANIFEST_FILE, &storage.describe(), error));
    let manifest = Manifest::load(storage).map_err(unread)?;
    let found: Vec<Extent> = scanned.index.segments().iter().map(Segment::extent).collect();
    let differs = manifest.differs(log, &found);
    differs.map_or(Ok(()), |(offset, what)| {
        Err(VerifyError::Damaged { file: MANIFEST_FILE.to_owned(), offset, what })
    })
}

fn storage_in(directory: &Path) -> Result<DirectoryStorage, VerifyError> {
    DirectoryStorage::open(directory).map_err(|error| {
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            let (directory, file) = (directory.display().to_string(), "the directory".to_owned());
            return VerifyError::NotALog { directory, file };
        }
        VerifyError::Unreadable(Box::new(error))
    })
}

fn log_in(verifier: &NoteVerifier) -> Result<Uuid, VerifyError> {
    log_of(verifier.name()).ok_or_else(|| damaged_key("the key is not named after a log"))
}

/// Scans what `positions` ask for, and says whether somebody was writing meanwhile.
fn scanned(
    storage: &dyn Storage,
    verifier: &NoteVerifier,
    at_size: Option<u64>,
    positions: RangeInclusive<u64>,
) -> Result<(Scanned, bool), VerifyError> {
    scanned_with(Aids::default(), storage, verifier, at_size, positions)
}

fn scanned_with(
    aids: Aids<'_>,
    storage: &dyn Storage,
    verifier: &NoteVerifier,
    at_size: Option<u64>,
    positions: RangeInclusive<u64>,
) -> Result<(Scanned, bool), VerifyError> {
    if positions.is_empty() {
        return Err(VerifyError::Nowhere { from: *positions.start(), to: *positions.end() });
    }
    let is_owned = || storage.is_owned().map_err(|error| VerifyError::Unreadable(Box::new(error)));
    let owned = is_owned()?;
    let mut scan = Scan {
        storage,
        access: Access::Read,
        log: log_in(verifier)?,
        verifier,
        being_written: owned,
        at_size,
        indexes: Indexes::Checked,
        positions,
        aids,
    };
    let mut scanned = scan.run();
    // Whoever became the owner meanwhile may have been in the middle of a write.
    let owned = owned || is_owned()?;
    if owned && !scan.being_written {
        scan.being_written = true;
        scanned = scan.run();
    }
    let scanned = scanned.map_err(of_scan)?;
    let signed = scanned.stored.as_ref().is_some_and(|stored| !stored.checkpoints.is_empty());
    if scanned.index.commits() > 0 && !signed {
        // The first one is durable before the first commit is written. Without any, a log that was cut looks whole.
        let what = "the log has commits, and no checkpoint is stored".to_owned();
        return Err(VerifyError::Damaged { file: CHECKPOINTS_FILE.to_owned(), offset: 0, what });
    }
    Ok((scanned, owned))
}

/// Whether the log that was scanned for the size of a checkpoint begins with what it signs.
fn begins_with(scanned: &Scanned, signed: &Checkpoint) -> Result<(), VerifyError> {
    match scanned.root_at_size {
        None => Err(VerifyError::Truncated { signed: signed.size, found: scanned.index.commits() }),
        Some(root) if root != signed.root => Err(VerifyError::Rewritten { signed: signed.size }),
        Some(_) => Ok(()),
    }
}

fn stored_key(storage: &dyn Storage) -> Result<NoteVerifier, VerifyError> {
    let text = match read_text(storage, PUBLIC_KEY_FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (directory, file) = (storage.describe(), PUBLIC_KEY_FILE.to_owned());
            return Err(VerifyError::NotALog { directory, file });
        }
        Err(error) => return Err(VerifyError::Unreadable(Box::new(error))),
    };
    let key = NoteVerifier::parse(&text).map_err(|error| damaged_key(&error.to_string()))?;
    // One key has one text: another one was changed by somebody.
    if text == format!("{key}\n") {
        Ok(key)
    } else {
        Err(damaged_key("the key is not written as it should be"))
    }
}

fn damaged_key(what: &str) -> VerifyError {
    VerifyError::Damaged { file: PUBLIC_KEY_FILE.to_owned(), offset: 0, what: what.to_owned() }
}

fn of_index(error: LogError) -> VerifyError {
    let told = of_scan(error);
    if let VerifyError::Damaged { file, offset, what } = told {
        return VerifyError::Index { file, offset, what };
    }
    told
}

fn of_scan(error: LogError) -> VerifyError {
    match error {
        LogError::Damaged { file, offset, what } => VerifyError::Damaged { file, offset, what },
        LogError::Unreachable(source) | LogError::Lost(source) => VerifyError::Unreadable(source),
        other @ (LogError::Conflict { .. }
        | LogError::Invalid(_)
        | LogError::Full
        | LogError::Stopped(_)
        | LogError::Owned { .. }
        | LogError::Denied(_)) => VerifyError::Unreadable(Box::new(other)),
    }
}
