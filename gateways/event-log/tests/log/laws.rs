//! Laws of proofs: the tree's paths are those of RFC 9162, word for word, and nothing but them is believed.

use quickcheck::{Arbitrary, Gen, TestResult, quickcheck};
use std::convert::Infallible;
use stele_event_log::tree::{
    Hash, consistency_path, empty_root, inclusion_path, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};

/// Leaves of a tree, and a place in it.
#[derive(Debug, Clone)]
struct Tree {
    leaves: Vec<Hash>,
    /// A number of leaves, at least one and no more than there are.
    old: usize,
}

impl Arbitrary for Tree {
    fn arbitrary(g: &mut Gen) -> Self {
        // Sizes around powers of two are where paths change their shape.
        let around = 1_usize << (u8::arbitrary(g) % 9);
        let size = (around + usize::from(u8::arbitrary(g) % 5)).saturating_sub(2).max(1);
        let seed = u64::arbitrary(g);
        let leaves = (0..size).map(|nth| leaf_hash(&[&seed.to_le_bytes(), &nth.to_le_bytes()])).collect();
        let old = usize::arbitrary(g) % size + 1;
        Self { leaves, old }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let tree = self.clone();
        Box::new(
            (1..self.leaves.len())
                .rev()
                .map(move |size| Self { leaves: tree.leaves[..size].to_vec(), old: tree.old.min(size) }),
        )
    }
}

/// The largest power of two that is less than `n`.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// RFC 9162 §2.1.1: MTH.
fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => empty_root(),
        [leaf] => *leaf,
        more => node_hash(&mth(&more[..k(more.len())]), &mth(&more[k(more.len())..])),
    }
}

/// RFC 9162 §2.1.3.1: PATH.
fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return vec![];
    }
    let (left, right) = d.split_at(k(n));
    if m < k(n) {
        [path(m, left), vec![mth(right)]].concat()
    } else {
        [path(m - k(n), right), vec![mth(left)]].concat()
    }
}

/// RFC 9162 §2.1.4.1: PROOF.
fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    subproof(m, d, true)
}

/// RFC 9162 §2.1.4.1: SUBPROOF.
fn subproof(m: usize, d: &[Hash], whole: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if whole { vec![] } else { vec![mth(d)] };
    }
    let (left, right) = d.split_at(k(n));
    if m <= k(n) {
        [subproof(m, left, whole), vec![mth(right)]].concat()
    } else {
        [subproof(m - k(n), right, false), vec![mth(left)]].concat()
    }
}

/// Whether a path leads from the first `m` of `n` leaves to both roots: the definition of SUBPROOF, read backwards.
fn leads(m: usize, n: usize, path: &[Hash], old: &Hash, new: &Hash) -> bool {
    /// The roots of the older and of the newer tree, and what is left of the path from its end.
    fn roots<'p>(
        m: usize,
        n: usize,
        whole: bool,
        path: &'p [Hash],
        old: &Hash,
    ) -> Option<(Hash, Hash, &'p [Hash])> {
        if m == n {
            if whole {
                return Some((*old, *old, path));
            }
            let (first, rest) = path.split_last()?;
            return Some((*first, *first, rest));
        }
        let (other, rest) = path.split_last()?;
        if m <= k(n) {
            let (older, newer, rest) = roots(m, k(n), whole, rest, old)?;
            Some((older, node_hash(&newer, other), rest))
        } else {
            let (older, newer, rest) = roots(m - k(n), n - k(n), false, rest, old)?;
            Some((node_hash(other, &older), node_hash(other, &newer), rest))
        }
    }
    roots(m, n, true, path, old)
        .is_some_and(|(older, newer, rest)| rest.is_empty() && (older, newer) == (*old, *new))
}

/// How a proof is tampered with.
#[derive(Debug, Clone, Copy)]
enum Forgery {
    None,
    FlippedBit(u8),
    Swapped,
    Shortened,
    Lengthened,
    Repeated,
    OtherSize(bool),
    OlderRoot(u8),
    NewerRoot(u8),
}

impl Arbitrary for Forgery {
    fn arbitrary(g: &mut Gen) -> Self {
        let bit = u8::arbitrary(g);
        let all = [
            Self::None,
            Self::FlippedBit(bit),
            Self::Swapped,
            Self::Shortened,
            Self::Lengthened,
            Self::Repeated,
            Self::OtherSize(bool::arbitrary(g)),
            Self::OlderRoot(bit),
            Self::NewerRoot(bit),
        ];
        g.choose(&all).copied().unwrap_or(Self::None)
    }
}

fn flip(hash: &mut Hash, bit: u8) {
    hash[usize::from(bit / 8)] ^= 1 << (bit % 8);
}

fn forged(path: &mut Vec<Hash>, forgery: Forgery, place: usize) {
    let at = place % path.len().max(1);
    match forgery {
        Forgery::FlippedBit(bit) => path.get_mut(at).into_iter().for_each(|hash| flip(hash, bit)),
        Forgery::Swapped => path.rotate_left(at),
        Forgery::Shortened => drop((!path.is_empty()).then(|| path.remove(at))),
        Forgery::Lengthened => path.insert(at, [7; 32]),
        Forgery::Repeated => path.extend(path.get(at).copied()),
        Forgery::None | Forgery::OtherSize(_) | Forgery::OlderRoot(_) | Forgery::NewerRoot(_) => {}
    }
}

fn number(size: usize) -> u64 {
    size.try_into().unwrap()
}

fn roots(leaves: &[Hash]) -> impl FnMut(std::ops::Range<u64>) -> Result<Hash, Infallible> {
    let leaves = leaves.to_vec();
    move |range| Ok(mth(&leaves[range.start.try_into().unwrap()..range.end.try_into().unwrap()]))
}

quickcheck! {
    fn paths_are_those_of_the_definition(tree: Tree) -> bool {
        let (size, old) = (number(tree.leaves.len()), number(tree.old));
        let consistency = consistency_path(old, size, &mut roots(&tree.leaves)).unwrap();
        let inclusion = inclusion_path(old - 1, size, &mut roots(&tree.leaves)).unwrap();
        consistency == proof(tree.old, &tree.leaves) && inclusion == path(tree.old - 1, &tree.leaves)
    }

    fn a_consistency_proof_is_believed_exactly_when_the_definition_says_so(
        tree: Tree, forgery: Forgery, place: usize
    ) -> bool {
        let (mut size, old) = (tree.leaves.len(), tree.old);
        let (mut old_root, mut root) = (mth(&tree.leaves[..old]), mth(&tree.leaves));
        let mut path = proof(old, &tree.leaves);
        forged(&mut path, forgery, place);
        match forgery {
            Forgery::OtherSize(more) => size = if more { size + 1 } else { size.saturating_sub(1).max(old) },
            Forgery::OlderRoot(bit) => flip(&mut old_root, bit),
            Forgery::NewerRoot(bit) => flip(&mut root, bit),
            Forgery::None
            | Forgery::FlippedBit(_)
            | Forgery::Swapped
            | Forgery::Shortened
            | Forgery::Lengthened
            | Forgery::Repeated => {}
        }
        let believed = verify_consistency(number(old), number(size), &path, &old_root, &root).is_ok();
        believed == leads(old, size, &path, &old_root, &root)
    }

    fn no_other_history_has_a_proof(tree: Tree, other: usize, bit: u8) -> TestResult {
        // One leaf of the older tree is another one: the honest path of the newer tree does not lead there.
        let mut leaves = tree.leaves.clone();
        flip(&mut leaves[other % tree.old], bit);
        let path = proof(tree.old, &tree.leaves);
        let (old_root, root) = (mth(&leaves[..tree.old]), mth(&tree.leaves));
        let (old, size) = (number(tree.old), number(tree.leaves.len()));
        TestResult::from_bool(verify_consistency(old, size, &path, &old_root, &root).is_err())
    }

    fn an_inclusion_proof_that_was_tampered_with_is_not_believed(
        tree: Tree, forgery: Forgery, place: usize
    ) -> TestResult {
        let (size, index) = (number(tree.leaves.len()), tree.old - 1);
        let honest = path(index, &tree.leaves);
        let mut path = honest.clone();
        forged(&mut path, forgery, place);
        let leaf = tree.leaves[index];
        let believed = verify_inclusion(&leaf, number(index), size, &path, &mth(&tree.leaves)).is_ok();
        TestResult::from_bool(believed == (path == honest))
    }
}
