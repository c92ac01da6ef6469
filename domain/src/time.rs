//! Moments and spans, without a clock: who needs to know the time is told it.

mod text;

use crate::compact;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in UTC, in whole microseconds since 1970-01-01. Stored as RFC 3339 text.
///
/// Every moment lies between [`Timestamp::MIN`] and [`Timestamp::MAX`], the years that RFC 3339 can write: what is
/// written down can always be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 time between the years 0000 and 9999 in UTC")]
pub struct InvalidTime {
    /// The offending text, cut to 80 characters.
    pub text: String,
}

impl Timestamp {
    /// The first moment: 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_167_219_200_000_000);
    /// The last moment: 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the epoch; saturates at the ends of the range. What others sent is taken with
    /// [`Timestamp::of_micros`].
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// From microseconds since the epoch; `None` outside the range.
    #[must_use]
    pub const fn of_micros(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// From milliseconds since the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, the part below a millisecond dropped.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The moment `millis` later; saturates at the end of the range.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        let micros = i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// How long after `earlier` this is, in milliseconds; negative when it is before.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1_000)
    }

    /// Reads RFC 3339 text with any offset; digits below a microsecond are dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidTime`] when the text is not RFC 3339, or its moment lies outside the range in UTC.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        if let Some(at) = text::read(text) {
            return Ok(at);
        }
        let invalid = || InvalidTime { text: text.chars().take(80).collect() };
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        let micros = parsed.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).ok().and_then(Self::of_micros).ok_or_else(invalid)
    }
}

impl Timestamp {
    /// Appends it as [`Display`](fmt::Display) shows it.
    pub fn write_bytes(self, out: &mut Vec<u8>) {
        out.extend_from_slice(text::Text::of(self).as_bytes());
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-20T18:24:38.123456Z`, always with six digits, so that text order is time order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text::Text::of(*self).as_str())
    }
}

impl Serialize for Timestamp {
    /// RFC 3339 where people read along, else microseconds since the epoch.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(text::Text::of(*self).as_str())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return compact::text(deserializer, Self::parse);
        }
        let micros = i64::deserialize(deserializer)?;
        Self::of_micros(micros).ok_or_else(|| de::Error::custom(format_args!("{micros} µs: out of range")))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    fn can_be_written_and_read(at: Timestamp) -> bool {
        Timestamp::parse(&at.to_string()) == Ok(at)
    }

    #[test]
    fn whatever_is_constructed_can_be_written_and_read_again() {
        fn law(number: i64, small: u8, span: u64) -> bool {
            // Numbers of every size: most of all i64 lie outside the range.
            let number = number.checked_shr(u32::from(small % 64)).unwrap_or(number);
            [Timestamp::from_micros(number), Timestamp::from_millis(number)].into_iter().all(|at| {
                let later = at.plus_millis(span);
                can_be_written_and_read(at) && can_be_written_and_read(later) && later >= at
            })
        }
        let law: fn(i64, u8, u64) -> bool = law;
        quickcheck::QuickCheck::new().tests(10_000).quickcheck(law);
        for number in
            [i64::MIN, i64::MIN / 1_000, -1, 0, i64::MAX / 1_000, 1_763_680_000_000_000_000, i64::MAX]
        {
            assert!(law(number, 0, u64::MAX), "{number}");
        }
    }

    #[test]
    fn the_range_is_the_years_that_four_digits_can_write() {
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert!(can_be_written_and_read(end));
            assert_eq!(Timestamp::of_micros(end.micros()), Some(end));
        }
        assert_eq!(Timestamp::of_micros(Timestamp::MIN.micros().saturating_sub(1)), None);
        assert_eq!(Timestamp::of_micros(Timestamp::MAX.micros().saturating_add(1)), None);
    }

    #[test]
    fn an_offset_that_leads_out_of_the_range_is_no_time() {
        for text in ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+01:00"] {
            assert_eq!(Timestamp::parse(text).unwrap_err().text, text);
        }
        assert_eq!(Timestamp::parse("9999-12-31T23:59:59.9999999Z"), Ok(Timestamp::MAX));
        assert_eq!(Timestamp::parse("0000-01-01T01:00:00+01:00"), Ok(Timestamp::MIN));
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let at = Timestamp::parse("2026-01-01T02:00:00.5+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-01-01T00:00:00.500000Z");
    }

    #[test]
    fn text_that_is_no_time_is_named() {
        assert_eq!(Timestamp::parse("yesterday").unwrap_err().text, "yesterday");
    }
}
