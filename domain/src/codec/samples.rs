//! One of each event, for golden files and catalogues: the same values on every call, full of what could have
//! been. They tell one story: a taker gives 0.001 BTC for EURe, and the desk answers and is executed.

mod access;
mod intents;
mod market;
mod operations;
mod trading;
mod treasury;

use crate::event::Event;
use crate::ids::{CommandId, DecisionId, EventId, PairId, QuoteHash, QuoteId, TokenId, derived};
use crate::money::{Rate, Units};
use crate::port::venue::TokenAmount;
use crate::time::Timestamp;
use std::fmt::Debug;

/// One of each event type, in the order of [`super::EVENT_TYPES`]. Deterministic.
#[must_use]
pub fn samples() -> Vec<Event> {
    let mut samples = market::samples();
    samples.extend(intents::samples());
    samples.extend(treasury::samples());
    samples.extend(trading::samples());
    samples.extend(operations::samples());
    samples.extend(access::samples());
    samples
}

/// 2026-11-20T18:24:38Z.
const START_MS: i64 = 1_795_199_078_000;

/// A moment of the story, in milliseconds from its start.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START_MS).plus_millis(millis)
}

/// A value written down in these files.
#[expect(
    clippy::expect_used,
    reason = "the texts are constants of these files, and a test builds all of them"
)]
fn valid<T, E: Debug>(value: Result<T, E>) -> T {
    value.expect("a constant of the samples is valid")
}

fn quote_id() -> QuoteId {
    valid("c9c7e0a2-0d0f-4f5b-9a53-1f4a2f6f4f52".to_owned().try_into())
}

fn pair() -> PairId {
    valid("btc-eure".to_owned().try_into())
}

fn btc() -> TokenId {
    valid("nep141:nbtc.bridge.near".to_owned().try_into())
}

fn eure() -> TokenId {
    valid("nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near".to_owned().try_into())
}

fn quote_hash() -> QuoteHash {
    valid("8yFNEk7GmRcM3NMJihwCKXt8ZANLpL2koVFWWH1MEEj".to_owned().try_into())
}

fn tx_hash() -> String {
    "4reRi4pS2ZDm2WcUqpDUjYn3hTgLCDXA3jVd5C7ZJy8Q".to_owned()
}

fn block_hash() -> String {
    "HmXjWXvqMNAa3mDkYwW8cy1Q1cmxFhVQn8ehjFv8vTjt".to_owned()
}

fn decision_id() -> DecisionId {
    DecisionId::of_quote("btc-eure", &quote_id())
}

fn command_id() -> CommandId {
    CommandId::of_decision(decision_id())
}

/// An event that others refer to.
fn event_id(name: &str) -> EventId {
    EventId(derived("sample", &[name]))
}

fn rate(text: &str) -> Rate {
    valid(text.parse())
}

fn units(text: &str) -> Units {
    valid(text.parse())
}

/// 0.001 BTC.
fn receive() -> TokenAmount {
    TokenAmount { token: btc(), amount: units("100000") }
}

/// What 0.001 BTC are worth at 57,123.45, less 2.02 %.
fn give() -> TokenAmount {
    TokenAmount { token: eure(), amount: units("55969556310000000000") }
}

/// What 0.001 BTC are worth at the bid.
fn notional() -> Units {
    units("57120100000000000000")
}
