//! Amounts, rates and moments in the terms of the pair.

use crate::amounts;
use stele_domain::ids::TokenId;
use stele_domain::money::{Rate, Units};
use stele_domain::pair::{Pair, Side};
use stele_domain::time::Timestamp;

/// Digits after the point beyond which an amount is cut, and marked as cut.
const PLACES_MAX: usize = 8;
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
    let amount = amounts::rough(units, side.asset.decimals, PLACES_MAX);
    format!("{amount} {}", side.asset.symbol)
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
    format!("{} {} per {}", number(&rate.decimal().to_string()), pair.quote.asset.symbol, pair.base.asset.symbol)
}

/// A decimal number with its thousands apart, cut to [`RATE_PLACES`] digits after the point.
pub(crate) fn number(text: &str) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(index);
        if index > 0 && left % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let shown: String = part.chars().take(RATE_PLACES).collect();
    if shown.is_empty() { grouped } else { format!("{grouped}.{shown:0<RATE_PLACES$}") }
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
