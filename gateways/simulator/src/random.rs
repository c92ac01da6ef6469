//! The one source of chance in the simulator: a small seeded generator (splitmix64).
//!
//! Not for secrets. Each use draws from its own named stream, so that a new use never shifts another's draws.

/// A seeded sequence of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed` for one use, named by `stream`.
    #[must_use]
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a keeps streams apart; splitmix64 spreads whatever it is given.
        let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
        for byte in stream.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut random = Self(state);
        random.next();
        random
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included. `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let draw = self.next();
        let Some(span) = high.checked_sub(low) else { return low };
        let Some(choices) = span.checked_add(1) else { return draw };
        let scaled = (u128::from(draw) * u128::from(choices)) >> 64;
        low + u64::try_from(scaled).unwrap_or(span)
    }

    /// True in `permille` of 1,000 draws.
    pub fn permille(&mut self, permille: u16) -> bool {
        self.between(0, 999) < u64::from(permille)
    }

    /// One of `choices`; `None` when there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let last = u64::try_from(choices.len()).ok()?.checked_sub(1)?;
        let index = self.between(0, last);
        choices.get(usize::try_from(index).ok()?)
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        for chunk in bytes.chunks_mut(8) {
            let draw = self.next().to_le_bytes();
            chunk.copy_from_slice(&draw[..chunk.len()]);
        }
        bytes
    }

    /// Text in the form of a version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let mut b: [u8; 16] = self.bytes();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex = hex(&b);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// Lower-case hexadecimal text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
    text
}

/// The bytes that hexadecimal text stands for, when there are exactly `N`.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0_u8; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
