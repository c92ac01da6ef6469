//! A proof that one checkpoint continues another, made from the files of a log, whether or not somebody owns it. The
//! whole log is verified on the way: what a damaged log says proves nothing.

use super::{VerifyError, begins_with, of_scan, scanned, storage_in, stored_key};
use crate::archive::{Reach, View};
use crate::checkpoint::Checkpoint;
use crate::embedded::{ConsistencyProof, InvalidProof};
use crate::errors::damaged;
use crate::format::{CHECKPOINTS_FILE, SECTOR_BYTES, to_u64};
use crate::frame::payload::leaf_of;
use crate::note::{NoteError, NoteVerifier};
use crate::scan::Scanned;
use crate::storage::{Access, Storage};
use crate::tree::{self, Hash, SubtreeStore};
use crate::walk::Walk;
use crate::window::SCAN_CHUNK_BYTES;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position};
use uuid::Uuid;

/// A consistency proof with the two checkpoints that it is about: all that somebody needs who has the log's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedConsistency {
    /// The signed checkpoint that was made first.
    pub old: String,
    /// The signed checkpoint that continues it.
    pub new: String,
    /// Hashes as RFC 9162 §2.1.4 orders them.
    pub path: Vec<Hash>,
}

impl SignedConsistency {
    /// Checks both signatures, and that the newer checkpoint continues the older one; returns both.
    ///
    /// # Errors
    ///
    /// [`InvalidProof`]: a checkpoint is not signed by the log, or the path leads elsewhere.
    pub fn verify(&self, verifier: &NoteVerifier) -> Result<(Checkpoint, Checkpoint), InvalidProof> {
        let old = Checkpoint::open(&self.old, verifier)?;
        let new = Checkpoint::open(&self.new, verifier)?;
        let path = self.path.clone();
        ConsistencyProof { old_size: old.size, new_size: new.size, path }.verify(&old, &new)?;
        Ok((old, new))
    }
}

/// Proves from the log in a directory that the checkpoint `new` continues `old`. Without `new` it is the newest one
/// that the log stores.
///
/// # Errors
///
/// As of [`verify`](super::verify); [`VerifyError::Truncated`], [`VerifyError::Rewritten`] when the log is not the one
/// that either signs; [`VerifyError::Order`] when `old` signs more commits than `new`.
pub fn prove_consistency(
    directory: &Path,
    archive: &Reach,
    old: &str,
    new: Option<&str>,
) -> Result<SignedConsistency, VerifyError> {
    let view = View::new(Arc::new(storage_in(directory)?), archive.archive().cloned());
    prove_consistency_on(&view, old, new)
}

/// The same, of the log on any storage.
///
/// # Errors
///
/// As of [`prove_consistency`].
pub fn prove_consistency_on(
    storage: &dyn Storage,
    old: &str,
    new: Option<&str>,
) -> Result<SignedConsistency, VerifyError> {
    let verifier = stored_key(storage)?;
    let open = |note: &str| Checkpoint::open(note, &verifier).map_err(VerifyError::Checkpoint);
    let signed = open(old)?;
    let (scanned, _) = scanned(storage, &verifier, Some(signed.size), 0..=u64::MAX)?;
    begins_with(&scanned, &signed)?;
    let new = match new {
        Some(note) => note.to_owned(),
        None => newest(storage, &scanned)?,
    };
    let newer = open(&new)?;
    if newer.size < signed.size {
        return Err(VerifyError::Order { old: signed.size, new: newer.size });
    }
    if newer.size > scanned.index.commits() {
        return Err(VerifyError::Truncated { signed: newer.size, found: scanned.index.commits() });
    }
    let leaves =
        Leaves { scanned: &scanned, log: super::log_in(&verifier)?, directory: storage.describe().into() };
    let mut root_of = |range| leaves.root_of(range);
    let path = tree::consistency_path(signed.size, newer.size, &mut root_of).map_err(of_scan)?;
    let proof = SignedConsistency { old: old.to_owned(), new, path };
    match proof.verify(&verifier) {
        Ok(_) => Ok(proof),
        Err(InvalidProof::Checkpoint(error)) => Err(VerifyError::Checkpoint(error)),
        // The older one is what the log begins with, so it is the newer one that is not.
        Err(InvalidProof::Path(_)) => Err(VerifyError::Rewritten { signed: newer.size }),
    }
}

/// Whether a log that was scanned begins with what each of these signs, none of which is larger than the log.
pub(super) fn begins_with_all(
    storage: &dyn Storage,
    log: Uuid,
    scanned: &Scanned,
    against: &[Checkpoint],
) -> Result<(), VerifyError> {
    let leaves = Leaves::new(scanned, log, storage);
    let stored = scanned.stored.as_ref().map_or(&[][..], |stored| &stored.checkpoints);
    // The scan has compared those that are stored; the others cost a look into their segment each.
    let known = |signed: &Checkpoint| stored.iter().any(|(_, stored)| stored == signed);
    for signed in against.iter().filter(|signed| !known(signed)) {
        let root = match signed.size {
            0 => tree::empty_root(),
            size => leaves.root_of(0..size).map_err(of_scan)?,
        };
        if root != signed.root {
            return Err(VerifyError::Rewritten { signed: signed.size });
        }
    }
    Ok(())
}

/// The text of the last stored checkpoint.
fn newest(storage: &dyn Storage, scanned: &Scanned) -> Result<String, VerifyError> {
    let stored = scanned.stored.as_ref().and_then(|stored| stored.checkpoints.last());
    let none = VerifyError::Checkpoint(NoteError::Malformed("no checkpoint is stored"));
    let (offset, _) = stored.ok_or(none)?;
    let unread = |error| VerifyError::Unreadable(Box::new(error));
    let file = storage.open(CHECKPOINTS_FILE, Access::Read).map_err(unread)?;
    let mut window = crate::window::Window::new(file, SECTOR_BYTES);
    let block = window.slice(*offset, SECTOR_BYTES).map_err(unread)?;
    Ok(format!("{}\n", String::from_utf8_lossy(block).trim_end_matches('\n')))
}

/// The leaves of a log that has been scanned.
struct Leaves<'a> {
    scanned: &'a Scanned,
    log: Uuid,
    directory: Arc<str>,
}

impl<'a> Leaves<'a> {
    fn new(scanned: &'a Scanned, log: Uuid, storage: &dyn Storage) -> Self {
        Self { scanned, log, directory: storage.describe().into() }
    }

    fn root_of(&self, range: Range<u64>) -> Result<Hash, LogError> {
        let tree: &SubtreeStore = &self.scanned.tree;
        tree::root_of(range, &mut |range| tree.stored_root(range), &mut |range| self.read(range))
    }

    /// Reads the commits of `range` again and hashes them.
    fn read(&self, range: Range<u64>) -> Result<Vec<Hash>, LogError> {
        let mut leaves = vec![];
        for segment in self.scanned.index.segments() {
            let extent = segment.extent();
            if extent.next_commit() <= range.start || extent.first_commit >= range.end {
                continue;
            }
            let mut walk = Walk::whole(self.log, Arc::clone(&self.directory), segment, SCAN_CHUNK_BYTES);
            while let Some(commit) = walk.next()? {
                if range.contains(&commit.at.commit) {
                    leaves.push(leaf_of(Position(commit.at.position), commit.bytes));
                }
                if commit.at.commit + 1 >= range.end {
                    break;
                }
            }
        }
        if to_u64(leaves.len()) == range.end - range.start {
            Ok(leaves)
        } else {
            Err(damaged("the log", 0, format!("commits {range:?} are not there any more")))
        }
    }
}
