//! What every gate said, in one line of text, as `trading.Decided` keeps it:
//! `running pass no no; price_fresh pass 52ms 5000ms; edge deny:edge_too_small 35bps 50bps`.
//!
//! The gate, its answer, what it saw, the limit. A measure is `unknown`, `52ms`, `201bps`, `57120100u` (base units of a
//! token), a bare count, `yes` or `no`. In the first version of the event every answer was an object with named fields:
//! these were most of what a decision took on disk and in time. Tables and doors show that form still.

use super::{Answer, Gate, GateResult, Measure, Reason};
use crate::money::{BasisPoints, Units};
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::ser::Serializer;
use std::fmt;

/// What one answer takes, as a rule.
const ANSWER_BYTES: usize = 40;

/// What stands between two answers.
const NEXT: &str = "; ";

/// What gates said, in one line.
#[must_use]
pub fn line(gates: &[GateResult]) -> String {
    let mut out = String::with_capacity(gates.len().saturating_mul(ANSWER_BYTES));
    for (i, result) in gates.iter().enumerate() {
        if i > 0 {
            out.push_str(NEXT);
        }
        push(&mut out, result);
    }
    out
}

fn push(out: &mut String, result: &GateResult) {
    out.push_str(result.gate.code());
    match result.answer {
        Answer::Pass => out.push_str(" pass "),
        Answer::NotAsked => out.push_str(" not_asked "),
        Answer::Deny(reason) => {
            out.push_str(" deny:");
            out.push_str(reason.code());
            out.push(' ');
        }
    }
    push_measure(out, result.observed);
    out.push(' ');
    push_measure(out, result.limit);
}

fn push_measure(out: &mut String, measure: Measure) {
    let mut digits = itoa::Buffer::new();
    match measure {
        Measure::Unknown => out.push_str("unknown"),
        Measure::Millis(span) => {
            out.push_str(digits.format(span));
            out.push_str("ms");
        }
        Measure::Bps(BasisPoints(share)) => {
            out.push_str(digits.format(share));
            out.push_str("bps");
        }
        Measure::Units(units) => {
            units.write(out);
            out.push('u');
        }
        Measure::Count(count) => out.push_str(digits.format(count)),
        Measure::Flag(true) => out.push_str("yes"),
        Measure::Flag(false) => out.push_str("no"),
    }
}

/// What a line says.
///
/// # Errors
///
/// The first part of it that is no answer.
pub fn parse(line: &str) -> Result<Vec<GateResult>, &str> {
    let mut gates = Vec::with_capacity(Gate::ALL.len());
    let mut rest = line;
    while !rest.is_empty() {
        // Gates come in their order: the next one is mostly the one that is looked for first.
        let likely = Gate::ALL.get(gates.len()).copied();
        let (result, after) = answer(rest, likely).ok_or_else(|| first(rest))?;
        gates.push(result);
        rest = after;
    }
    Ok(gates)
}

/// The part of a line that ends before the next answer.
fn first(line: &str) -> &str {
    line.split_once(NEXT).map_or(line, |(first, _)| first)
}

/// The first answer of a line, and what stands after it.
fn answer(line: &str, likely: Option<Gate>) -> Option<(GateResult, &str)> {
    let expected = likely.and_then(|gate| Some((gate, line.strip_prefix(gate.code())?.strip_prefix(' ')?)));
    let (gate, line) = if let Some(found) = expected {
        found
    } else {
        let (name, line) = word(line)?;
        (Gate::ALL.into_iter().find(|gate| gate.code() == name)?, line)
    };
    let (answer, line) = match line.strip_prefix("pass ") {
        Some(line) => (Answer::Pass, line),
        None => answered(line)?,
    };
    let (observed, line) = measure(line)?;
    let (limit, line) = measure(line.strip_prefix(' ')?)?;
    let after = match line.strip_prefix(NEXT) {
        Some("") => return None,
        Some(next) => next,
        None if line.is_empty() => line,
        None => return None,
    };
    Some((GateResult { gate, answer, observed, limit }, after))
}

/// Any answer but a pass, and what stands after it.
fn answered(line: &str) -> Option<(Answer, &str)> {
    let (said, line) = word(line)?;
    if said == "not_asked" {
        return Some((Answer::NotAsked, line));
    }
    let code = said.strip_prefix("deny:")?;
    Some((Answer::Deny(Reason::ALL.into_iter().find(|known| known.code() == code)?), line))
}

/// A word and what stands after the space behind it.
fn word(line: &str) -> Option<(&str, &str)> {
    let end = line.bytes().position(|byte| byte == b' ')?;
    Some((line.get(..end)?, line.get(end..)?.get(1..)?))
}

/// A measure, and what stands after it, which is for the caller to look at.
fn measure(line: &str) -> Option<(Measure, &str)> {
    let digits = line.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'-')).unwrap_or(line.len());
    let (number, line) = line.split_at_checked(digits)?;
    if number.is_empty() {
        let words =
            [("no", Measure::Flag(false)), ("yes", Measure::Flag(true)), ("unknown", Measure::Unknown)];
        return words.into_iter().find_map(|(word, means)| Some((means, line.strip_prefix(word)?)));
    }
    if let Some(line) = line.strip_prefix("ms") {
        return Some((Measure::Millis(number.parse().ok()?), line));
    }
    if let Some(line) = line.strip_prefix("bps") {
        return Some((Measure::Bps(BasisPoints(number.parse().ok()?)), line));
    }
    if let Some(line) = line.strip_prefix('u') {
        return Some((Measure::Units(number.parse::<Units>().ok()?), line));
    }
    Some((Measure::Count(number.parse().ok()?), line))
}

/// Writes answers as a line.
///
/// # Errors
///
/// Whatever the format says.
pub fn serialize<S: Serializer>(gates: &[GateResult], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&line(gates))
}

/// Reads answers from a line or, as the first version has them, from a list of objects.
///
/// # Errors
///
/// What is no answer is said.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GateResult>, D::Error> {
    deserializer.deserialize_any(Answers)
}

/// What gates said.
struct Answers;

impl<'de> Visitor<'de> for Answers {
    type Value = Vec<GateResult>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gates, each with its answer, what it saw and the limit")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Self::Value, E> {
        parse(line).map_err(|part| E::invalid_value(Unexpected::Str(part), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut gates = Vec::with_capacity(Gate::ALL.len());
        while let Some(gate) = list.next_element()? {
            gates.push(gate);
        }
        Ok(gates)
    }
}

#[cfg(test)]
mod tests;
