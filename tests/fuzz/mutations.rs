//! Small changes of good bytes, as chance and ill will make them: flipped bits, other numbers, cuts, pieces of another
//! example. What fails is made smaller by leaving changes out.

use quickcheck::{Arbitrary, Gen};

/// Longest input, in bytes.
pub const BYTES_MAX: usize = 64 * 1024;

/// Numbers at which things overflow.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 53, u64::MAX >> 1, u64::MAX];

/// One change. Places are taken modulo the length of what is there.
#[derive(Debug, Clone)]
pub enum Edit {
    Flip {
        bit: usize,
    },
    Byte {
        at: usize,
        byte: u8,
    },
    /// The little-endian bytes of an edge, so many of them.
    Number {
        at: usize,
        edge: usize,
        width: usize,
    },
    Remove {
        at: usize,
        count: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    /// A piece of this input once more, elsewhere.
    Repeat {
        from: usize,
        count: usize,
        at: usize,
    },
    /// A piece of another example.
    Splice {
        example: usize,
        from: usize,
        count: usize,
        at: usize,
    },
}

impl Arbitrary for Edit {
    fn arbitrary(g: &mut Gen) -> Self {
        let (at, from) = (usize::arbitrary(g), usize::arbitrary(g));
        // What the rest follows from stands at the beginning.
        let at = if bool::arbitrary(g) { at % 256 } else { at };
        // Mostly short pieces, now and then long ones.
        let count = if bool::arbitrary(g) { usize::arbitrary(g) % 64 } else { usize::arbitrary(g) % 8_192 };
        match u8::arbitrary(g) % 8 {
            0 => Self::Flip { bit: at },
            1 => Self::Byte { at, byte: u8::arbitrary(g) },
            2 | 3 => Self::Number { at, edge: from, width: 1 << (count % 4) },
            4 => Self::Remove { at, count },
            5 => Self::Insert { at, bytes: Vec::arbitrary(g) },
            6 => Self::Repeat { from, count, at },
            _ => Self::Splice { example: usize::arbitrary(g), from, count, at },
        }
    }
}

impl Edit {
    /// Applies the change.
    pub fn apply(&self, bytes: &mut Vec<u8>, examples: &[Vec<u8>]) {
        let len = bytes.len();
        let place = |at: usize| at % (len + 1);
        match self {
            Self::Flip { bit } if len > 0 => bytes[bit / 8 % len] ^= 1 << (bit % 8),
            Self::Byte { at, byte } if len > 0 => bytes[at % len] = *byte,
            Self::Flip { .. } | Self::Byte { .. } => {}
            Self::Number { at, edge, width } => {
                let number = EDGES[edge % EDGES.len()].to_le_bytes();
                // Fields lie at multiples of their width more often than not.
                let begin = place(*at) / width * width;
                let there = bytes.iter_mut().skip(begin);
                there.zip(&number[..*width]).for_each(|(byte, part)| *byte = *part);
            }
            Self::Remove { at, count } => {
                let begin = place(*at);
                bytes.drain(begin..len.min(begin + count));
            }
            Self::Insert { at, bytes: piece } => insert(bytes, place(*at), piece),
            Self::Repeat { from, count, at } => {
                let piece = piece_of(bytes, *from, *count);
                insert(bytes, place(*at), &piece);
            }
            Self::Splice { example, from, count, at } => {
                let other = examples.get(example % examples.len().max(1)).map_or(&[][..], Vec::as_slice);
                let piece = piece_of(other, *from, *count);
                // In place of what is there, so that what lies behind keeps its place.
                bytes.iter_mut().skip(place(*at)).zip(&piece).for_each(|(byte, part)| *byte = *part);
            }
        }
        bytes.truncate(BYTES_MAX);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

fn piece_of(bytes: &[u8], from: usize, count: usize) -> Vec<u8> {
    let begin = from % (bytes.len() + 1);
    bytes[begin..bytes.len().min(begin + count)].to_vec()
}

/// An example, and what is changed in it.
#[derive(Debug, Clone)]
pub struct Mutation {
    pub example: usize,
    pub edits: Vec<Edit>,
}

impl Mutation {
    pub fn random(g: &mut Gen) -> Self {
        let count = 1 + usize::arbitrary(g) % 6;
        Self { example: usize::arbitrary(g), edits: (0..count).map(|_| Edit::arbitrary(g)).collect() }
    }

    /// The changed example.
    pub fn bytes(&self, examples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = examples.get(self.example % examples.len().max(1)).cloned().unwrap_or_default();
        self.edits.iter().for_each(|edit| edit.apply(&mut bytes, examples));
        bytes
    }

    /// The same without one of its changes.
    pub fn smaller(&self) -> impl Iterator<Item = Self> {
        (0..self.edits.len()).map(|left_out| {
            let mut smaller = self.clone();
            smaller.edits.remove(left_out);
            smaller
        })
    }
}
