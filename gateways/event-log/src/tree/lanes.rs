//! SHA-256 of many messages at once: where the processor has registers for sixteen of them side by side, they are hashed
//! in half the time that one after the other takes. Everywhere else, and for what is too few or too unlike in length,
//! [`sha2`] hashes them; the hashes are the same.

#[cfg(not(target_arch = "x86_64"))]
mod narrow;
#[cfg(target_arch = "x86_64")]
mod wide;

use super::{Block, Hash, SHA_BEGIN, SHA_BLOCK_BYTES, hash_of, hash_of_blocks, node_blocks};
#[cfg(not(target_arch = "x86_64"))]
use narrow::Wide;
use sha2::block_api::compress256;
use std::sync::OnceLock;
#[cfg(target_arch = "x86_64")]
use wide::Wide;

/// Messages that are hashed side by side.
const LANES: usize = 16;

/// Messages from which on that is worth it: sixteen take about as long as eight one after the other.
pub(crate) const LANES_MIN: usize = 9;

/// Where many messages are hashed.
#[derive(Clone, Copy)]
pub struct Lanes(Option<Wide>);

impl Lanes {
    /// Those of this processor.
    pub fn here() -> Self {
        static HERE: OnceLock<Lanes> = OnceLock::new();
        *HERE.get_or_init(|| Self(Wide::find()))
    }

    /// Whether there are any.
    pub fn are_there(self) -> bool {
        self.0.is_some()
    }

    /// Whether so many messages are hashed side by side here, and not one after the other.
    pub fn hold(self, messages: usize) -> bool {
        self.0.is_some() && messages >= LANES_MIN
    }

    /// Appends the hash of each message, in their order. They are padded already, as [`hash_of_blocks`] wants them.
    pub fn hash(self, messages: &[&[Block]], hashes: &mut Vec<Hash>) {
        let Some(wide) = self.0.filter(|_| messages.len() >= LANES_MIN) else {
            hashes.extend(messages.iter().map(|message| hash_of_blocks(message)));
            return;
        };
        let begin = hashes.len();
        hashes.resize(begin + messages.len(), Hash::default());
        let hashes = &mut hashes[begin..];
        // Messages of like lengths side by side: a lane whose message has ended does nothing.
        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.sort_by_key(|nth| messages[*nth].len());
        for group in order.chunks(LANES) {
            hash_group(wide, group, messages, hashes);
        }
    }

    /// Appends the hash of the node over each two of `children`.
    ///
    /// # Panics
    ///
    /// When one of them is left over.
    pub fn hash_nodes(self, children: &[Hash], nodes: &mut Vec<Hash>) {
        assert!(children.len().is_multiple_of(2), "one of {} children has no other", children.len());
        let mut blocks = [[[0; SHA_BLOCK_BYTES]; 2]; LANES];
        for children in children.chunks(2 * LANES) {
            let pairs = children.as_chunks::<2>().0;
            for (blocks, [left, right]) in blocks.iter_mut().zip(pairs) {
                *blocks = node_blocks(left, right);
            }
            let messages: [&[Block]; LANES] = std::array::from_fn(|nth| blocks[nth].as_slice());
            self.hash(&messages[..pairs.len()], nodes);
        }
    }
}

/// Hashes no more messages than there are lanes, which `group` names, shortest first.
fn hash_group(wide: Wide, group: &[usize], messages: &[&[Block]], hashes: &mut [Hash]) {
    let lane = |nth: usize| group.get(nth).map_or(&[][..], |message| messages[*message]);
    let len = |nth: usize| lane(nth).len();
    let mut states = Wide::begin(SHA_BEGIN);
    let (mut done, mut ended) = (0, 0);
    // As long as enough messages go on, each lane takes a block; one whose message has ended takes zeros, which nobody reads.
    while group.len() - ended >= LANES_MIN {
        let until = len(ended);
        wide.take(
            &mut states,
            (done..until).map(|nth| {
                let mut blocks = [&[0; SHA_BLOCK_BYTES]; LANES];
                for (block, message) in blocks.iter_mut().zip(group) {
                    if let Some(there) = messages[*message].get(nth) {
                        *block = there;
                    }
                }
                blocks
            }),
        );
        done = until;
        let now = states.each();
        while ended < group.len() && len(ended) == done {
            hashes[group[ended]] = hash_of(now[ended]);
            ended += 1;
        }
    }
    let now = states.each();
    for nth in ended..group.len() {
        let mut state = now[nth];
        compress256(&mut state, &lane(nth)[done..]);
        hashes[group[nth]] = hash_of(state);
    }
}
