//! Proofs that the log makes and anyone can check, with nothing but the log's public key.

use super::EmbeddedLog;
use crate::checkpoint::Checkpoint;
use crate::errors::damaged;
use crate::format::to_usize;
use crate::frame::payload::{Payload, leaf_of};
use crate::index;
use crate::note::{NoteError, NoteVerifier};
use crate::segment;
use crate::shared::{Shared, off_thread};
use crate::tree::{self, Frontier, Hash, ProofError};
use crate::walk::Walk;
use crate::window::LOOK_CHUNK_BYTES;
use std::ops::Range;
use std::sync::Arc;
use stele_domain::port::event_log::{LogError, Position, Record, Revision, StreamId};

/// Shows that a commit is in the tree that a checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Position of the commit's first record.
    pub first: Position,
    /// The commit's number: how many commits are before it.
    pub index: u64,
    /// The commit's payload, as `FORMAT.md` describes it.
    pub payload: Vec<u8>,
    /// Hashes from the leaf up.
    pub path: Vec<Hash>,
    /// The signed checkpoint, with the cosignatures of a witness when it has seen it.
    pub checkpoint: String,
}

/// Shows that the tree of a checkpoint begins with the tree of an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Number of commits of the older tree.
    pub old_size: u64,
    /// Number of commits of the newer tree.
    pub new_size: u64,
    /// Hashes as RFC 9162 §2.1.4 orders them.
    pub path: Vec<Hash>,
}

/// Why a proof is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// The checkpoint is not signed by the log.
    #[error("the checkpoint is not believed")]
    Checkpoint(#[from] NoteError),
    /// The path doesn't lead there.
    #[error("the path is not believed")]
    Path(#[from] ProofError),
}

impl InclusionProof {
    /// The record at `position`, as the proved commit holds it; `None` when that is a record of another commit, or the
    /// payload can't be read. What is returned is proved only once [`Self::verify`] has said so.
    #[must_use]
    pub fn record(&self, position: Position) -> Option<Record> {
        let payload = Payload::read(&self.payload).ok()?;
        let records: Vec<_> = payload.records().collect::<Result<_, _>>().ok()?;
        let nth = position.0.checked_sub(self.first.0)?;
        let raw = records.get(to_usize(nth))?;
        Some(Record {
            position,
            stream: StreamId::new(raw.stream).ok()?,
            revision: Revision(raw.revision),
            event_id: raw.event_id,
            event_type: raw.event_type.into(),
            data: raw.data.into(),
            metadata: raw.metadata.into(),
            recorded_at: payload.recorded_at,
        })
    }

    /// Checks the proof against the log's key; returns the checkpoint that it leads to.
    pub fn verify(&self, verifier: &NoteVerifier) -> Result<Checkpoint, InvalidProof> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        let leaf = leaf_of(self.first, &self.payload);
        tree::verify_inclusion(&leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl ConsistencyProof {
    /// Checks that `new` continues `old`.
    pub fn verify(&self, old: &Checkpoint, new: &Checkpoint) -> Result<(), InvalidProof> {
        let path = &self.path;
        tree::verify_consistency(old.size, new.size, path, &old.root, &new.root).map_err(InvalidProof::from)
    }
}

impl EmbeddedLog {
    /// Proves that the commit with the record at `position` is in the log: in the part of it that a witness has cosigned,
    /// when it is, and else in the log as it stands.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`] when there is no such position yet; otherwise as reading.
    pub async fn inclusion_proof(&self, position: Position) -> Result<InclusionProof, LogError> {
        let shared = Arc::clone(&self.shared);
        off_thread(move || inclusion(&shared, position)).await
    }

    /// The same under a checkpoint that was signed before, with its note: nothing is signed for it. `None` where it is not over
    /// the commit, is over more than this log has, or is of another course of it.
    ///
    /// # Errors
    ///
    /// As of [`Self::inclusion_proof`].
    pub async fn inclusion_proof_under(
        &self,
        position: Position,
        checkpoint: Checkpoint,
        note: String,
    ) -> Result<Option<InclusionProof>, LogError> {
        let shared = Arc::clone(&self.shared);
        off_thread(move || {
            let (commit, frontier) = Proved::with(&shared, position)?;
            commit.under(&shared, &checkpoint, &note, frontier.size())
        })
        .await
    }

    /// Proves that the first `new_size` commits begin with the first `old_size`.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`] when the log has fewer commits, or the sizes are in the wrong order.
    pub async fn consistency_proof(
        &self,
        old_size: u64,
        new_size: u64,
    ) -> Result<ConsistencyProof, LogError> {
        let shared = Arc::clone(&self.shared);
        off_thread(move || consistency(&shared, old_size, new_size)).await
    }

    /// Proves that the log goes on from its first `old_size` commits, to `new_size` or to everything that is durable, and
    /// signs what it leads to.
    ///
    /// # Errors
    ///
    /// As of [`Self::consistency_proof`].
    pub async fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> Result<(ConsistencyProof, String), LogError> {
        let shared = Arc::clone(&self.shared);
        off_thread(move || {
            let new_size = match new_size {
                Some(size) => size,
                None => shared.whole_tree()?.size(),
            };
            let proof = consistency(&shared, old_size, new_size)?;
            let (origin, root) = (shared.signer.name().to_owned(), root_at(&shared, new_size)?);
            Ok((proof, Checkpoint { origin, size: new_size, root }.note(&shared.signer)))
        })
        .await
    }

    /// The checkpoint over the first `size` commits, signed. One log has one note for each size.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`] when the log has fewer commits; otherwise as reading.
    pub async fn checkpoint_at(&self, size: u64) -> Result<String, LogError> {
        let shared = Arc::clone(&self.shared);
        let root = off_thread(move || root_at(&shared, size)).await?;
        let signer = &self.shared.signer;
        Ok(Checkpoint { origin: signer.name().to_owned(), size, root }.note(signer))
    }
}

/// Hash of the tree over the first `size` commits.
pub(crate) fn root_at(shared: &Shared, size: u64) -> Result<Hash, LogError> {
    let commits = shared.tree().size();
    match size {
        0 => Ok(tree::empty_root()),
        size if size > commits => {
            Err(LogError::Invalid(format!("the log has {commits} commits, fewer than {size}")))
        }
        size => root_of(shared, 0..size),
    }
}

/// A commit that is to be proved.
struct Proved {
    /// Its first position.
    first: Position,
    /// How many commits are before it.
    number: u64,
    payload: Vec<u8>,
}

impl Proved {
    /// The commit with the record at a position, and the tree that it is in.
    fn with(shared: &Shared, position: Position) -> Result<(Self, Frontier), LogError> {
        // The writer waits for the tree and for the index, so neither is held while a signature is made.
        let (head, frontier) = {
            let tree = shared.whole_tree()?;
            (tree.head(), tree.frontier())
        };
        if position.0 == 0 || position.0 > head {
            return Err(LogError::Invalid(format!(
                "there is no position {position}: the log ends at {head}"
            )));
        }
        let found = shared.index().locate(position.0);
        let Some(found) = found else {
            return Err(damaged(&segment::file_name(position.0), 0, "the position is in no segment"));
        };
        let mark = found.mark_of(position.0)?;
        let mut walk = Walk::new(shared.log, Arc::clone(&shared.directory), &found, mark, LOOK_CHUNK_BYTES);
        walk.skip_to(position.0)?;
        let segment = walk.segment();
        let Some(commit) = walk.next()? else {
            return Err(damaged(
                &segment::file_name(segment),
                0,
                format!("position {position} is not there any more"),
            ));
        };
        let (first, number) = (Position(commit.at.position), commit.at.commit);
        if number >= frontier.size() {
            return Err(misnumbered(segment, number));
        }
        Ok((Self { first, number, payload: commit.bytes.to_vec() }, frontier))
    }

    /// The proof under a checkpoint that was signed before, in a log of so many commits; `None` where it proves nothing of this
    /// commit.
    fn under(
        &self,
        shared: &Shared,
        checkpoint: &Checkpoint,
        note: &str,
        commits: u64,
    ) -> Result<Option<InclusionProof>, LogError> {
        let (number, size) = (self.number, checkpoint.size);
        if !(number + 1..=commits).contains(&size) {
            return Ok(None);
        }
        let path = tree::inclusion_path(number, size, &mut |range| root_of(shared, range))?;
        let leaf = leaf_of(self.first, &self.payload);
        // What was kept of another log's course leads nowhere.
        if tree::verify_inclusion(&leaf, number, size, &path, &checkpoint.root).is_err() {
            return Ok(None);
        }
        let (payload, checkpoint) = (self.payload.clone(), note.to_owned());
        Ok(Some(InclusionProof { first: self.first, index: number, payload, path, checkpoint }))
    }
}

fn inclusion(shared: &Shared, position: Position) -> Result<InclusionProof, LogError> {
    let (commit, frontier) = Proved::with(shared, position)?;
    if let Some(cosigned) = shared.cosigned() {
        let proof = commit.under(shared, &cosigned.checkpoint, &cosigned.note, frontier.size())?;
        if let Some(proof) = proof {
            return Ok(proof);
        }
    }
    let Proved { first, number, payload } = commit;
    let path = tree::inclusion_path(number, frontier.size(), &mut |range| root_of(shared, range))?;
    let checkpoint = Checkpoint::sign(&frontier, &shared.signer);
    Ok(InclusionProof { first, index: number, payload, path, checkpoint })
}

fn consistency(shared: &Shared, old_size: u64, new_size: u64) -> Result<ConsistencyProof, LogError> {
    let size = shared.whole_tree()?.size();
    if old_size > new_size || new_size > size {
        let what = format!("there is no proof from {old_size} to {new_size} commits in a log of {size}");
        return Err(LogError::Invalid(what));
    }
    let path = tree::consistency_path(old_size, new_size, &mut |range| root_of(shared, range))?;
    Ok(ConsistencyProof { old_size, new_size, path })
}

fn root_of(shared: &Shared, range: Range<u64>) -> Result<Hash, LogError> {
    let mut stored = |range: &Range<u64>| shared.tree_to(range.end).stored_root(range);
    tree::root_of(range, &mut stored, &mut |range| leaves(shared, range))
}

/// Reads the commits of `range` again and hashes them.
fn leaves(shared: &Shared, range: Range<u64>) -> Result<Vec<Hash>, LogError> {
    let mut leaves = Vec::new();
    let mut next = range.start;
    while next < range.end {
        let Some(found) = shared.index().locate_commit(next) else {
            return Err(damaged("the log", 0, format!("commit {next} is in no segment")));
        };
        let mark = found.mark_of_commit(next)?;
        let mut walk = Walk::new(shared.log, Arc::clone(&shared.directory), &found, mark, LOOK_CHUNK_BYTES);
        let before = next;
        while let Some(commit) = walk.next()? {
            if next == range.end || commit.at.commit > next {
                break;
            }
            if commit.at.commit == next {
                leaves.push(leaf_of(Position(commit.at.position), commit.bytes));
                next += 1;
            }
        }
        if next == before {
            return Err(misnumbered(found.first, before));
        }
    }
    Ok(leaves)
}

/// What reads by an index whose numbers are not those of its segment.
fn misnumbered(segment: u64, commit: u64) -> LogError {
    damaged(&index::file_name(segment), 0, format!("commit {commit} is not where the index has it"))
}
