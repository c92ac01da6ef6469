//! The Merkle tree over commits, as RFC 6962 and RFC 9162 define it, with SHA-256.
//!
//! Pure: no files, no log. What someone outside needs to check a proof is here.

mod frontier;
mod proof;
mod store;
#[cfg(test)]
mod tests;

pub use frontier::Frontier;
pub use proof::{ProofError, consistency_path, inclusion_path, verify_consistency, verify_inclusion};
pub use store::{SUBTREE_LEAVES, SubtreeStore, root_of};

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf, whose data is given in parts: SHA-256(0x00 || data).
#[must_use]
pub fn leaf_hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
