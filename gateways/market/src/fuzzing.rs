//! What fuzzers call: the words of price sources, from bytes that they may have sent. Each function takes any bytes, comes
//! to an end without a panic, and whatever is taken for a price is one. It returns what of the bytes was taken, by name.

use crate::coin_gecko::translate as coin_gecko;
use crate::kraken::Book;
use crate::kraken::translate::{self as kraken, Word};

/// Most characters of a reason.
const REASON_CHARS_MAX: usize = 1_024;

/// A message of Kraken's, over WebSocket and over REST.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn kraken(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    if let Ok(text) = std::str::from_utf8(bytes) {
        match kraken::message(text, "BTC/EUR") {
            Word::Ticker(read) => reached.extend(book(read).then_some("ticker")),
            Word::System(text) | Word::SystemUnknown(text) | Word::Refused(text) => {
                short(&text);
                reached.push("word of the system");
            }
            Word::Unreadable(text) => short(&text),
            Word::Alive => reached.push("sign of life"),
        }
    }
    match kraken::rest(bytes) {
        Ok(read) => reached.extend(book(read).then_some("answer")),
        Err(reason) => short(&reason),
    }
    reached
}

/// An answer of CoinGecko's.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn coin_gecko(bytes: &[u8]) -> Vec<&'static str> {
    match coin_gecko::price(bytes, "bitcoin", "eur") {
        Ok(price) => {
            assert!(price.bid == price.ask, "one price is {} and {}", price.bid, price.ask);
            vec!["price"]
        }
        Err(reason) => {
            short(&reason);
            vec![]
        }
    }
}

fn book(read: Result<Book, String>) -> bool {
    match read {
        Ok(book) => {
            assert!(book.bid <= book.ask, "bid {} above ask {}", book.bid, book.ask);
            true
        }
        Err(reason) => {
            short(&reason);
            false
        }
    }
}

/// What a source says must not fill lines and events.
fn short(reason: &str) {
    assert!(reason.chars().count() <= REASON_CHARS_MAX, "a reason of {} bytes", reason.len());
}
