//! Decimal digits as PostgreSQL sends and takes numbers in binary: groups of four digits, the first with its weight.

/// How many decimal digits one group has.
const GROUP: usize = 4;
const NEGATIVE: u16 = 0x4000;

/// Appends the binary form of a number that is written in decimal digits, with or without sign and fraction; says whether
/// it was one that fits. As many digits stand after the point as were written, as with a number that is read from text.
pub fn write(digits: &str, out: &mut Vec<u8>) -> bool {
    let (sign, digits) = digits.strip_prefix('-').map_or((0, digits), |rest| (NEGATIVE, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return false;
    }
    // Groups are counted from the point to both sides.
    let lead = whole.len().next_multiple_of(GROUP) - whole.len();
    let tail = fraction.len().next_multiple_of(GROUP) - fraction.len();
    let zeros = |count| std::iter::repeat_n(b'0', count);
    let padded: Vec<u8> =
        zeros(lead).chain(whole.bytes()).chain(fraction.bytes()).chain(zeros(tail)).collect();
    let group = |four: &[u8]| four.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let groups: Vec<u16> = padded.chunks_exact(GROUP).map(group).collect();
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let groups = &groups[first..last];
    let before_point = (whole.len() + lead) / GROUP;
    let weight = i16::try_from(before_point).ok().zip(i16::try_from(first).ok());
    let weight = weight.map(|(before, first)| before - 1 - first);
    let (Ok(count), Some(weight), Ok(scale)) =
        (u16::try_from(groups.len()), weight, u16::try_from(fraction.len()))
    else {
        return false;
    };
    // Nothing has neither weight nor sign.
    let (weight, sign) = if groups.is_empty() { (0, 0) } else { (weight, sign) };
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::write;

    /// Count, weight, sign and scale, and the groups.
    fn written(digits: &str) -> Option<(u16, i16, u16, u16, Vec<u16>)> {
        let mut bytes = vec![];
        if !write(digits, &mut bytes) {
            return None;
        }
        let words: Vec<u16> = bytes.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
        Some((words[0], words[1].cast_signed(), words[2], words[3], words[4..].to_vec()))
    }

    #[test]
    fn groups_are_counted_from_the_point() {
        assert_eq!(written("0"), Some((0, 0, 0, 0, vec![])));
        assert_eq!(written("-0.00"), Some((0, 0, 0, 2, vec![])));
        assert_eq!(written("1"), Some((1, 0, 0, 0, vec![1])));
        assert_eq!(written("12345"), Some((2, 1, 0, 0, vec![1, 2345])));
        assert_eq!(written("10000"), Some((1, 1, 0, 0, vec![1])));
        assert_eq!(written("-1.5"), Some((2, 0, 0x4000, 1, vec![1, 5000])));
        assert_eq!(written("0.00012"), Some((2, -1, 0, 5, vec![1, 2000])));
        assert_eq!(written("0.00000001"), Some((1, -2, 0, 8, vec![1])));
    }

    #[test]
    fn what_is_no_number_is_not_written() {
        for text in ["", "-", ".5", "1e5", "NaN", "1.2.3", "+1", "٣"] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
