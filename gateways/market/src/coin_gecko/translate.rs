//! What CoinGecko's answer means to us. Pure; tested on the answers in `payloads`.

use crate::number;
use crate::poll::Price;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use stele_domain::time::Timestamp;

/// The field that says when the price was made.
const UPDATED_AT: &str = "last_updated_at";

/// Latest time that is believed, in seconds since 1970: the end of the year 2261.
const SECONDS_MAX: i64 = 9_214_646_399;

/// How much of an answer stands in a reason, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// Reads `{"<coin>":{"<currency>":n,"last_updated_at":seconds}}`. An aggregate names one price: bid and ask are equal.
///
/// Without a time there is no price: the server answers from a cache, so our own time says nothing about its age.
pub fn price(body: &[u8], coin: &str, currency: &str) -> Result<Price, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not text".to_owned())?;
    let coins: BTreeMap<String, Option<&RawValue>> = parse(text)?;
    let fields =
        coins.get(coin).copied().flatten().ok_or_else(|| format!("no {coin} in {}", quoted(text)))?;
    let fields: BTreeMap<String, Option<&RawValue>> = parse(fields.get())?;
    let field = |name: &str| fields.get(name).copied().flatten();
    let rate = number::rate(currency, field(currency))?;
    let seconds = field(UPDATED_AT).and_then(|json| json.get().parse::<i64>().ok());
    let seconds = seconds.filter(|seconds| (0..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("no readable {UPDATED_AT} in {}", quoted(text)))?;
    let (bid, ask) = (rate, rate);
    Ok(Price { bid, ask, at: Timestamp::from_millis(seconds.saturating_mul(1_000)) })
}

fn parse(text: &str) -> Result<BTreeMap<String, Option<&RawValue>>, String> {
    serde_json::from_str(text).map_err(|error| format!("{} in {}", quoted(&error.to_string()), quoted(text)))
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
