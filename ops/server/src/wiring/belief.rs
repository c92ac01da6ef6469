//! What is believed of another process's log: checkpoints signed by its key, and proofs that lead to them.
//!
//! The key is the one that the owner showed first in the life of this process. So nothing that was altered on the way or
//! mixed up is handed on, and a log that was exchanged behind the address is noticed. That the owner itself is honest can
//! only be found out by those who have the key from elsewhere: `stele log prove --key`.

use std::sync::OnceLock;
use stele_api::{LogConsistency, LogProof};
use stele_domain::port::event_log::Position;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{KeyError, NoteError, NoteVerifier};
use stele_event_log::{InclusionProof, InvalidProof};
use stele_remote_log::{Consistency, Proof, SignedCheckpoint};

/// Why a word of the log's owner is not handed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Disbelief {
    /// The key is none.
    #[error("the owner's public key can't be read")]
    Key(#[source] KeyError),
    /// The key is another one than before.
    #[error(
        "the owner showed the key of {before} before and shows that of {now}: another log is behind the address; restart \
         this process if that is meant"
    )]
    OtherKey {
        /// Name of the key that was shown first.
        before: String,
        /// Name of the key that is shown now.
        now: String,
    },
    /// The checkpoint is not signed by the key.
    #[error("the owner's checkpoint is not believed")]
    Checkpoint(#[source] NoteError),
    /// The proof does not lead to the checkpoint.
    #[error("the owner's proof is not believed")]
    Proof(#[source] InvalidProof),
    /// The proof is between other sizes than were asked about.
    #[error("the owner proves that {old} commits go on to {new}, which was not asked about")]
    OtherSizes {
        /// The earlier size that it tells.
        old: u64,
        /// The later one.
        new: u64,
    },
    /// The proof is of something else.
    #[error("the owner proves what comes after position {position}, which was asked about")]
    Elsewhere {
        /// What was asked about.
        position: Position,
    },
}

/// The key that is believed: the first one.
#[derive(Default)]
pub(super) struct Belief {
    key: OnceLock<NoteVerifier>,
}

impl Belief {
    /// The checkpoint, once it is believed.
    pub(super) fn checkpoint(&self, signed: SignedCheckpoint) -> Result<String, Disbelief> {
        let key = self.key(&signed.public_key)?;
        Checkpoint::open(&signed.checkpoint, key).map_err(Disbelief::Checkpoint)?;
        Ok(signed.checkpoint)
    }

    /// The proof, once it is believed.
    pub(super) fn proof(&self, position: Position, proof: Proof) -> Result<LogProof, Disbelief> {
        let Proof { first, leaf_index, payload, path, signed } = proof;
        let key = self.key(&signed.public_key)?;
        if first > position {
            return Err(Disbelief::Elsewhere { position });
        }
        let proof = InclusionProof { first, index: leaf_index, payload, path, checkpoint: signed.checkpoint };
        proof.verify(key).map_err(Disbelief::Proof)?;
        let InclusionProof { first, index, payload, path, checkpoint } = proof;
        Ok(LogProof { first, leaf_index: index, payload, path, checkpoint })
    }

    /// The proof of consistency between these sizes, once its newer end is believed. Whether it leads there from the older
    /// one, only somebody can see who has a checkpoint of that size.
    pub(super) fn consistency(
        &self,
        asked: (u64, Option<u64>),
        proof: Consistency,
    ) -> Result<LogConsistency, Disbelief> {
        let Consistency { old_size, new_size, path, signed } = proof;
        let key = self.key(&signed.public_key)?;
        let newer = Checkpoint::open(&signed.checkpoint, key).map_err(Disbelief::Checkpoint)?;
        let (old, new) = asked;
        if old_size != old || new_size != newer.size || new.is_some_and(|new| new != new_size) {
            return Err(Disbelief::OtherSizes { old: old_size, new: new_size });
        }
        Ok(LogConsistency { old_size, new_size, path, checkpoint: signed.checkpoint })
    }

    fn key(&self, told: &str) -> Result<&NoteVerifier, Disbelief> {
        let told = NoteVerifier::parse(told).map_err(Disbelief::Key)?;
        let believed = self.key.get_or_init(|| told.clone());
        if *believed == told {
            return Ok(believed);
        }
        let (before, now) = (believed.name().to_owned(), told.name().to_owned());
        Err(Disbelief::OtherKey { before, now })
    }
}

#[cfg(test)]
mod tests;
