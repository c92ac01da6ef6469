//! Amounts as people write and read them: whole tokens, percent, spans of time. Never a float.

use stele_domain::money::{BasisPoints, Units};

/// Reads `0.05` of a token with so many decimals as base units, exactly.
pub(crate) fn units_of_whole(text: &str, decimals: u8) -> Result<Units, String> {
    let text = text.trim().replace('_', "");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || (text.contains('.') && part.is_empty()) {
        return Err("an amount in whole tokens is expected, such as 5 or 0.05".to_owned());
    }
    let part = part.trim_end_matches('0');
    let places = usize::from(decimals);
    if part.len() > places {
        return Err(format!("at most {decimals} digits after the point: the token has no more"));
    }
    let base = format!("{whole}{part:0<places$}");
    let base = base.trim_start_matches('0');
    let base = if base.is_empty() { "0" } else { base };
    base.parse().map_err(|_| "the amount is larger than any token".to_owned())
}

/// Base units as whole tokens without idle zeros: `0.05`, `5`.
pub(crate) fn whole(units: Units, decimals: u8) -> String {
    let text = units.in_whole(decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Whole tokens, cut to so many digits after the point, for reading along. Marks what was cut with `…`.
pub(crate) fn rough(units: Units, decimals: u8, places: usize) -> String {
    let exact = whole(units, decimals);
    match exact.split_once('.') {
        Some((before, after)) if after.len() > places => {
            let kept = after.get(..places).unwrap_or(after);
            format!("{before}.{kept}…")
        }
        Some(_) | None => exact,
    }
}

/// Reads `2%`, `0.5 %`, `200bps` or `200` (basis points).
pub(crate) fn basis_points(text: &str) -> Result<BasisPoints, String> {
    let text = text.trim();
    let wrong = || "a share is expected, such as 2%, 0.5% or 200bps".to_owned();
    if let Some(percent) = text.strip_suffix('%') {
        // A percent has a hundred basis points, so two digits after the point are all there can be.
        let units = units_of_whole(percent.trim(), 2).map_err(|_| wrong())?;
        return units.to_string().parse().map(BasisPoints).map_err(|_| wrong());
    }
    let number = text.strip_suffix("bps").unwrap_or(text).trim();
    number.parse().map(BasisPoints).map_err(|_| wrong())
}

/// The units of time that spans may be written in, in milliseconds.
const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `500ms`, `30s`, `15m`, `2h`, `1d`, `1h30m` as milliseconds above zero.
pub(crate) fn span_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no span of time: write 500ms, 30s, 15m, 2h or 1h30m");
    let mut rest = text.trim();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at_checked(letters).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, millis) = SPANS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total = number.checked_mul(*millis).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    if total == 0 { Err(wrong()) } else { Ok(total) }
}

/// Milliseconds for people: `850 ms`, `12.4 s`, `15 min`, `2 h 5 min`.
pub(crate) fn span(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "−" } else { "" }, ms.unsigned_abs());
    let words = match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => {
            let (seconds, tenths) = (ms / 1_000, ms % 1_000 / 100);
            if tenths == 0 { format!("{seconds} s") } else { format!("{seconds}.{tenths} s") }
        }
        60_000..=3_599_999 => pair(ms / 60_000, "min", ms % 60_000 / 1_000, "s"),
        3_600_000..=86_399_999 => pair(ms / 3_600_000, "h", ms % 3_600_000 / 60_000, "min"),
        _ => pair(ms / 86_400_000, "d", ms % 86_400_000 / 3_600_000, "h"),
    };
    format!("{sign}{words}")
}

fn pair(large: u64, unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::{basis_points, rough, span, span_ms, units_of_whole, whole};
    use stele_domain::money::{BasisPoints, Units};

    #[test]
    fn whole_tokens_and_base_units_are_the_same_amount() {
        fn law(units: u64, decimals: u8) -> bool {
            let (units, decimals) = (Units::new(u128::from(units)), decimals % 39);
            units_of_whole(&whole(units, decimals), decimals) == Ok(units)
        }
        quickcheck::quickcheck(law as fn(u64, u8) -> bool);
    }

    #[test]
    fn an_amount_finer_than_the_token_is_refused_and_not_rounded() {
        assert_eq!(
            units_of_whole("0.123456789", 8),
            Err("at most 8 digits after the point: the token has no more".into())
        );
        assert_eq!(units_of_whole("0.100000000", 8), Ok(Units::new(10_000_000)));
    }

    #[test]
    fn text_that_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "5 EURe", "1,5"] {
            assert!(units_of_whole(text, 8).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn shares_are_read_in_percent_and_in_basis_points() {
        for (text, bps) in [("2%", 200), ("0.5 %", 50), ("200bps", 200), ("200", 200), ("0.01%", 1)] {
            assert_eq!(basis_points(text), Ok(BasisPoints(bps)), "{text:?}");
        }
        assert!(basis_points("0.001%").is_err());
        assert!(basis_points("two").is_err());
    }

    #[test]
    fn spans_are_read_with_their_unit_or_not_at_all() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("1h30m", 5_400_000), ("1d", 86_400_000)]
        {
            assert_eq!(span_ms(text), Ok(ms), "{text:?}");
        }
        for text in ["", "15", "m", "0s", "-5m", "1y", "99999999999999999999s", "1.5h"] {
            assert!(span_ms(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn spans_and_amounts_read_well() {
        for (ms, words) in [
            (0, "0 ms"),
            (850, "850 ms"),
            (12_400, "12.4 s"),
            (900_000, "15 min"),
            (-1_000, "−1 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(span(ms), words);
        }
        assert_eq!(rough(Units::new(123_456_789), 8, 4), "1.2345…");
        assert_eq!(rough(Units::new(100_000_000), 8, 4), "1");
    }
}
