//! The world outside of the desk: the simulator, and what it is asked to do.

use super::journal::Journal;
use super::place::Place;
use super::settings::{BLOCK_MS, TAKER_DEADLINE_MS};
use crate::exit::Failure;
use std::net::{Ipv4Addr, SocketAddr};
use stele_domain::ids::QuoteId;
use stele_simulator::{
    AccountOptions, BTC_LEGACY, Balance, ChainOptions, EURE, Endpoints, Fault, FeedOptions, Handle, NBTC,
    Options, Outcome, PriceOptions, RelayOptions, Running, Scope, ScriptedQuote, Simulator, Summary, Traffic,
};

/// The desk's account at the simulated verifier.
pub(crate) const ACCOUNT: &str = "paper-desk.near";
/// Half a bitcoin in satoshi.
const NEW_BTC: u128 = 50_000_000;
/// A quarter of a bitcoin in satoshi, in the older token.
const OLD_BTC: u128 = 25_000_000;
/// 40,000 EURe in wei.
const EURO: u128 = 40_000_000_000_000_000_000_000;
/// Quotes a minute that the seed asks for.
const QUOTES_PER_MINUTE: u32 = 150;
/// How long a taker of a scripted quote takes to bring an offer to the chain, in milliseconds.
const SETTLING_MS: u64 = 300;
/// The simulated world.
pub(crate) struct World {
    running: Running,
    handle: Handle,
    asked: u32,
}

impl World {
    /// Starts it: from a seed, with the desk's account funded and its key registered.
    pub(crate) async fn start(seed: u64, place: &Place) -> Result<Self, Failure> {
        let options = options(seed, place);
        let running = Simulator::start(options).await.map_err(|error| Failure::error(&error))?;
        let handle = running.handle();
        Ok(Self { running, handle, asked: 0 })
    }

    /// Where its doors are.
    pub(crate) fn endpoints(&self) -> Endpoints {
        self.running.endpoints()
    }

    /// What has happened so far.
    pub(crate) fn summary(&self) -> Summary {
        self.handle.summary()
    }

    /// Publishes a quote whose outcome is known beforehand. Each one asks for something else.
    pub(crate) fn ask(&mut self, outcome: Outcome, min_deadline_ms: u64) -> Result<QuoteId, Failure> {
        const CENT: u128 = 10_000_000_000_000_000;
        let nth = u128::from(self.asked);
        self.asked = self.asked.wrapping_add(1);
        let (sat, wei) = (120_000 + nth % 7 * 31_000, (9_000 + nth % 5 * 2_350) * CENT);
        let quote = match nth % 4 {
            0 => ScriptedQuote::exact_in(NBTC, EURE, sat, outcome),
            1 => ScriptedQuote::exact_in(EURE, NBTC, wei, outcome),
            2 => ScriptedQuote::exact_out(NBTC, EURE, wei, outcome),
            _ => ScriptedQuote::exact_out(EURE, BTC_LEGACY, sat, outcome),
        };
        let quote = quote
            .with("min_deadline_ms", min_deadline_ms)
            .with("min_wait_ms", 300_u64)
            .with("max_wait_ms", 900_u64)
            .settling_after(SETTLING_MS);
        let id = self.handle.quote(quote).map_err(|error| Failure::error(&error))?;
        QuoteId::try_from(id).map_err(|error| Failure::error(&error))
    }

    /// From now on, or no longer, the relay takes responses in and answers none of them.
    pub(crate) fn swallow_replies(&self, swallow: bool) -> Result<(), Failure> {
        if swallow {
            let fault = Fault::RelaySwallowsReply { processed: true };
            self.handle.fault(fault, Scope::UntilCleared).map_err(|error| Failure::error(&error))?;
        } else {
            self.handle.clear_faults(None);
        }
        Ok(())
    }

    /// Its journal.
    pub(crate) fn journal(&self) -> Journal {
        Journal::of(self.handle.clone())
    }

    /// Closes all doors.
    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }
}

fn options(seed: u64, place: &Place) -> Options {
    let account = AccountOptions {
        account_id: ACCOUNT.to_owned(),
        public_keys: vec![place.public_key().to_owned()],
        balances: vec![
            Balance::new(NBTC, NEW_BTC),
            Balance::new(BTC_LEGACY, OLD_BTC),
            Balance::new(EURE, EURO),
        ],
    };
    Options {
        seed,
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        accounts: vec![account],
        relay: RelayOptions { settlement_ms: (200, 700), ..RelayOptions::default() },
        chain: ChainOptions { block_ms: BLOCK_MS, ..ChainOptions::default() },
        prices: PriceOptions { noise_ppm: 120, ..PriceOptions::default() },
        feeds: FeedOptions { coingecko_cache_seconds: 2, ..FeedOptions::default() },
        traffic: Traffic {
            quotes_per_minute: QUOTES_PER_MINUTE,
            notional_eur: (20, 560),
            min_wait_ms: (300, 600),
            max_wait_extra_ms: 600,
            min_deadline_ms: TAKER_DEADLINE_MS,
            ..Traffic::default()
        },
        ..Options::default()
    }
}
