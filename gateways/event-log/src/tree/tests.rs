//! The published vectors, and laws over trees of every small shape.

use super::{
    Block, Frontier, Hash, Lanes, ProofError, SUBTREE_LEAVES, SubtreeStore, consistency_path, empty_root,
    inclusion_path, leaf_hash, node_hash, put_leaf_blocks, root_of, verify_consistency, verify_inclusion,
};
use quickcheck::quickcheck;
use std::convert::Infallible;
use std::ops::Range;

/// The leaves of the test vectors that Certificate Transparency implementations share.
const LEAVES: [&[u8]; 8] = [
    b"",
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
];

/// The root after each of them.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// RFC 9162 §2.1.1, word for word: the slow definition that the rest is held against.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        more => {
            let mut middle = 1;
            while middle * 2 < more.len() {
                middle *= 2;
            }
            node_hash(&root_by_definition(&more[..middle]), &root_by_definition(&more[middle..]))
        }
    }
}

fn numbered(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&[&index.to_le_bytes()])).collect()
}

fn slice(leaves: &[Hash], range: Range<u64>) -> &[Hash] {
    &leaves[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

#[test]
fn the_roots_are_those_of_the_published_vectors() {
    let mut tree = Frontier::default();
    assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (leaf, root) in LEAVES.iter().zip(ROOTS) {
        tree.push(leaf_hash(&[leaf]));
        assert_eq!(hex(&tree.root()), root, "after {} leaves", tree.size());
    }
}

#[test]
fn the_edge_of_any_tree_has_the_root_of_the_definition() {
    let leaves = numbered(70);
    let mut tree = Frontier::default();
    for count in 0..leaves.len() {
        assert_eq!(tree.root(), root_by_definition(&leaves[..count]), "{count} leaves");
        let again = Frontier::from_parts(tree.size(), tree.peaks().to_vec());
        assert_eq!(again.as_ref(), Some(&tree));
        tree.push(leaves[count]);
    }
    assert_eq!(Frontier::from_parts(3, vec![[0; 32]]), None);
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
    let leaves = numbered(33);
    for size in 1..=33_u64 {
        let root = root_by_definition(slice(&leaves, 0..size));
        let mut root_of = |range| Ok::<_, Infallible>(root_by_definition(slice(&leaves, range)));
        for index in 0..size {
            let path = inclusion_path(index, size, &mut root_of).unwrap();
            let leaf = leaves[usize::try_from(index).unwrap()];
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()), "{index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(&leaf, other, size, &path, &root).is_err(), "{other} of {size}");
            }
            let mut long = path.clone();
            long.push(root);
            assert!(verify_inclusion(&leaf, index, size, &long, &root).is_err());
            if let Some((_, short)) = path.split_last() {
                assert!(verify_inclusion(&leaf, index, size, short, &root).is_err());
            }
        }
        let outside = ProofError::OutOfRange { asked: size, size };
        assert_eq!(verify_inclusion(&leaves[0], size, size, &[], &root), Err(outside));
    }
}

#[test]
fn every_small_tree_is_proved_to_begin_with_every_smaller_one() {
    let leaves = numbered(33);
    for size in 0..=33_u64 {
        let root = root_by_definition(slice(&leaves, 0..size));
        let mut root_of = |range| Ok::<_, Infallible>(root_by_definition(slice(&leaves, range)));
        for old in 0..=size {
            let old_root = root_by_definition(slice(&leaves, 0..old));
            let path = consistency_path(old, size, &mut root_of).unwrap();
            assert_eq!(verify_consistency(old, size, &path, &old_root, &root), Ok(()), "{old} of {size}");
            let other = leaf_hash(&[b"another history"]);
            assert!(verify_consistency(old, size, &path, &other, &root).is_err(), "{old} of {size}");
            if old > 0 && old < size {
                assert!(verify_consistency(old, size, &path, &old_root, &other).is_err(), "{old} of {size}");
                assert!(verify_consistency(old, size, &[], &old_root, &root).is_err(), "{old} of {size}");
            }
        }
    }
}

#[test]
fn a_changed_hash_in_a_path_is_noticed() {
    fn law(count: u8, index: u8, place: usize, bit: u8) -> bool {
        let size = u64::from(count) + 2;
        let index = u64::from(index) % size;
        let leaves = numbered(size);
        let root = root_by_definition(&leaves);
        let mut root_of = |range| Ok::<_, Infallible>(root_by_definition(slice(&leaves, range)));
        let mut path = inclusion_path(index, size, &mut root_of).unwrap();
        let place = place % path.len();
        path[place][usize::from(bit / 8)] ^= 1 << (bit % 8);
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(&leaf, index, size, &path, &root) == Err(ProofError::Root)
    }
    quickcheck::quickcheck(law as fn(u8, u8, usize, u8) -> bool);
}

#[test]
fn stored_subtrees_give_the_same_hashes_as_all_leaves() {
    let leaves = numbered(1_500);
    let mut store = SubtreeStore::default();
    for leaf in &leaves {
        store.push(*leaf);
    }
    assert_eq!(store.stored(), 5);
    assert_eq!(store.frontier().root(), root_by_definition(&leaves));
    let mut asked = 0;
    let mut some = |range: Range<u64>| {
        asked += range.end - range.start;
        Ok::<_, Infallible>(slice(&leaves, range).to_vec())
    };
    for (index, size) in [(0, 1_500), (1_499, 1_500), (700, 1_025), (255, 257)] {
        let root = root_by_definition(slice(&leaves, 0..size));
        let path = {
            let mut stored = |range: &Range<u64>| store.stored_root(range);
            inclusion_path(index, size, &mut |range| root_of(range, &mut stored, &mut some)).unwrap()
        };
        let leaf = leaves[usize::try_from(index).unwrap()];
        assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()), "{index} of {size}");
    }
    assert!(asked < 4 * 512, "{asked} leaves were read again");
}

/// The hashes of leaves of such lengths, each with other bytes: hashed at once, and each by itself.
fn hashed_at_once(lens: &[usize]) -> (Vec<Hash>, Vec<Hash>) {
    let byte = |nth: usize, at: usize| u8::try_from((nth * 31 + at * 7 + at / 251) % 256).unwrap();
    let message = |(nth, len): (usize, &usize)| (0..*len).map(|at| byte(nth, at)).collect();
    let messages: Vec<Vec<u8>> = lens.iter().enumerate().map(message).collect();
    let in_blocks = |message: &Vec<u8>| {
        let mut blocks = vec![];
        put_leaf_blocks(&mut blocks, &[message]);
        blocks
    };
    let blocks: Vec<Vec<u8>> = messages.iter().map(in_blocks).collect();
    let blocks: Vec<&[Block]> = blocks.iter().map(|blocks| blocks.as_chunks().0).collect();
    let mut hashes = vec![[9; 32]];
    Lanes::here().hash(&blocks, &mut hashes);
    let each = messages.iter().map(|message| leaf_hash(&[message]));
    (hashes, std::iter::once([9; 32]).chain(each).collect())
}

#[test]
fn messages_that_are_hashed_at_once_have_the_hashes_that_each_has_by_itself() {
    fn law(lens: Vec<u16>) -> bool {
        let lens: Vec<usize> = lens.into_iter().map(|len| usize::from(len % 1_500)).collect();
        let (at_once, each) = hashed_at_once(&lens);
        at_once == each
    }
    quickcheck(law as fn(Vec<u16>) -> bool);
    // As many as there are lanes and not quite, of one length; one that is far longer, or shorter, than all others.
    for count in 0..=50 {
        for lens in [vec![317; count], [vec![70; count], vec![9_000], vec![1; count]].concat()] {
            let (at_once, each) = hashed_at_once(&lens);
            assert_eq!(at_once, each, "{lens:?}");
        }
    }
}

#[test]
fn nodes_that_are_hashed_at_once_are_those_that_each_two_children_have() {
    for pairs in 0..=70_u8 {
        let children: Vec<Hash> = (0..2 * pairs).map(|child| leaf_hash(&[&[child]])).collect();
        let mut nodes = vec![];
        Lanes::here().hash_nodes(&children, &mut nodes);
        let each: Vec<Hash> =
            children.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        assert_eq!(nodes, each, "{pairs} pairs");
    }
}

#[test]
fn a_subtree_that_is_added_as_a_whole_is_the_one_of_its_leaves() {
    let leaves: Vec<Hash> = (0..3 * SUBTREE_LEAVES).map(|leaf| leaf_hash(&[&leaf.to_be_bytes()])).collect();
    let (mut whole, mut single) = (SubtreeStore::default(), SubtreeStore::default());
    for subtree in leaves.chunks(256) {
        assert!(whole.begins_subtree() && single.begins_subtree());
        whole.push_subtree(subtree);
        for leaf in subtree {
            single.push(*leaf);
        }
        assert_eq!((whole.size(), whole.part()), (single.size(), single.part()));
    }
    whole.push(leaves[0]);
    assert!(!whole.begins_subtree(), "one has begun");
}
