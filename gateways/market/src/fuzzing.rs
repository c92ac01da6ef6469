//! What fuzzers call: the words of price sources, from bytes that they may have sent. Each function takes any bytes, comes
//! to an end without a panic, and whatever is taken for a price is one.

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
pub fn kraken(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match kraken::message(text, "BTC/EUR") {
            Word::Ticker(read) => book(read),
            Word::System(text) | Word::SystemUnknown(text) | Word::Refused(text) | Word::Unreadable(text) => {
                short(&text);
            }
            Word::Alive => {}
        }
    }
    match kraken::rest(bytes) {
        Ok(read) => book(read),
        Err(reason) => short(&reason),
    }
}

/// An answer of CoinGecko's.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn coin_gecko(bytes: &[u8]) {
    match coin_gecko::price(bytes, "bitcoin", "eur") {
        Ok(price) => assert!(price.bid == price.ask, "one price is {} and {}", price.bid, price.ask),
        Err(reason) => short(&reason),
    }
}

fn book(read: Result<Book, String>) {
    match read {
        Ok(book) => assert!(book.bid <= book.ask, "bid {} above ask {}", book.bid, book.ask),
        Err(reason) => short(&reason),
    }
}

/// What a source says must not fill lines and events.
fn short(reason: &str) {
    assert!(reason.chars().count() <= REASON_CHARS_MAX, "a reason of {} bytes", reason.len());
}
