//! Paths through the tree (RFC 9162 §2.1.3 and §2.1.4): making them and checking them.

use super::store::split;
use super::{Hash, empty_root, node_hash};
use std::ops::Range;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf or the older tree lies outside the tree.
    #[error("the proof is about leaf or size {asked}, and the tree has {size}")]
    OutOfRange {
        /// The leaf's index or the older size.
        asked: u64,
        /// Number of leaves.
        size: u64,
    },
    /// The path is longer or shorter than a tree of this size has them.
    #[error("the path has {actual} hashes, which does not fit")]
    Length {
        /// How many hashes were given.
        actual: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to another root")]
    Root,
}

/// The hashes that lead from leaf `index` to the root of a tree of `size` leaves, lowest first.
///
/// `root_of` gives the hash of a range of leaves.
///
/// # Panics
///
/// When the tree has no such leaf.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    root_of: &mut impl FnMut(Range<u64>) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(index < size, "leaf {index} is not in a tree of {size}");
    let (mut low, mut high) = (0, size);
    let mut path = vec![];
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(root_of(middle..high)?);
            high = middle;
        } else {
            path.push(root_of(low..middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show a tree of `size` leaves to begin with the tree of its first `old` leaves.
///
/// # Panics
///
/// When `old` is larger than `size`.
pub fn consistency_path<E>(
    old: u64,
    size: u64,
    root_of: &mut impl FnMut(Range<u64>) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(old <= size, "a tree of {size} doesn't begin with one of {old}");
    if old == 0 || old == size {
        return Ok(vec![]);
    }
    let (mut low, mut high) = (0, size);
    let mut path = vec![];
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(root_of(middle..high)?);
            high = middle;
        } else {
            path.push(root_of(low..middle)?);
            low = middle;
        }
    }
    // The older tree's last subtree is its whole root when nothing lies to its left: the checker has that.
    if low > 0 {
        path.push(root_of(low..high)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is leaf `index` of the tree with `size` leaves and this `root`.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { asked: index, size });
    }
    let wrong_length = ProofError::Length { actual: path.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree with `size` leaves and `root` begins with the tree of `old` leaves and `old_root`.
pub fn verify_consistency(
    old: u64,
    size: u64,
    path: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if old > size {
        return Err(ProofError::OutOfRange { asked: old, size });
    }
    let wrong_length = ProofError::Length { actual: path.len() };
    if old == 0 || old == size {
        let expected_old = if old == 0 { empty_root() } else { *root };
        return match (path.is_empty(), expected_old == *old_root) {
            (false, _) => Err(wrong_length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let whole = old.is_power_of_two();
    let mut steps = path.iter();
    let first = if whole { *old_root } else { *steps.next().ok_or(wrong_length)? };
    let (mut node, mut last) = (old - 1, size - 1);
    let ones = node.trailing_ones();
    node >>= ones;
    last >>= ones;
    let (mut older, mut newer) = (first, first);
    for step in steps {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            older = node_hash(step, &older);
            newer = node_hash(step, &newer);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            newer = node_hash(&newer, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if older == *old_root && newer == *root { Ok(()) } else { Err(ProofError::Root) }
}
