//! A moment as text and back, for the one form that is written here: `2026-11-20T18:24:38.123456Z`. Events and rows hold
//! many of them, so no formatting machinery stands in between.

use super::Timestamp;
use time::{Date, Month, OffsetDateTime, Time};

/// Length of the text in bytes.
pub const LENGTH: usize = 27;

/// A moment as it is written.
pub struct Text([u8; LENGTH]);

impl Text {
    pub fn of(at: Timestamp) -> Self {
        let (seconds, micros) = (at.0.div_euclid(1_000_000), at.0.rem_euclid(1_000_000));
        // Every moment of the range has a date.
        let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let ((year, month, day), (hour, minute, second)) = (moment.to_calendar_date(), moment.to_hms());
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let fields = [
            (0..4, u32::try_from(year).unwrap_or(0)),
            (5..7, u32::from(u8::from(month))),
            (8..10, u32::from(day)),
            (11..13, u32::from(hour)),
            (14..16, u32::from(minute)),
            (17..19, u32::from(second)),
            (20..26, u32::try_from(micros).unwrap_or(0)),
        ];
        for (place, mut number) in fields {
            for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
                *digit = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
                number /= 10;
            }
        }
        Self(text)
    }

    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Reads exactly what [`Text`] writes; `None` for any other form, which may be a moment all the same.
pub fn read(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
    let [.., b'Z'] = bytes else { return None };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if marks.iter().any(|(place, mark)| bytes.get(*place) != Some(mark)) {
        return None;
    }
    let number = |place: std::ops::Range<usize>| {
        bytes.get(place)?.iter().try_fold(0_u32, |number, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number.checked_mul(10)?.checked_add(u32::from(digit))
        })
    };
    let small = |place| number(place).and_then(|number| u8::try_from(number).ok());
    let month = Month::try_from(small(5..7)?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(number(0..4)?).ok()?, month, small(8..10)?).ok()?;
    let time = Time::from_hms(small(11..13)?, small(14..16)?, small(17..19)?).ok()?;
    let seconds = date.with_time(time).assume_utc().unix_timestamp();
    Timestamp::of_micros(seconds.checked_mul(1_000_000)?.checked_add(i64::from(number(20..26)?))?)
}
