//! Values that serde writes as text where people read along, and as numbers or bytes where they don't: reading both. What is
//! written stands beside each value.

use serde::de::{self, Deserializer, Visitor};
use std::fmt::{self, Display, Formatter};

/// Reads a value from its text, which is not copied.
pub(crate) fn text<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Text { parse })
}

/// Reads so many bytes.
pub(crate) fn bytes<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct Text<T, E> {
    parse: fn(&str) -> Result<T, E>,
}

impl<T, E: Display> Visitor<'_> for Text<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<F: de::Error>(self, text: &str) -> Result<T, F> {
        (self.parse)(text).map_err(F::custom)
    }
}

struct Bytes<const N: usize>;

impl<const N: usize> Visitor<'_> for Bytes<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use crate::money::{Rate, Units};
    use crate::time::Timestamp;
    use serde_test::{Configure, Token, assert_de_tokens_error, assert_tokens};

    /// 258.
    const BYTES: [u8; 32] = {
        let mut bytes = [0; 32];
        (bytes[30], bytes[31]) = (1, 2);
        bytes
    };

    #[test]
    fn an_amount_is_text_or_32_bytes() {
        let units = Units::new(258);
        assert_tokens(&units.readable(), &[Token::Str("258")]);
        assert_tokens(&units.compact(), &[Token::Bytes(&BYTES)]);
        assert_de_tokens_error::<serde_test::Compact<Units>>(
            &[Token::Bytes(&[1, 2])],
            "invalid length 2, expected 32 bytes",
        );
    }

    #[test]
    fn a_rate_is_text_or_16_bytes() {
        let rate: Rate = "1.5".parse().unwrap();
        assert_tokens(&rate.readable(), &[Token::Str("1.5")]);
        assert_tokens(&rate.compact(), &[Token::Bytes(&[0, 0, 1, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]);
        // Nothing sold for nothing.
        assert_de_tokens_error::<serde_test::Compact<Rate>>(
            &[Token::Bytes(&[0; 16])],
            &"0".parse::<Rate>().unwrap_err().to_string(),
        );
    }

    #[test]
    fn a_moment_is_text_or_microseconds() {
        let at = Timestamp::from_micros(1);
        assert_tokens(&at.readable(), &[Token::Str("1970-01-01T00:00:00.000001Z")]);
        assert_tokens(&at.compact(), &[Token::I64(1)]);
        assert_de_tokens_error::<serde_test::Compact<Timestamp>>(
            &[Token::I64(i64::MAX)],
            "9223372036854775807 µs: out of range",
        );
    }
}
