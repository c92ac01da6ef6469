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

use sha2::block_api::compress256;
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
    // 65 bytes, and what SHA-256 puts behind so many: there is one node for every leaf.
    let mut message = [0; 2 * SHA_BLOCK_BYTES];
    message[0] = 0x01;
    message[1..33].copy_from_slice(left);
    message[33..65].copy_from_slice(right);
    message[65] = 0x80;
    message[126..].copy_from_slice(&(65_u16 * 8).to_be_bytes());
    hash_of_blocks(message.as_chunks().0)
}

/// Bytes of the blocks that SHA-256 takes a message in.
pub(crate) const SHA_BLOCK_BYTES: usize = 64;

/// What SHA-256 begins with (FIPS 180-4, 5.3.3).
const SHA_BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 of a message that is padded already (FIPS 180-4, 5.1.1).
pub(crate) fn hash_of_blocks(blocks: &[[u8; SHA_BLOCK_BYTES]]) -> Hash {
    let mut state = SHA_BEGIN;
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// Appends the data of a leaf, which is given in parts, as the blocks that [`hash_of_blocks`] makes its hash of. What is
/// there already has to be blocks.
pub(crate) fn put_leaf_blocks(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let begin = out.len();
    out.push(0x00);
    for part in parts {
        out.extend_from_slice(part);
    }
    let bits = crate::format::to_u64(out.len() - begin) * 8;
    out.push(0x80);
    let len = (out.len() + size_of::<u64>()).next_multiple_of(SHA_BLOCK_BYTES);
    out.resize(len - size_of::<u64>(), 0);
    out.extend_from_slice(&bits.to_be_bytes());
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
