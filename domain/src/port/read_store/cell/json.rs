//! Values as JSON text, without formatting machinery in between: every row that is digested is written this way.

use rust_decimal::Decimal;

/// So many bytes are looked at together.
const TOGETHER: usize = 8;

/// A string of what `write` appends, which needs no escapes.
pub fn quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

/// JSON's own rules: quote, backslash and control characters are escaped, everything else stands as it is.
pub fn text(out: &mut String, text: &str) {
    out.reserve(text.len().saturating_add(2));
    out.push('"');
    let mut rest = text;
    // What is escaped is one byte long, and no part of a longer character.
    while let Some((plain, after)) = rest.split_at_checked(plain(rest.as_bytes())) {
        out.push_str(plain);
        let Some(letter) = after.as_bytes().first() else { break };
        escape(out, *letter);
        rest = after.get(1..).unwrap_or_default();
    }
    out.push('"');
}

/// How many bytes stand before the first that is escaped.
fn plain(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<TOGETHER>();
    for (i, chunk) in chunks.iter().enumerate() {
        let found = escaped(u64::from_le_bytes(*chunk));
        if found != 0 {
            let place = usize::try_from(found.trailing_zeros() / u8::BITS).unwrap_or(0);
            return i.saturating_mul(TOGETHER).saturating_add(place);
        }
    }
    let is_escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    let before = bytes.len().saturating_sub(rest.len());
    before.saturating_add(rest.iter().position(is_escaped).unwrap_or(rest.len()))
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

fn escape(out: &mut String, letter: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match letter {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        control => {
            out.push_str("\\u00");
            for digit in [control >> 4, control & 15] {
                out.push(DIGITS.get(usize::from(digit)).map_or('0', |digit| char::from(*digit)));
            }
        }
    }
}

/// Digits without zeros at the end of a fraction, and zero without a sign: as [`Decimal::normalize`] would be shown.
pub fn decimal(out: &mut String, number: &Decimal) {
    let mantissa = number.mantissa();
    if mantissa < 0 {
        out.push('-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(mantissa.unsigned_abs());
    let scale = usize::try_from(number.scale()).unwrap_or(0);
    let (whole, fraction) =
        digits.split_at_checked(digits.len().saturating_sub(scale)).unwrap_or((digits, ""));
    out.push_str(if whole.is_empty() { "0" } else { whole });
    let leading = scale.saturating_sub(fraction.len());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.extend(std::iter::repeat_n('0', leading));
        out.push_str(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, text};
    use quickcheck::quickcheck;
    use rust_decimal::Decimal;
    use serde_json::Value;

    fn written(string: &str) -> String {
        let mut out = String::new();
        text(&mut out, string);
        out
    }

    quickcheck! {
        fn a_text_is_read_again_as_what_it_was(string: String) -> bool {
            serde_json::from_str::<Value>(&written(&string)).unwrap() == Value::String(string)
        }

        fn a_decimal_is_written_as_the_library_shows_it_normalised(low: u32, mid: u32, high: u32, negative: bool, scale: u32) -> bool {
            let number = Decimal::from_parts(low, mid, high, negative, scale % 29);
            let mut out = String::new();
            decimal(&mut out, &number);
            out == number.normalize().to_string()
        }

        fn so_is_a_small_one(number: i16, scale: u32) -> bool {
            let number = Decimal::new(i64::from(number), scale % 29);
            let mut out = String::new();
            decimal(&mut out, &number);
            out == number.normalize().to_string()
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
