//! Until when a certificate or a list of revoked ones holds: the one date that is read from them here. Whether they are
//! any good otherwise, the TLS library judges.

/// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate, which may be left out.
const VERSION: u8 = 0xa0;

/// When a certificate ends, in seconds since 1970 in UTC; `None` when it can't be read.
pub(crate) fn not_after(certificate: &[u8]) -> Option<i64> {
    let mut fields = Elements(Elements(certificate).next_of(SEQUENCE)?);
    let mut fields = Elements(fields.next_of(SEQUENCE)?);
    let first = fields.next()?;
    if first.0 == VERSION {
        fields.next_of(INTEGER)?;
    }
    // The algorithm and the issuer.
    fields.next_of(SEQUENCE)?;
    fields.next_of(SEQUENCE)?;
    let mut validity = Elements(fields.next_of(SEQUENCE)?);
    validity.next()?;
    time(validity.next()?)
}

/// When the next list of revoked certificates is due, in seconds since 1970 in UTC; `None` when the list can't be read.
pub(crate) fn next_update(list: &[u8]) -> Option<i64> {
    let mut fields = Elements(Elements(list).next_of(SEQUENCE)?);
    let mut fields = Elements(fields.next_of(SEQUENCE)?);
    // The version may be left out; then the algorithm comes first.
    if fields.next()?.0 == INTEGER {
        fields.next_of(SEQUENCE)?;
    }
    // The issuer, and when this one was made.
    fields.next_of(SEQUENCE)?;
    fields.next()?;
    time(fields.next()?)
}

/// Elements one after the other: a tag and what it holds.
struct Elements<'d>(&'d [u8]);

impl<'d> Elements<'d> {
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            0x80 | 0x85.. => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn next_of(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time((tag, content): (u8, &[u8])) -> Option<i64> {
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => digits.split_at_checked(2)?,
        GENERALIZED_TIME => digits.split_at_checked(4)?,
        _ => return None,
    };
    if rest.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year: i64 = year.parse().ok()?;
    let year = match (tag, year) {
        (UTC_TIME, 0..=49) => year + 2000,
        (UTC_TIME, _) => year + 1900,
        (_, _) => year,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (two(0)?, two(2)?);
    let (hour, minute, second) = (two(4)?, two(6)?, two(8)?);
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    in_range.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. The year begins in March here, so that the day that may be
/// missing is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{days, next_update, not_after, time};
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
        KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
    };

    fn ending(year: i32) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 3, 1);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (date, count) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 21), 20_778),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days(date.0, date.1, date.2), count, "{date:?}");
        }
    }

    #[test]
    fn certificates_and_lists_end_when_they_say_in_both_forms_of_time() {
        // 2050 and later are written with four digits.
        let (soon, late) = (ending(2031), ending(2055));
        assert_eq!(not_after(soon.der()), Some(1_930_089_600));
        assert_eq!(not_after(late.der()), Some(2_687_472_000));
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&soon).unwrap();
        assert_eq!(next_update(list.der()), Some(1_798_761_600));
    }

    #[test]
    fn what_can_t_be_read_has_no_end_and_breaks_nothing() {
        assert_eq!((not_after(b""), next_update(b"")), (None, None));
        let whole = ending(2031);
        let der: &[u8] = whole.der();
        for cut in 0..der.len().min(200) {
            assert_eq!(not_after(&der[..cut]), None, "{cut}");
        }
        for words in [&b"991301000000Z"[..], b"99010100000Z", b"9901010000000", b"99010100000\xffZ", b"Z"] {
            assert_eq!(time((super::UTC_TIME, words)), None, "{words:?}");
        }
        assert_eq!(time((super::INTEGER, b"990101000000Z")), None);
    }
}
