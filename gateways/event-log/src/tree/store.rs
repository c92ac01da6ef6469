//! Roots of perfect subtrees of 256 leaves, kept in memory so that a proof re-reads 256 commits at most twice
//! and not the whole log. 32 bytes per 256 commits: 1.25 MB for ten million.

use super::{Frontier, Hash, Lanes, node_hash};
use crate::format::{to_u64, to_usize};
use crate::index::TreePart;
use std::ops::Range;

/// Leaves under one stored root.
pub const SUBTREE_LEAVES: u64 = 256;

/// The stored roots, and the edge of the tree that is still growing.
#[derive(Debug, Clone, Default)]
pub struct SubtreeStore {
    /// How many subtrees come before those whose roots are here.
    before: u64,
    roots: Vec<Hash>,
    /// The edge of the tree that has the stored roots for leaves.
    stored: Frontier,
    /// The leaves after the last stored root.
    open: Frontier,
}

impl SubtreeStore {
    /// The store of a tree that goes on from `frontier`, without the roots before it.
    #[must_use]
    pub fn resume(frontier: &Frontier) -> Self {
        let (before, rest) = (frontier.size() / SUBTREE_LEAVES, frontier.size() % SUBTREE_LEAVES);
        let peaks =
            frontier.peaks().split_at_checked(to_usize(before.count_ones().into())).unwrap_or_default();
        Self {
            before,
            roots: vec![],
            stored: Frontier::from_parts(before, peaks.0.to_vec()).unwrap_or_default(),
            open: Frontier::from_parts(rest, peaks.1.to_vec()).unwrap_or_default(),
        }
    }

    /// The roots that are here, and the edge of the whole tree.
    #[must_use]
    pub fn part(&self) -> TreePart {
        TreePart { roots: self.roots.clone(), frontier: self.frontier() }
    }

    /// The roots of the subtrees that end after `from` commits and not after the last one, and the edge of the tree.
    #[must_use]
    pub fn part_from(&self, from: u64) -> TreePart {
        let skipped = to_usize((from / SUBTREE_LEAVES).saturating_sub(self.before));
        TreePart { roots: self.roots.get(skipped..).unwrap_or_default().to_vec(), frontier: self.frontier() }
    }

    /// The tree when all of `part` has been added.
    #[must_use]
    pub fn gone_on(self, part: TreePart) -> Self {
        let edge = Self::resume(&part.frontier);
        Self { before: self.before, roots: part.roots, stored: edge.stored, open: edge.open }
    }

    /// Goes on with what was added to a store that resumed from this one's edge.
    ///
    /// # Panics
    ///
    /// When it resumed from another edge.
    pub fn join(&mut self, later: Self) {
        let roots = self.before + to_u64(self.roots.len());
        assert_eq!(later.before, roots, "a tree goes on after another number of subtrees");
        self.roots.extend(later.roots);
        (self.stored, self.open) = (later.stored, later.open);
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.open.push(leaf);
        if self.open.size() == SUBTREE_LEAVES {
            let root = self.open.root();
            self.keep(root);
            self.open = Frontier::default();
        }
    }

    /// Adds the [`SUBTREE_LEAVES`] leaves of a whole subtree: one begins here.
    ///
    /// # Panics
    ///
    /// When none begins here, or it is not whole.
    pub fn push_subtree(&mut self, leaves: &[Hash]) {
        let (open, count) = (self.open.size(), to_u64(leaves.len()));
        assert!(open == 0 && count == SUBTREE_LEAVES, "{count} leaves are no subtree after {open} others");
        let (mut level, mut above) = (leaves.to_vec(), vec![]);
        while level.len() > 1 {
            Lanes::here().hash_nodes(&level, &mut above);
            (level, above) = (above, level);
            above.clear();
        }
        for root in level {
            self.keep(root);
        }
    }

    fn keep(&mut self, root: Hash) {
        self.roots.push(root);
        self.stored.push(root);
    }

    /// Whether the next leaf is the first of a subtree.
    #[must_use]
    pub fn begins_subtree(&self) -> bool {
        self.open.size() == 0
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stored.size() * SUBTREE_LEAVES + self.open.size()
    }

    /// The edge of the whole tree: larger subtrees lie left of smaller ones.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        let peaks = [self.stored.peaks(), self.open.peaks()].concat();
        Frontier::from_parts(self.size(), peaks).unwrap_or_default()
    }

    /// The hash of the leaves in `range`, when it is one of the stored roots.
    #[must_use]
    pub fn stored_root(&self, range: &Range<u64>) -> Option<Hash> {
        let aligned = range.start.is_multiple_of(SUBTREE_LEAVES) && range.end - range.start == SUBTREE_LEAVES;
        let nth = (range.start / SUBTREE_LEAVES).checked_sub(self.before)?;
        self.roots.get(to_usize(nth)).filter(|_| aligned).copied()
    }

    /// How many roots are stored.
    #[must_use]
    pub fn stored(&self) -> u64 {
        to_u64(self.roots.len())
    }
}

/// The hash of the leaves in `range`, which must not be empty: from `stored` roots where there are any, and from
/// the hashes of at most [`SUBTREE_LEAVES`] `leaves` at a time elsewhere.
pub fn root_of<E>(
    range: Range<u64>,
    stored: &mut impl FnMut(&Range<u64>) -> Option<Hash>,
    leaves: &mut impl FnMut(Range<u64>) -> Result<Vec<Hash>, E>,
) -> Result<Hash, E> {
    if let Some(root) = stored(&range) {
        return Ok(root);
    }
    let width = range.end - range.start;
    if width <= SUBTREE_LEAVES {
        let mut part = Frontier::default();
        leaves(range)?.into_iter().for_each(|leaf| part.push(leaf));
        return Ok(part.root());
    }
    let middle = range.start + split(width);
    let left = root_of(range.start..middle, stored, leaves)?;
    let right = root_of(middle..range.end, stored, leaves)?;
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `width`, which must be at least two.
pub(super) fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
