//! Values as JSON text, without formatting machinery in between: every row that is digested is written this way.

use rust_decimal::Decimal;

/// So many bytes are looked at together.
const TOGETHER: usize = 8;

/// A string of what `write` appends, which needs no escapes.
pub fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// What was written here, as text: it is made of texts and of plain letters.
pub fn shown(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// JSON's own rules: quote, backslash and control characters are escaped, everything else stands as it is.
pub fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    let mut rest = text;
    // Eight bytes are written at once, and those from the first that is escaped taken back. What is escaped is one byte
    // long, and no part of a longer character.
    while let Some((chunk, after)) = rest.split_first_chunk::<TOGETHER>() {
        let found = escaped(u64::from_le_bytes(*chunk));
        let start = out.len();
        out.extend_from_slice(chunk);
        if found == 0 {
            rest = after;
            continue;
        }
        let plain = usize::try_from(found.trailing_zeros() / u8::BITS).unwrap_or(0);
        out.truncate(start.saturating_add(plain));
        let Some((letter, after)) = rest.get(plain..).and_then(<[u8]>::split_first) else { break };
        match letter {
            // Text that is JSON itself is full of these.
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *letter]),
            other => escape(out, *other),
        }
        rest = after;
    }
    for byte in rest {
        match byte {
            b'"' | b'\\' | 0..b' ' => escape(out, *byte),
            plain => out.push(*plain),
        }
    }
    out.push(b'"');
}

/// The highest bit of the lowest byte that is escaped, and perhaps bits of bytes above it; zero when there is none. A byte is
/// zero exactly when taking one off borrows from a highest bit that was not set: right for the lowest such byte, which is all
/// that is asked.
fn escaped(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zeros = |bytes: u64, less: u64| bytes.wrapping_sub(ONES.wrapping_mul(less)) & !bytes & TOPS;
    let quotes = zeros(bytes ^ ONES.wrapping_mul(u64::from(b'"')), 1);
    let slashes = zeros(bytes ^ ONES.wrapping_mul(u64::from(b'\\')), 1);
    quotes | slashes | zeros(bytes, u64::from(b' '))
}

fn escape(out: &mut Vec<u8>, letter: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match letter {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        control => {
            out.extend_from_slice(b"\\u00");
            out.extend(
                [control >> 4, control & 15].map(|digit| DIGITS.get(usize::from(digit)).unwrap_or(&b'0')),
            );
        }
    }
}

/// Digits without zeros at the end of a fraction, and zero without a sign: as [`Decimal::normalize`] would be shown.
pub fn decimal(out: &mut Vec<u8>, number: &Decimal) {
    let mantissa = number.mantissa();
    if mantissa < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(mantissa.unsigned_abs());
    let scale = usize::try_from(number.scale()).unwrap_or(0);
    let (whole, fraction) =
        digits.split_at_checked(digits.len().saturating_sub(scale)).unwrap_or((digits, ""));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    let leading = scale.saturating_sub(fraction.len());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', leading));
        out.extend_from_slice(fraction.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, text};
    use quickcheck::quickcheck;
    use rust_decimal::Decimal;
    use serde_json::Value;

    fn written(string: &str) -> String {
        let mut out = vec![];
        text(&mut out, string.as_bytes());
        String::from_utf8(out).unwrap()
    }

    quickcheck! {
        fn a_text_is_read_again_as_what_it_was(string: String) -> bool {
            serde_json::from_str::<Value>(&written(&string)).unwrap() == Value::String(string)
        }

        fn a_decimal_is_written_as_the_library_shows_it_normalised(low: u32, mid: u32, high: u32, negative: bool, scale: u32) -> bool {
            let number = Decimal::from_parts(low, mid, high, negative, scale % 29);
            let mut out = vec![];
            decimal(&mut out, &number);
            out == number.normalize().to_string().as_bytes()
        }

        fn so_is_a_small_one(number: i16, scale: u32) -> bool {
            let number = Decimal::new(i64::from(number), scale % 29);
            let mut out = vec![];
            decimal(&mut out, &number);
            out == number.normalize().to_string().as_bytes()
        }
    }

    #[test]
    fn every_byte_is_escaped_or_stands_as_it_is_in_every_place() {
        for letter in (0..0x80_u8).map(char::from).chain(['é', '\u{80}', '\u{7ff}', '🜚']) {
            let form = match letter {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '\0'..='\u{1f}' => format!("\\u{:04x}", u32::from(letter)),
                plain => plain.to_string(),
            };
            for before in 0..17 {
                let (before, after) = (&"!#[]~\u{7f} ~!#[]~\u{7f} ~!"[..before], "é and more of it");
                assert_eq!(
                    written(&format!("{before}{letter}{after}")),
                    format!("\"{before}{form}{after}\"")
                );
            }
        }
    }

    #[test]
    fn what_is_escaped_stands_anywhere() {
        let plain = "sixteen letters ";
        for place in 0..40 {
            let string = format!("{}\"{}", &plain.repeat(3)[..place], "after é");
            assert_eq!(written(&string), format!("\"{}\\\"after é\"", &plain.repeat(3)[..place]));
        }
        assert_eq!(written("\u{1}\u{1f}\n\\\t"), r#""\u0001\u001f\n\\\u0009""#);
    }
}
