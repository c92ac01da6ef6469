//! The Merkle tree over commits, as RFC 6962 and RFC 9162 define it, with SHA-256.
//!
//! Pure: no files, no log. What someone outside needs to check a proof is here.

mod frontier;
mod lanes;
mod proof;
mod store;
#[cfg(test)]
mod tests;

pub use frontier::Frontier;
pub(crate) use lanes::{LANES_MIN, Lanes};
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
    hash_of_blocks(&node_blocks(left, right))
}

/// The data of an inner node as the blocks that its hash is made of.
fn node_blocks(left: &Hash, right: &Hash) -> [Block; 2] {
    // 65 bytes, and what SHA-256 puts behind so many: there is one node for every leaf.
    let mut blocks = [[0; SHA_BLOCK_BYTES]; 2];
    let message = blocks.as_flattened_mut();
    message[0] = 0x01;
    message[1..33].copy_from_slice(left);
    message[33..65].copy_from_slice(right);
    message[65] = 0x80;
    message[126..].copy_from_slice(&(65_u16 * 8).to_be_bytes());
    blocks
}

/// Bytes of the blocks that SHA-256 takes a message in.
pub(crate) const SHA_BLOCK_BYTES: usize = 64;

/// One of them.
pub(crate) type Block = [u8; SHA_BLOCK_BYTES];

/// What SHA-256 begins with (FIPS 180-4, 5.3.3).
const SHA_BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 of a message that is padded already (FIPS 180-4, 5.1.1).
pub(crate) fn hash_of_blocks(blocks: &[Block]) -> Hash {
    let mut state = SHA_BEGIN;
    compress256(&mut state, blocks);
    hash_of(state)
}

fn hash_of(state: [u32; 8]) -> Hash {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// The hash of a leaf whose data begins with eight bytes, made where the rest lies: as [`leaf_hash`], without a copy.
pub(crate) fn leaf_hash_in_place(begin: [u8; 8], rest: &[u8]) -> Hash {
    const BEFORE: usize = 1 + size_of::<u64>();
    let mut state = SHA_BEGIN;
    // The blocks that are put together here: the first, whose 0x00 says that it is a leaf, and those that the message ends
    // in, with the one bit and the length that SHA-256 puts behind it. One and the same where the message is short.
    let mut last = [0; 2 * SHA_BLOCK_BYTES];
    last[1..BEFORE].copy_from_slice(&begin);
    let mut filled = BEFORE;
    let mut tail = rest;
    if let Some((first, behind)) = rest.split_first_chunk::<{ SHA_BLOCK_BYTES - BEFORE }>() {
        last[BEFORE..SHA_BLOCK_BYTES].copy_from_slice(first);
        compress256(&mut state, &last.as_chunks().0[..1]);
        let (blocks, left) = behind.as_chunks();
        compress256(&mut state, blocks);
        (last, filled, tail) = ([0; 2 * SHA_BLOCK_BYTES], 0, left);
    }
    last[filled..filled + tail.len()].copy_from_slice(tail);
    filled += tail.len();
    last[filled] = 0x80;
    let len = (filled + 1 + size_of::<u64>()).next_multiple_of(SHA_BLOCK_BYTES);
    let bits = crate::format::to_u64(BEFORE + rest.len()) * 8;
    last[len - size_of::<u64>()..len].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last.as_chunks().0[..len / SHA_BLOCK_BYTES]);
    hash_of(state)
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
