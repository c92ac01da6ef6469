//! Checkpoints: the size and root of the tree, signed (C2SP `tlog-checkpoint`), and the file that keeps them.
//!
//! The file is text, one note per 512 bytes, padded with newlines: a block is a sector, so that an append to the
//! file is there whole or not at all.

use crate::format::{SECTOR_BYTES, to_u64, to_usize};
use crate::frame::sectors::is_blank;
use crate::note::{self, NoteError, NoteSigner, NoteVerifier};
use crate::tree::{Frontier, Hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose tree it is; also the name of the signing key.
    pub origin: String,
    /// Number of commits.
    pub size: u64,
    /// Hash of the tree over them.
    pub root: Hash,
}

/// The origin of a log's checkpoints, and the name of its key.
#[must_use]
pub fn origin_of(log: Uuid) -> String {
    format!("stele.log/{log}")
}

/// The log that an origin names; `None` when it is not one of ours.
#[must_use]
pub fn log_of(origin: &str) -> Option<Uuid> {
    let log = Uuid::parse_str(origin.strip_prefix("stele.log/")?).ok()?;
    (origin_of(log) == origin).then_some(log)
}

impl Checkpoint {
    /// Signs the state of a tree.
    #[must_use]
    pub fn sign(tree: &Frontier, signer: &NoteSigner) -> String {
        let (origin, size, root) = (signer.name().to_owned(), tree.size(), tree.root());
        Self { origin, size, root }.note(signer)
    }

    /// Reads a signed note, which must be signed by `verifier` for its own origin.
    pub fn open(text: &str, verifier: &NoteVerifier) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(note::open(text, verifier)?)?;
        if checkpoint.origin == verifier.name() {
            Ok(checkpoint)
        } else {
            Err(NoteError::Malformed("the checkpoint is of another origin than its key"))
        }
    }

    /// Reads a note whoever signed it: what it says is nobody's word.
    pub fn unverified(text: &str) -> Result<Self, NoteError> {
        Self::parse(note::unsigned(text)?)
    }

    /// The note that says this. One key makes one note of it.
    ///
    /// # Panics
    ///
    /// When the signer is another's than the origin.
    #[must_use]
    pub fn note(&self, signer: &NoteSigner) -> String {
        assert!(self.origin == signer.name(), "{} can't sign for {}", signer.name(), self.origin);
        let text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        note::sign(&text, signer)
    }

    /// Reads the text of a note. Lines after the third are extensions, which we don't use.
    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Malformed("a checkpoint has three lines"));
        };
        let decimal = NoteError::Malformed("the checkpoint's size is not a decimal number");
        let size_number: u64 = size.parse().map_err(|_| decimal.clone())?;
        if size_number.to_string() != size {
            return Err(decimal);
        }
        let root = STANDARD.decode(root).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let root = root.ok_or(NoteError::Malformed("the checkpoint's root is not a hash"))?;
        Ok(Self { origin: origin.to_owned(), size: size_number, root })
    }
}

/// A note as a block of the file.
///
/// # Panics
///
/// When the note is longer than a block, which no checkpoint of ours is.
#[must_use]
pub fn to_block(note: &str) -> Vec<u8> {
    let mut block = note.as_bytes().to_vec();
    assert!(block.len() <= SECTOR_BYTES, "a checkpoint of {} bytes doesn't fit in a sector", block.len());
    block.resize(SECTOR_BYTES, b'\n');
    block
}

/// The note of a block of the file, unverified: whatever it says is nobody's word.
///
/// # Errors
///
/// [`NoteError::Malformed`] when the block is not text, or doesn't end with newlines.
pub fn note_in(block: &[u8]) -> Result<String, NoteError> {
    let text = std::str::from_utf8(block).map_err(|_| NoteError::Malformed("it is not text"))?;
    // What stands before the newlines is the note with all that it says: a checkpoint is shorter than its block.
    match text.trim_end_matches('\n') {
        note if note.len() < text.len() => Ok(format!("{note}\n")),
        _ => Err(NoteError::Malformed("it doesn't end with newlines")),
    }
}

/// What a checkpoints file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The checkpoints in order, each with its offset in the file.
    pub checkpoints: Vec<(u64, Checkpoint)>,
    /// Where the next one belongs, in bytes.
    pub end: u64,
}

/// Damage in a checkpoints file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Offset of the block in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Reads a checkpoints file. A last block that is cut short or blank is a write that did not finish; one that
/// begins well and ends with zeros is damage, because nothing is written over what another write left.
pub fn read_blocks(file: &[u8], verifier: &NoteVerifier) -> Result<Stored, Fault> {
    blocks(file, |block| signed_in(block, verifier))
}

/// The newest checkpoint of a checkpoints file that is over no more than so many commits, with its note; `None` where there is
/// none.
///
/// # Errors
///
/// As of [`read_blocks`].
pub fn newest_over(
    file: &[u8],
    verifier: &NoteVerifier,
    commits: u64,
) -> Result<Option<(Checkpoint, String)>, Fault> {
    let stored = read_blocks(file, verifier)?;
    let newest = stored.checkpoints.into_iter().rev().find(|(_, checkpoint)| checkpoint.size <= commits);
    let Some((offset, checkpoint)) = newest else { return Ok(None) };
    let block = file.get(to_usize(offset)..).and_then(|rest| rest.get(..SECTOR_BYTES)).unwrap_or_default();
    let note = note_in(block).map_err(|error| Fault { offset, what: error.to_string() })?;
    Ok(Some((checkpoint, note)))
}

/// As [`read_blocks`], for whoever reads the file of one log again and again.
pub fn read_blocks_once(file: &[u8], verifier: &NoteVerifier, signed: &Signed) -> Result<Stored, Fault> {
    blocks(file, |block| signed.open(block, verifier))
}

/// The blocks of one log that were found to be signed, and what they say: a signature is looked at once.
#[derive(Default)]
pub struct Signed(Mutex<BTreeMap<Vec<u8>, Checkpoint>>);

impl Signed {
    fn open(&self, block: &[u8], verifier: &NoteVerifier) -> Result<Checkpoint, NoteError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(checkpoint) = known.get(block) {
            return Ok(checkpoint.clone());
        }
        let checkpoint = signed_in(block, verifier)?;
        known.insert(block.to_vec(), checkpoint.clone());
        Ok(checkpoint)
    }
}

fn signed_in(block: &[u8], verifier: &NoteVerifier) -> Result<Checkpoint, NoteError> {
    note_in(block).and_then(|note| Checkpoint::open(&note, verifier))
}

fn blocks(file: &[u8], open: impl Fn(&[u8]) -> Result<Checkpoint, NoteError>) -> Result<Stored, Fault> {
    let mut stored = Stored { checkpoints: vec![], end: 0 };
    let blocks = file.chunks(SECTOR_BYTES).count();
    let mut before = 0;
    for (nth, block) in file.chunks(SECTOR_BYTES).enumerate() {
        let offset = to_u64(nth * SECTOR_BYTES);
        if nth + 1 == blocks && (block.len() < SECTOR_BYTES || is_blank(block)) {
            break;
        }
        let fault = |what: String| Fault { offset, what };
        let checkpoint = open(block).map_err(|error| fault(error.to_string()))?;
        if checkpoint.size < before {
            return Err(fault(format!("the checkpoint has size {}, after one of {before}", checkpoint.size)));
        }
        before = checkpoint.size;
        stored.checkpoints.push((offset, checkpoint));
        stored.end = offset + to_u64(SECTOR_BYTES);
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::{
        Checkpoint, Signed, log_of, newest_over, origin_of, read_blocks, read_blocks_once, to_block,
    };
    use crate::note::NoteSigner;
    use crate::tree::{Frontier, leaf_hash};
    use uuid::Uuid;

    fn signer() -> NoteSigner {
        NoteSigner::from_seed(&origin_of(Uuid::from_u128(9)), &[3; 32])
    }

    fn tree(leaves: u8) -> Frontier {
        let mut tree = Frontier::default();
        (0..leaves).for_each(|leaf| tree.push(leaf_hash(&[&[leaf]])));
        tree
    }

    #[test]
    fn a_block_whose_signature_was_right_once_is_known_and_any_other_is_looked_at() {
        let (signed, right) = (Signed::default(), signer());
        let notes = [1, 2, 3].map(|leaves| to_block(&Checkpoint::sign(&tree(leaves), &right)));
        let read = |file: &[u8], key: &NoteSigner| read_blocks_once(file, key.verifier(), &signed);
        let first = read(&notes[..2].concat(), &right).unwrap();
        assert_eq!(Ok(first), read_blocks(&notes[..2].concat(), right.verifier()));
        // To a key that signed none of them what is known is known, and what is new is a lie.
        let stranger = NoteSigner::from_seed(&origin_of(Uuid::from_u128(9)), &[4; 32]);
        assert_eq!(read(&notes[..2].concat(), &stranger).unwrap().checkpoints.len(), 2);
        assert_eq!(read(&notes.concat(), &stranger).unwrap_err().offset, 1_024);
        let mut changed = notes.concat();
        changed[60] ^= 1;
        assert_eq!(read(&changed, &right).unwrap_err().offset, 0);
        assert_eq!(read(&notes.concat(), &right).unwrap().checkpoints.len(), 3);
    }

    #[test]
    fn the_newest_checkpoint_over_no_more_than_is_there_is_found_with_its_note() {
        let notes = [1, 3, 3, 7].map(|leaves| Checkpoint::sign(&tree(leaves), &signer()));
        let file = notes.iter().flat_map(|note| to_block(note)).collect::<Vec<_>>();
        for (commits, newest) in
            [(0, None), (1, Some(0)), (2, Some(0)), (3, Some(2)), (6, Some(2)), (9, Some(3))]
        {
            let found = newest_over(&file, signer().verifier(), commits).unwrap();
            let note = found.map(|(checkpoint, note)| {
                assert_eq!(Ok(checkpoint), Checkpoint::open(&note, signer().verifier()));
                note
            });
            assert_eq!(note.as_ref(), newest.map(|nth: usize| &notes[nth]), "{commits} commits");
        }
    }

    #[test]
    fn a_checkpoint_says_size_and_root_and_belongs_to_its_log() {
        let note = Checkpoint::sign(&tree(5), &signer());
        let checkpoint = Checkpoint::open(&note, signer().verifier()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (5, tree(5).root()));
        assert_eq!(log_of(&checkpoint.origin), Some(Uuid::from_u128(9)));
        assert_eq!(log_of("stele.log/nonsense"), None);
        let other = NoteSigner::from_seed("other", &[4; 32]);
        assert!(Checkpoint::open(&note, other.verifier()).is_err());
    }

    #[test]
    fn the_largest_checkpoint_fits_in_a_sector() {
        let huge = Frontier::from_parts(u64::MAX, vec![[0xff; 32]; 64]).unwrap();
        assert_eq!(to_block(&Checkpoint::sign(&huge, &signer())).len(), 512);
    }

    #[test]
    fn every_flipped_bit_of_the_file_is_named_with_its_block() {
        let mut file = to_block(&Checkpoint::sign(&tree(1), &signer()));
        file.extend(to_block(&Checkpoint::sign(&tree(2), &signer())));
        assert_eq!(read_blocks(&file, signer().verifier()).unwrap().checkpoints.len(), 2);
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let fault = read_blocks(&flipped, signer().verifier()).unwrap_err();
            assert_eq!(
                fault.offset,
                u64::try_from(bit / 8 / 512 * 512).unwrap(),
                "bit {bit}: {}",
                fault.what
            );
        }
    }

    #[test]
    fn a_block_that_was_not_finished_is_left_out() {
        let whole = to_block(&Checkpoint::sign(&tree(1), &signer()));
        for tail in [vec![], vec![0; 512], whole[..100].to_vec()] {
            let file = [whole.clone(), tail].concat();
            let stored = read_blocks(&file, signer().verifier()).unwrap();
            assert_eq!((stored.checkpoints.len(), stored.end), (1, 512));
        }
    }

    #[test]
    fn a_block_that_lost_a_part_of_itself_is_refused() {
        let whole = to_block(&Checkpoint::sign(&tree(1), &signer()));
        for kept in 1..whole.len() {
            let mut end_lost = [whole.clone(), whole.clone()].concat();
            end_lost[512 + kept..].fill(0);
            let mut beginning_lost = [whole.clone(), whole.clone()].concat();
            beginning_lost[512..512 + kept].fill(0);
            for file in [end_lost, beginning_lost] {
                let fault = read_blocks(&file, signer().verifier()).unwrap_err();
                assert_eq!(fault.offset, 512, "{kept} bytes: {}", fault.what);
            }
        }
        let blank_before_the_last = [vec![0; 512], whole].concat();
        assert_eq!(read_blocks(&blank_before_the_last, signer().verifier()).unwrap_err().offset, 0);
    }
}
