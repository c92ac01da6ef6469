//! Reference prices: Kraken's order book, CoinGecko's aggregate, and what an EURe trades at.
//!
//! [`Prices`] is the port [`PriceFeed`](stele_domain::port::feeds::PriceFeed) over all configured sources. A source's
//! words are in `wire.rs`, what they mean in `translate.rs` (pure). Which price counts, and how old it may be, is
//! the core's to say; here is only whether a connection works and what came over it.

pub mod fuzzing;

mod feed;
mod options;

mod coin_gecko;
mod kraken;

mod http;
mod mailbox;
mod number;
mod observe;
mod poll;

pub use feed::{InvalidSources, Prices};
pub use observe::announce;
pub use options::{ApiKey, CoinGeckoOptions, KrakenOptions, Options, Plan};
