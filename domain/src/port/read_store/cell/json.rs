//! Values as JSON text, without formatting machinery in between: every row that is digested is written this way.

use rust_decimal::Decimal;

/// So many bytes are looked at together.
const TOGETHER: usize = 16;

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
        let Some(letter) = after.chars().next() else { break };
        escape(out, letter);
        rest = after.get(letter.len_utf8()..).unwrap_or_default();
    }
    out.push('"');
}

/// How many bytes stand before the first that is escaped.
fn plain(bytes: &[u8]) -> usize {
    let is_escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    let mut chunks = bytes.chunks_exact(TOGETHER);
    // No shortcut inside of a chunk: so its bytes are compared at once.
    let clean = |chunk: &&[u8]| !chunk.iter().fold(false, |found, byte| found | is_escaped(byte));
    let first = chunks.by_ref().take_while(clean).count().saturating_mul(TOGETHER);
    let rest = bytes.get(first..).unwrap_or_default();
    first.saturating_add(rest.iter().position(is_escaped).unwrap_or(rest.len()))
}

fn escape(out: &mut String, letter: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match letter {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        control => {
            out.push_str("\\u00");
            let code = u32::from(control);
            for digit in [code >> 4, code & 15] {
                let digit = usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit));
                out.push(digit.map_or('0', |digit| char::from(*digit)));
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
    fn what_is_escaped_stands_anywhere() {
        let plain = "sixteen letters ";
        for place in 0..40 {
            let string = format!("{}\"{}", &plain.repeat(3)[..place], "after é");
            assert_eq!(written(&string), format!("\"{}\\\"after é\"", &plain.repeat(3)[..place]));
        }
        assert_eq!(written("\u{1}\u{1f}\n\\\t"), r#""\u0001\u001f\n\\\u0009""#);
    }
}
