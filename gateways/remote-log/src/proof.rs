//! Checkpoints and proofs, as the log's owner gives them and as they cross the wire. What they show, whoever has the
//! log's public key finds out; here they are carried, and only their form is looked at.

use crate::wire::Malformed;
use stele_domain::port::event_log::Position;
use stele_proto::log::v1 as proto;

/// Most hashes of a path: a tree whose number of leaves is a `u64` is no higher.
const PATH_HASHES_MAX: usize = 64;

/// A checkpoint that the log's key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// A C2SP `tlog-checkpoint` note.
    pub checkpoint: String,
    /// The public key that checks it, as the log's `key.pub` has it: the owner's word.
    pub public_key: String,
}

/// Shows that a commit is in the tree that a checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Position of the commit's first record.
    pub first: Position,
    /// How many commits are before it: the leaf's index.
    pub leaf_index: u64,
    /// The commit's payload, as the log's format describes it.
    pub payload: Vec<u8>,
    /// SHA-256 hashes from the leaf up.
    pub path: Vec<[u8; 32]>,
    /// What the path leads to.
    pub signed: SignedCheckpoint,
}

/// Shows that the tree of one size begins with that of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The earlier size, in commits.
    pub old_size: u64,
    /// The later size, in commits.
    pub new_size: u64,
    /// SHA-256 hashes as RFC 9162 §2.1.4 orders them.
    pub path: Vec<[u8; 32]>,
    /// The checkpoint of the later size.
    pub signed: SignedCheckpoint,
}

impl From<SignedCheckpoint> for proto::CheckpointResponse {
    fn from(signed: SignedCheckpoint) -> Self {
        Self { checkpoint: signed.checkpoint, public_key: signed.public_key }
    }
}

impl From<proto::CheckpointResponse> for SignedCheckpoint {
    fn from(told: proto::CheckpointResponse) -> Self {
        Self { checkpoint: told.checkpoint, public_key: told.public_key }
    }
}

impl From<Proof> for proto::ProveResponse {
    fn from(proof: Proof) -> Self {
        Self {
            first_position: proof.first.0,
            leaf_index: proof.leaf_index,
            payload: proof.payload,
            path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
            checkpoint: proof.signed.checkpoint,
            public_key: proof.signed.public_key,
        }
    }
}

impl TryFrom<proto::ProveResponse> for Proof {
    type Error = Malformed;

    fn try_from(told: proto::ProveResponse) -> Result<Self, Malformed> {
        Ok(Self {
            first: Position(told.first_position),
            leaf_index: told.leaf_index,
            payload: told.payload,
            path: path(told.path)?,
            signed: SignedCheckpoint { checkpoint: told.checkpoint, public_key: told.public_key },
        })
    }
}

impl From<Consistency> for proto::ProveConsistencyResponse {
    fn from(proof: Consistency) -> Self {
        Self {
            old_commits: proof.old_size,
            new_commits: proof.new_size,
            path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
            checkpoint: proof.signed.checkpoint,
            public_key: proof.signed.public_key,
        }
    }
}

impl TryFrom<proto::ProveConsistencyResponse> for Consistency {
    type Error = Malformed;

    fn try_from(told: proto::ProveConsistencyResponse) -> Result<Self, Malformed> {
        Ok(Self {
            old_size: told.old_commits,
            new_size: told.new_commits,
            path: path(told.path)?,
            signed: SignedCheckpoint { checkpoint: told.checkpoint, public_key: told.public_key },
        })
    }
}

fn path(told: Vec<Vec<u8>>) -> Result<Vec<[u8; 32]>, Malformed> {
    let hashes = told.len();
    if hashes > PATH_HASHES_MAX {
        let what =
            format!("the path of the proof has {hashes} hashes, no tree has more than {PATH_HASHES_MAX}");
        return Err(Malformed(what));
    }
    let hash = |bytes: Vec<u8>| {
        let length = bytes.len();
        let hash = <[u8; 32]>::try_from(bytes);
        hash.map_err(|_| Malformed(format!("a hash of the proof has {length} bytes and not 32")))
    };
    told.into_iter().map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::{Consistency, PATH_HASHES_MAX, Proof, SignedCheckpoint};
    use stele_domain::port::event_log::Position;
    use stele_proto::log::v1 as proto;

    fn proof() -> Proof {
        Proof {
            first: Position(7),
            leaf_index: 3,
            payload: vec![1, 2, 3],
            path: vec![[9; 32], [8; 32]],
            signed: SignedCheckpoint { checkpoint: "note".to_owned(), public_key: "key".to_owned() },
        }
    }

    #[test]
    fn what_one_side_says_the_other_hears() {
        assert_eq!(Proof::try_from(proto::ProveResponse::from(proof())), Ok(proof()));
        let signed = proof().signed;
        let consistency =
            Consistency { old_size: 3, new_size: 9, path: vec![[1; 32]], signed: signed.clone() };
        let told = proto::ProveConsistencyResponse::from(consistency.clone());
        assert_eq!(Consistency::try_from(told.clone()), Ok(consistency));
        let short = proto::ProveConsistencyResponse { path: vec![vec![1; 31]], ..told };
        assert!(Consistency::try_from(short).is_err());
        assert_eq!(SignedCheckpoint::from(proto::CheckpointResponse::from(signed.clone())), signed);
    }

    #[test]
    fn a_path_that_no_tree_has_is_refused() {
        let told = proto::ProveResponse::from(proof());
        for length in [0, 31, 33] {
            let path = vec![vec![9; 32], vec![9; length]];
            let error = Proof::try_from(proto::ProveResponse { path, ..told.clone() }).unwrap_err();
            assert!(error.to_string().contains(&format!("{length} bytes")), "{error}");
        }
        let path = vec![vec![9; 32]; PATH_HASHES_MAX];
        assert!(Proof::try_from(proto::ProveResponse { path, ..told.clone() }).is_ok());
        let path = vec![vec![9; 32]; PATH_HASHES_MAX + 1];
        assert!(Proof::try_from(proto::ProveResponse { path, ..told }).is_err());
    }
}
