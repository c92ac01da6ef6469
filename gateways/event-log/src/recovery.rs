//! Opens a log: creates what is missing in a new directory, scans what is there, cuts a write that did not finish
//! and keeps it aside, and makes sure that what is served is durable.

mod create;
mod tail;

pub use create::{from_prepared as name_segment, read_text, segment as create_segment};

use crate::checkpoint::{Checkpoint, log_of, to_block};
use crate::errors::{damaged, storage as failed};
use crate::format::{CHECKPOINTS_FILE, to_u64};
use crate::index::{Index, Known, Part};
use crate::note::NoteSigner;
use crate::observe;
use crate::scan::{Indexes, Scan, Scanned, Tail};
use crate::segment;
use crate::storage::{Access, OwnError, Ownership, Secrecy, Storage, StorageFile, write_all_at};
use crate::tree::{Frontier, SubtreeStore};
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position};
use uuid::Uuid;

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// The log's identity.
    pub log: Uuid,
    /// Whether there was no log before.
    pub created: bool,
    /// The last position.
    pub head: Position,
    /// Number of commits.
    pub commits: u64,
    /// Number of segments.
    pub segments: u64,
    /// The write that had not finished, when there was one.
    pub cut: Option<CutTail>,
}

/// A write that had not finished. Nothing of it was ever acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The segment.
    pub file: String,
    /// Where it was cut, in bytes.
    pub offset: u64,
    /// How much was cut, in bytes.
    pub bytes: u64,
    /// The file that keeps what was cut.
    pub quarantine: String,
}

/// A log that is ready to be written to.
pub struct Recovered {
    /// Goes with the writer.
    pub ownership: Box<dyn Ownership>,
    /// Signs checkpoints.
    pub signer: NoteSigner,
    /// All that is there.
    pub index: Index,
    /// The tree over all commits.
    pub tree: SubtreeStore,
    /// From the last commit to here the last segment is zero.
    pub zeroed_to: u64,
    /// The checkpoints file.
    pub checkpoints: CheckpointsFile,
    /// What happened.
    pub report: OpenReport,
}

/// The checkpoints file, to be added to.
pub struct CheckpointsFile {
    /// The file.
    pub file: Arc<dyn StorageFile>,
    /// Where the next checkpoint goes, in bytes.
    pub end: u64,
    /// Size of the last one.
    pub last_size: Option<u64>,
}

/// Opens the log in `storage`.
pub fn open(storage: &dyn Storage) -> Result<Recovered, LogError> {
    let directory = storage.describe();
    let ownership = storage.own().map_err(|error| match error {
        OwnError::Owned(owner) => LogError::Owned { directory: directory.clone(), owner },
        OwnError::Io(error) => failed("locking", "the directory", &directory, error),
    })?;
    let identity = create::identity(storage)?;
    let signer = identity.signer;
    let log = log_of(signer.name());
    let log = log.ok_or_else(|| damaged(crate::format::KEY_FILE, 0, "the key is not named after a log"))?;
    let scan = Scan {
        storage,
        access: Access::Write,
        log,
        verifier: signer.verifier(),
        being_written: false,
        at_size: None,
        indexes: Indexes::Used,
        positions: 0..=u64::MAX,
        aids: crate::scan::Aids::default(),
    };
    let mut scanned = scan.run()?;
    refuse_lost_checkpoints(&scanned)?;
    let cut = tail::mend(storage, &scanned)?;
    scanned.index.reopen()?;
    if scanned.index.segments().is_empty() {
        let header = scanned.index.next_segment(&scanned.tree.frontier());
        let file = create::segment(storage, &header)?;
        scanned.index.add_segment(file, Known::Open(Box::new(Part::begin(&header))));
    }
    tail::make_durable(storage, &scanned)?;
    let mut checkpoints = CheckpointsFile::open(storage, &scanned)?;
    checkpoints
        .add(&scanned.tree.frontier(), &signer)
        .map_err(|error| failed("writing", CHECKPOINTS_FILE, &directory, error))?;
    let report = OpenReport {
        log,
        created: identity.created,
        head: Position(scanned.index.head()),
        commits: scanned.index.commits(),
        segments: to_u64(scanned.index.segments().len()),
        cut,
    };
    observe::opened(&directory, &report);
    let zeroed_to = match scanned.index.segments().last() {
        Some(last) => last.file.len().map_err(|error| failed("measuring", "a segment", &directory, error))?,
        None => 0,
    };
    Ok(Recovered {
        ownership,
        signer,
        index: scanned.index,
        tree: scanned.tree,
        zeroed_to,
        checkpoints,
        report,
    })
}

/// The first checkpoint is durable before the first commit is written, so a log with commits has one.
fn refuse_lost_checkpoints(scanned: &Scanned) -> Result<(), LogError> {
    let none = scanned.stored.as_ref().is_none_or(|stored| stored.checkpoints.is_empty());
    if none && scanned.index.commits() > 0 {
        return Err(damaged(
            CHECKPOINTS_FILE,
            0,
            "the log has commits and its checkpoints are not there any more",
        ));
    }
    Ok(())
}

impl CheckpointsFile {
    /// Opens the file, which [`tail::make_durable`] has cut to its last whole block, or creates it durably.
    fn open(storage: &dyn Storage, scanned: &Scanned) -> Result<Self, LogError> {
        let directory = storage.describe();
        let failure = |error| failed("opening", CHECKPOINTS_FILE, &directory, error);
        let Some(stored) = &scanned.stored else {
            let file = storage.create(CHECKPOINTS_FILE, Secrecy::Shared).map_err(failure)?;
            storage.sync_directory().map_err(failure)?;
            return Ok(Self { file, end: 0, last_size: None });
        };
        let file = storage.open(CHECKPOINTS_FILE, Access::Write).map_err(failure)?;
        let last_size = stored.checkpoints.last().map(|(_, checkpoint)| checkpoint.size);
        Ok(Self { file, end: stored.end, last_size })
    }

    /// Adds a checkpoint over all commits of the tree, durably, unless the last one says the same.
    pub fn add(&mut self, tree: &Frontier, signer: &NoteSigner) -> std::io::Result<()> {
        if self.last_size == Some(tree.size()) {
            return Ok(());
        }
        let block = to_block(&Checkpoint::sign(tree, signer));
        write_all_at(&*self.file, &block, self.end)?;
        self.file.sync()?;
        self.end += to_u64(block.len());
        self.last_size = Some(tree.size());
        Ok(())
    }
}

/// The name of the last segment, for messages.
#[must_use]
pub fn active_name(index: &Index) -> String {
    index
        .segments()
        .last()
        .map_or_else(|| segment::file_name(1), |last| segment::file_name(last.extent().first))
}

/// Whether a scan ended with a segment that was being created.
fn unborn(tail: &Tail) -> Option<&str> {
    match tail {
        Tail::Unborn { file } => Some(file),
        Tail::Clean | Tail::Torn { .. } => None,
    }
}
