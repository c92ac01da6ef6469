//! Moments and spans, without a clock: who needs to know the time is told it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A moment in UTC, in whole microseconds since 1970-01-01. Stored as RFC 3339 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 time")]
pub struct InvalidTime {
    /// The offending text, cut to 80 characters.
    pub text: String,
}

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
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
        Self(self.0.saturating_add(micros))
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
    /// [`InvalidTime`] when the text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime { text: text.chars().take(80).collect() };
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        let micros = parsed.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-20T18:24:38.123456Z`, always with six digits, so that text order is time order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000);
        let micros = self.0.rem_euclid(1_000_000);
        let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else {
            return write!(f, "{}us", self.0);
        };
        let at = at.to_offset(UtcOffset::UTC);
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            micros
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn text_and_back_is_the_same_moment() {
        fn law(micros: i64) -> bool {
            let at = Timestamp::from_micros(micros.rem_euclid(4_102_444_800_000_000));
            Timestamp::parse(&at.to_string()) == Ok(at)
        }
        let law: fn(i64) -> bool = law;
        quickcheck::quickcheck(law);
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
