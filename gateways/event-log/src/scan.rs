//! Reads a whole log from its first byte, checks everything that can be checked, and says how it ends. Changes
//! nothing: recovery acts on what is found here, and `verify` reports it.

mod evidence;
mod frames;
mod headers;
#[cfg(test)]
mod tests;

use crate::checkpoint::{self, Checkpoint, Stored};
use crate::errors::{damaged, storage as failed};
use crate::format::{CHECKPOINTS_FILE, SECTOR_BYTES, to_u64, to_usize};
use crate::index::Index;
use crate::note::NoteVerifier;
use crate::segment;
use crate::storage::{Access, Storage, read_all};
use crate::tree::{Hash, SubtreeStore};
use frames::SegmentEnd;
use headers::HeaderFound;
use std::io;
use stele_domain::port::event_log::LogError;
use uuid::Uuid;

/// Longest checkpoints file that is read: a million checkpoints, 512 MiB.
const CHECKPOINTS_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How a log is scanned.
pub struct Scan<'a> {
    /// Where it is.
    pub storage: &'a dyn Storage,
    /// What segments are opened for.
    pub access: Access,
    /// Whose segments they must be.
    pub log: Uuid,
    /// Checks the checkpoints.
    pub verifier: &'a NoteVerifier,
    /// Somebody is writing at this moment: what follows the last whole commit is on its way.
    pub being_written: bool,
    /// A number of commits whose tree is of interest.
    pub at_size: Option<u64>,
}

/// What a scan found.
pub struct Scanned {
    /// All that is whole.
    pub index: Index,
    /// The tree over all commits that are whole.
    pub tree: SubtreeStore,
    /// How the last segment ends.
    pub tail: Tail,
    /// The stored checkpoints; `None` when there is no such file.
    pub stored: Option<Stored>,
    /// In the last segment, everything before this offset was durable when its last commit was written.
    pub durable: u64,
    /// Root of the tree over the number of commits that was asked for, when there are so many.
    pub root_at_size: Option<Hash>,
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// With a whole commit, or a header; after it there is free space, if anything.
    Clean,
    /// With a write that did not finish, from `offset` to the end of the file.
    Torn {
        /// The file.
        file: String,
        /// Offset after the last whole commit.
        offset: u64,
        /// Bytes from there to the end of the file.
        bytes: u64,
    },
    /// With a segment that was being created.
    Unborn {
        /// The file.
        file: String,
    },
}

/// Reads and checks the checkpoints of a log.
fn stored_checkpoints(scan: &Scan<'_>) -> Result<Option<Stored>, LogError> {
    let (storage, verifier) = (scan.storage, scan.verifier);
    let directory = storage.describe();
    let failure = |error| failed("reading", CHECKPOINTS_FILE, &directory, error);
    let file = match storage.open(CHECKPOINTS_FILE, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(error)),
    };
    let bytes = read_all(&*file, CHECKPOINTS_BYTES_MAX).map_err(failure)?;
    let stored = match checkpoint::read_blocks(&bytes, verifier) {
        // The owner may be in the middle of adding the last one.
        Err(fault) if scan.being_written && fault.offset + to_u64(SECTOR_BYTES) >= to_u64(bytes.len()) => {
            checkpoint::read_blocks(bytes.get(..to_usize(fault.offset)).unwrap_or_default(), verifier)
        }
        stored => stored,
    };
    stored.map(Some).map_err(|fault| damaged(CHECKPOINTS_FILE, fault.offset, fault.what))
}

impl Scan<'_> {
    /// Scans everything.
    pub fn run(&self) -> Result<Scanned, LogError> {
        // Checkpoints first: a running owner adds commits before it adds checkpoints over them.
        let stored = stored_checkpoints(self)?;
        let checkpoints = stored.as_ref().map_or(&[][..], |stored| &stored.checkpoints);
        let mut roots = Roots { left: checkpoints, at_size: self.at_size, root_at_size: None };
        let known = checkpoints.last().map_or(0, |(_, checkpoint)| checkpoint.size);
        let (mut index, mut tree) = (Index::new(self.log), SubtreeStore::default());
        let names = self.segment_names()?;
        let mut tail = Tail::Clean;
        let mut durable = 0;
        roots.compare(&tree)?;
        for (nth, name) in names.iter().enumerate() {
            let last = nth + 1 == names.len();
            match headers::check(self, &mut index, &tree.frontier(), name, last, known)? {
                HeaderFound::Whole => {}
                HeaderFound::Unborn => {
                    tail = Tail::Unborn { file: name.clone() };
                    break;
                }
            }
            let segment = frames::Segment { name, last, known };
            let end = frames::scan(self, &mut index, &mut tree, &mut roots, segment)?;
            durable = end.durable;
            tail = tail_of(name, &end);
        }
        if index.commits() < known {
            let (name, end) = last_of(&index, &names);
            let what =
                format!("the log ends after commit {}, a stored checkpoint has {known}", index.commits());
            return Err(damaged(&name, end, what));
        }
        let root_at_size = roots.root_at_size;
        Ok(Scanned { index, tree, tail, stored, durable, root_at_size })
    }

    fn segment_names(&self) -> Result<Vec<String>, LogError> {
        let directory = self.storage.describe();
        let names = self.storage.list().map_err(|error| failed("listing", "the files", &directory, error))?;
        let names: Vec<String> = names.into_iter().filter(|name| segment::claims_to_be(name)).collect();
        match names.iter().find(|name| segment::first_position(name).is_none()) {
            Some(name) => {
                Err(damaged(name, 0, "the file is named like no segment of this log: move it elsewhere"))
            }
            None => Ok(names),
        }
    }
}

fn tail_of(name: &str, end: &SegmentEnd) -> Tail {
    if end.torn_bytes == 0 {
        return Tail::Clean;
    }
    Tail::Torn { file: name.to_owned(), offset: end.offset, bytes: end.torn_bytes }
}

fn last_of(index: &Index, names: &[String]) -> (String, u64) {
    let whole = index.segments().last().map(|last| (segment::file_name(last.first), last.end));
    whole.unwrap_or_else(|| (names.first().cloned().unwrap_or_else(|| segment::file_name(1)), 0))
}

/// The stored checkpoints that the scan has not reached.
pub struct Roots<'a> {
    left: &'a [(u64, Checkpoint)],
    at_size: Option<u64>,
    root_at_size: Option<Hash>,
}

impl Roots<'_> {
    /// Compares the tree with the checkpoints of its size.
    fn compare(&mut self, tree: &SubtreeStore) -> Result<(), LogError> {
        if self.at_size == Some(tree.size()) {
            self.root_at_size = Some(tree.frontier().root());
        }
        while let Some(((offset, checkpoint), rest)) = self.left.split_first() {
            if checkpoint.size > tree.size() {
                break;
            }
            if checkpoint.root != tree.frontier().root() {
                let what =
                    format!("the first {} commits are not those that were signed here", checkpoint.size);
                return Err(damaged(CHECKPOINTS_FILE, *offset, what));
            }
            self.left = rest;
        }
        Ok(())
    }
}
