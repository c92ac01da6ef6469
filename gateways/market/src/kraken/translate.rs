//! What Kraken's messages mean to us. Pure; tested on the messages in `payloads`.

use super::{Book, wire};
use crate::number;
use serde_json::value::RawValue;
use stele_domain::time::Timestamp;

/// How much of Kraken's text stands in a reason, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// What a WebSocket message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    /// How the whole system is: `online`, `cancel_only`, `maintenance`, `post_only`.
    System(String),
    /// It was about the whole system, and nobody can tell what it says.
    SystemUnknown(String),
    /// The best prices changed, or were named; or something was that is no price.
    Ticker(Result<Book, String>),
    /// The subscription was refused.
    Refused(String),
    /// Alive, and nothing more.
    Alive,
    /// It could not be read.
    Unreadable(String),
}

/// Reads a WebSocket message about one market.
pub fn message(text: &str, symbol: &str) -> Word {
    read(text, symbol).unwrap_or_else(Word::Unreadable)
}

/// Reads the REST ticker. The outer error is about the answer, the inner one about the book in it.
pub fn rest(body: &[u8]) -> Result<Result<Book, String>, String> {
    let answer: wire::RestAnswer<'_> = serde_json::from_slice(body)
        .map_err(|error| format!("not a ticker: {}", quoted(&error.to_string())))?;
    if !answer.error.is_empty() {
        return Err(quoted(&answer.error.join("; ")));
    }
    // Kraken answers under another name than it was asked by, but it answers about one market.
    let markets = answer.result.unwrap_or_default();
    let mut markets = markets.into_values();
    let (Some(ticker), None) = (markets.next(), markets.next()) else {
        return Err("the ticker is not about one market".into());
    };
    Ok(book(ticker.b.first().copied(), ticker.a.first().copied(), None))
}

fn read(text: &str, symbol: &str) -> Result<Word, String> {
    let message: wire::Message<'_> = serde_json::from_str(text)
        .map_err(|error| format!("not a message: {}", quoted(&error.to_string())))?;
    match (message.method.as_deref(), message.channel.as_deref()) {
        (Some("subscribe"), _) if message.success == Some(false) => {
            Ok(Word::Refused(quoted(message.error.as_deref().unwrap_or("no reason given"))))
        }
        (Some("subscribe" | "pong"), _) | (_, Some("heartbeat")) => Ok(Word::Alive),
        (_, Some("status")) => Ok(system(message.data)),
        (_, Some("ticker")) => {
            let tickers: Vec<wire::Ticker<'_>> = entries(message.data)?;
            // The last word on our market; Kraken sends one per message.
            let ours = tickers.iter().rev().find(|ticker| ticker.symbol == symbol);
            Ok(ours
                .map_or(Word::Alive, |ticker| Word::Ticker(book(ticker.bid, ticker.ask, ticker.timestamp))))
        }
        (Some(other), _) | (None, Some(other)) => {
            Err(format!("neither asked for nor known: {}", quoted(other)))
        }
        (None, None) => Err("neither method nor channel".into()),
    }
}

/// The worst of all that is said of the system: one entry is usual, and none hides another.
fn system(data: Option<&RawValue>) -> Word {
    let said = entries::<Vec<wire::Status>>(data);
    let worst =
        said.map(|said| said.into_iter().map(|status| status.system).max_by_key(|word| badness(word)));
    match worst {
        Ok(Some(word)) => Word::System(quoted(&word)),
        Ok(None) => Word::SystemUnknown("a status without an entry".into()),
        Err(why) => Word::SystemUnknown(quoted(&format!("a status that can't be read: {why}"))),
    }
}

/// How far a state of the system is from trading as usual; a word that is not known may mean anything.
fn badness(word: &str) -> u8 {
    match word {
        "online" => 0,
        "post_only" => 1,
        "cancel_only" => 2,
        "maintenance" => 3,
        _ => 4,
    }
}

fn entries<'a, T: serde::Deserialize<'a>>(data: Option<&'a RawValue>) -> Result<T, String> {
    let data = data.ok_or("no data")?;
    serde_json::from_str(data.get()).map_err(|error| format!("data: {}", quoted(&error.to_string())))
}

/// Two prices above zero, the bid not above the ask. A time that can't be read is left out: it only informs.
fn book(bid: Option<&RawValue>, ask: Option<&RawValue>, at: Option<&RawValue>) -> Result<Book, String> {
    let (bid, ask) = (number::rate("bid", bid)?, number::rate("ask", ask)?);
    if bid > ask {
        return Err(format!("crossed book: bid {bid} above ask {ask}"));
    }
    let at = at.and_then(|json| serde_json::from_str::<String>(json.get()).ok());
    Ok(Book { bid, ask, source_at: at.and_then(|text| Timestamp::parse(&text).ok()) })
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
