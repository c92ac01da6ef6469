//! The compression of SHA-256 (FIPS 180-4, 6.2.2) for a block of each of sixteen messages, with AVX-512: a register
//! holds one and the same word of all of them. It neither pads messages nor looks after their lengths.

#![expect(
    clippy::inline_always,
    reason = "an instruction is one only where it stands among others that the processor may have: a call would be none"
)]

use super::{Block, LANES};
use pulp::x86::V4;
use std::arch::x86_64::__m512i;

/// The constants of the rounds: the first 32 bits of what the cube roots of the first 64 primes have behind the point
/// (FIPS 180-4, 4.2.2).
const ROUNDS: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// A processor that has the instructions.
#[derive(Clone, Copy)]
pub struct Wide(V4);

/// Sixteen states, each of which its message's next block goes into.
pub struct States([__m512i; 8]);

impl Wide {
    /// This processor, if it has them.
    pub fn find() -> Option<Self> {
        V4::try_new().map(Self)
    }

    /// The same state in every lane.
    pub fn begin(state: [u32; 8]) -> States {
        States(state.map(|word| pulp::cast([word; LANES])))
    }

    /// Takes one more block of each message, as often as `blocks` has some.
    pub fn take<'a>(self, states: &mut States, blocks: impl Iterator<Item = [&'a Block; LANES]>) {
        self.0.vectorize(
            #[inline(always)]
            || {
                for blocks in blocks {
                    self.compress(&mut states.0, &blocks);
                }
            },
        );
    }

    #[inline(always)]
    fn compress(self, states: &mut [__m512i; 8], blocks: &[&Block; LANES]) {
        let mut words = self.words(blocks);
        let mut now = *states;
        let [first, rest @ ..] = &ROUNDS;
        self.rounds::<false>(&mut now, &mut words, first);
        for constants in rest {
            self.rounds::<true>(&mut now, &mut words, constants);
        }
        for (state, now) in states.iter_mut().zip(now) {
            *state = self.add(*state, now);
        }
    }

    /// Sixteen rounds, each with a word of its own: a loop would keep its variables in memory.
    #[inline(always)]
    fn rounds<const LATER: bool>(
        self,
        now: &mut [__m512i; 8],
        words: &mut [__m512i; 16],
        constants: &[u32; 16],
    ) {
        self.round::<LATER, 0>(now, words, constants);
        self.round::<LATER, 1>(now, words, constants);
        self.round::<LATER, 2>(now, words, constants);
        self.round::<LATER, 3>(now, words, constants);
        self.round::<LATER, 4>(now, words, constants);
        self.round::<LATER, 5>(now, words, constants);
        self.round::<LATER, 6>(now, words, constants);
        self.round::<LATER, 7>(now, words, constants);
        self.round::<LATER, 8>(now, words, constants);
        self.round::<LATER, 9>(now, words, constants);
        self.round::<LATER, 10>(now, words, constants);
        self.round::<LATER, 11>(now, words, constants);
        self.round::<LATER, 12>(now, words, constants);
        self.round::<LATER, 13>(now, words, constants);
        self.round::<LATER, 14>(now, words, constants);
        self.round::<LATER, 15>(now, words, constants);
    }

    /// One round. After the first sixteen its word comes from those before it, and takes the place of the oldest.
    #[inline(always)]
    #[expect(clippy::many_single_char_names, reason = "the standard calls its working variables so")]
    fn round<const LATER: bool, const NTH: usize>(
        self,
        now: &mut [__m512i; 8],
        words: &mut [__m512i; 16],
        constants: &[u32; 16],
    ) {
        if LATER {
            let (after, seventh, second) = ((NTH + 1) % 16, (NTH + 9) % 16, (NTH + 14) % 16);
            words[NTH] = self.next_word(words[NTH], words[after], words[seventh], words[second]);
        }
        let [a, b, c, d, e, f, g, h] = *now;
        let sum_e = self.xor(self.right::<6>(e), self.right::<11>(e), self.right::<25>(e));
        let known = self.add(words[NTH], pulp::cast([constants[NTH]; LANES]));
        let first = self.add(self.add(h, known), self.add(sum_e, self.choose(e, f, g)));
        let sum_a = self.xor(self.right::<2>(a), self.right::<13>(a), self.right::<22>(a));
        let second = self.add(sum_a, self.majority(a, b, c));
        *now = [self.add(first, second), a, b, c, self.add(d, first), e, f, g];
    }

    /// The next word of the message schedule: from those 16, 15, 7 and 2 words before it.
    #[inline(always)]
    fn next_word(self, oldest: __m512i, after: __m512i, seventh: __m512i, second: __m512i) -> __m512i {
        let low = self.0.avx512f._mm512_srli_epi32::<3>(after);
        let low = self.xor(self.right::<7>(after), self.right::<18>(after), low);
        let high = self.0.avx512f._mm512_srli_epi32::<10>(second);
        let high = self.xor(self.right::<17>(second), self.right::<19>(second), high);
        self.add(self.add(oldest, seventh), self.add(low, high))
    }

    /// The first word of each block in one register, the second in the next and so on: they are read as big-endian numbers,
    /// a block in each register, and turned about in four steps, each of which swaps what lies `STEP` apart.
    #[inline(always)]
    fn words(self, blocks: &[&Block; LANES]) -> [__m512i; 16] {
        let order = pulp::cast(BIG_ENDIAN);
        let mut rows = [order; 16];
        for (row, block) in rows.iter_mut().zip(blocks) {
            *row = self.0.avx512bw._mm512_shuffle_epi8(pulp::cast(**block), order);
        }
        self.swap::<8>(&mut rows);
        self.swap::<4>(&mut rows);
        self.swap::<2>(&mut rows);
        self.swap::<1>(&mut rows);
        rows
    }

    #[inline(always)]
    fn swap<const STEP: u32>(self, rows: &mut [__m512i; 16]) {
        let (first, second) = const { (swapped(STEP, 0), swapped(STEP, STEP)) };
        let step = STEP as usize;
        for pair in 0..8 {
            let upper = (pair / step) * 2 * step + pair % step;
            let lower = upper + step;
            let both = (rows[upper], rows[lower]);
            rows[upper] = self.0.avx512f._mm512_permutex2var_epi32(both.0, pulp::cast(first), both.1);
            rows[lower] = self.0.avx512f._mm512_permutex2var_epi32(both.0, pulp::cast(second), both.1);
        }
    }

    #[inline(always)]
    fn add(self, left: __m512i, right: __m512i) -> __m512i {
        self.0.avx512f._mm512_add_epi32(left, right)
    }

    #[inline(always)]
    fn right<const BITS: i32>(self, word: __m512i) -> __m512i {
        self.0.avx512f._mm512_ror_epi32::<BITS>(word)
    }

    /// The three of them, each bit added to the others' without a carry.
    #[inline(always)]
    fn xor(self, first: __m512i, second: __m512i, third: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi32::<0x96>(first, second, third)
    }

    /// Bits of `yes` where `which` has ones, bits of `no` where it has zeros.
    #[inline(always)]
    fn choose(self, which: __m512i, yes: __m512i, no: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi32::<0xca>(which, yes, no)
    }

    /// Ones where at least two have ones.
    #[inline(always)]
    fn majority(self, first: __m512i, second: __m512i, third: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi32::<0xe8>(first, second, third)
    }
}

impl States {
    /// The state of each lane.
    pub fn each(&self) -> [[u32; 8]; LANES] {
        let words: [[u32; LANES]; 8] = self.0.map(pulp::cast);
        std::array::from_fn(|lane| words.map(|word| word[lane]))
    }
}

/// Where the bytes of sixteen big-endian words are, in the order of this machine.
const BIG_ENDIAN: [u8; 64] = {
    let mut order = [0; 64];
    let mut nth = 0;
    while nth < 16 {
        // Within each sixteen bytes: the instruction doesn't look further.
        order[nth as usize] = nth ^ 3;
        order[nth as usize + 16] = nth ^ 3;
        order[nth as usize + 32] = nth ^ 3;
        order[nth as usize + 48] = nth ^ 3;
        nth += 1;
    }
    order
};

/// Which words of two rows, one behind the other, make up one of them after a swap of what lies `step` apart: the first,
/// or the second when `of` is `step`.
const fn swapped(step: u32, of: u32) -> [u32; 16] {
    let mut order = [0; 16];
    let mut nth = 0;
    while nth < 16 {
        order[nth as usize] = if nth & step == 0 { nth + of } else { 16 + nth - step + of };
        nth += 1;
    }
    order
}
