//! Unsigned LEB128: seven bits a byte, lowest first, the top bit set on all but the last. Only the shortest
//! form is valid, so that a commit has one encoding.

/// Longest encoding of a `u64` in bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends `number`.
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Takes a number off the front of `bytes`; `None` when there is none in its shortest form.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most are of one byte, lengths of names and of small things, and most others of two.
    match *bytes {
        [first, rest @ ..] if *first < 0x80 => {
            *bytes = rest;
            Some(u64::from(*first))
        }
        [first, second, rest @ ..] if *second != 0 && *second < 0x80 => {
            *bytes = rest;
            Some(u64::from(*first & 0x7f) | u64::from(*second) << 7)
        }
        _ => take_long(bytes),
    }
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let low = u64::from(byte & 0x7f);
        if index == VARINT_BYTES_MAX - 1 && low > 1 {
            return None;
        }
        number |= low << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return None;
            }
            *bytes = bytes.get(index + 1..)?;
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{put, take};

    #[test]
    fn every_number_comes_back() {
        fn law(number: u64, shift: u8) -> bool {
            let number = number >> (shift % 64);
            let mut bytes = vec![];
            put(&mut bytes, number);
            let mut rest = bytes.as_slice();
            take(&mut rest) == Some(number) && rest.is_empty()
        }
        quickcheck::quickcheck(law as fn(u64, u8) -> bool);
        for number in [0, 127, 128, u64::MAX] {
            assert!(law(number, 0), "{number}");
        }
    }

    #[test]
    fn whatever_is_accepted_is_the_one_encoding() {
        #[expect(clippy::needless_pass_by_value, reason = "the property runner hands values over")]
        fn law(bytes: Vec<u8>) -> bool {
            let mut rest = bytes.as_slice();
            take(&mut rest).is_none_or(|number| {
                let mut again = vec![];
                put(&mut again, number);
                bytes.starts_with(&again) && again.len() + rest.len() == bytes.len()
            })
        }
        quickcheck::quickcheck(law as fn(Vec<u8>) -> bool);
    }

    #[test]
    fn long_cut_and_oversized_forms_are_refused() {
        for bytes in
            [&[0x80, 0x00][..], &[0x80], &[], &[0xff; 11], &[0xff, 255, 255, 255, 255, 255, 255, 255, 255, 2]]
        {
            assert_eq!(take(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
