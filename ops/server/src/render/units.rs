//! Amounts, rates and moments in the terms of the pair.

use crate::amounts;
use stele_domain::ids::TokenId;
use stele_domain::money::{Rate, Units};
use stele_domain::pair::{Pair, Side};
use stele_domain::time::Timestamp;

/// Digits after the point that are shown of a token with at most so many; a token with more is cut to fewer, and
/// marked as cut.
const PLACES_WHOLE: u8 = 8;
/// Digits after the point of a token that has more than [`PLACES_WHOLE`].
const PLACES_CUT: usize = 6;
/// Digits after the point of a rate.
const RATE_PLACES: usize = 2;
/// Width that sentences are broken at.
const LINE_WIDTH: usize = 100;

/// An amount of a token: `0.002 BTC`. Base units when the pair has no such token.
pub(crate) fn of_token(units: Units, token: &str, pair: &Pair) -> String {
    match side_of(token, pair) {
        Some(side) => of_side(units, side),
        None => format!("{units} base units of {token}"),
    }
}

/// An amount of one side of the pair.
pub(crate) fn of_side(units: Units, side: &Side) -> String {
    let decimals = side.asset.decimals;
    let places = if decimals <= PLACES_WHOLE { usize::from(decimals) } else { PLACES_CUT };
    let amount = amounts::rough(units, decimals, places);
    let (whole, part) =
        amount.split_once('.').map_or((amount.as_str(), None), |(whole, part)| (whole, Some(part)));
    let part = part.map_or_else(String::new, |part| format!(".{part}"));
    format!("{}{part} {}", grouped(whole), side.asset.symbol)
}

/// The side that a token counts as.
pub(crate) fn side_of<'p>(token: &str, pair: &'p Pair) -> Option<&'p Side> {
    [&pair.base, &pair.quote].into_iter().find(|side| side.tokens.iter().any(|known| known.as_str() == token))
}

/// The ticker of a token, or the token.
pub(crate) fn symbol(token: &TokenId, pair: &Pair) -> String {
    side_of(token.as_str(), pair).map_or_else(|| token.to_string(), |side| side.asset.symbol.clone())
}

/// `50,012.34 EURe per BTC`.
pub(crate) fn rate(rate: Rate, pair: &Pair) -> String {
    format!(
        "{} {} per {}",
        number(&rate.decimal().to_string()),
        pair.quote.asset.symbol,
        pair.base.asset.symbol
    )
}

/// A decimal number with its thousands apart, with [`RATE_PLACES`] digits after the point.
pub(crate) fn number(text: &str) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let shown: String = part.chars().take(RATE_PLACES).collect();
    format!("{}.{shown:0<RATE_PLACES$}", grouped(whole))
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(index);
        if index > 0 && left % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12:03:44.125`, UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('T').and_then(|(_, time)| time.get(..12)).unwrap_or(&text).to_owned()
}

/// `2026-11-20 12:03:44 UTC`.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or_else(|| text.clone(), |date| format!("{} UTC", date.replace('T', " ")))
}

/// Breaks a sentence into lines, each behind an indent.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > LINE_WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let gap = " ".repeat(indent);
    lines.iter().map(|line| format!("{gap}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{moment, number, of_side, wrapped};
    use stele_domain::money::{Asset, Units};
    use stele_domain::pair::Side;
    use stele_domain::time::Timestamp;

    #[test]
    fn amounts_read_well_and_say_when_they_are_cut() {
        let of = |units: u128, decimals: u8| {
            of_side(
                Units::new(units),
                &Side { asset: Asset { symbol: "X".into(), decimals }, tokens: vec![] },
            )
        };
        assert_eq!(of(123_456_789_012, 8), "1,234.56789012 X");
        assert_eq!(of(1_234_567_890_123_456_789_000, 18), "1,234.567890… X");
        assert_eq!(of(5_000_000_000_000_000_000, 18), "5 X");
        assert_eq!(of(0, 8), "0 X");
    }

    #[test]
    fn rates_have_two_digits_after_the_point() {
        for (text, shown) in
            [("61046", "61,046.00"), ("999.5", "999.50"), ("1234567.899", "1,234,567.89"), ("1", "1.00")]
        {
            assert_eq!(number(text), shown);
        }
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(50), 4);
        assert!(text.lines().count() > 1);
        assert!(
            text.lines().all(|line| line.starts_with("    word") && line.chars().count() <= 100),
            "{text}"
        );
    }

    #[test]
    fn a_moment_names_its_zone() {
        assert_eq!(moment(Timestamp::from_micros(1)), "1970-01-01 00:00:00 UTC");
    }
}
