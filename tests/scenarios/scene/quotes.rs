//! The requests that takers make in scenarios. Windows are long: an auction closes as soon as it has an offer.

use super::setup::EURE_UNIT;
use stele_simulator::{EURE, NBTC, Outcome, ScriptedQuote};

/// Longest an auction waits for an offer, in milliseconds.
const WINDOW_MS: u64 = 20_000;
/// Validity that takers ask for, in milliseconds: long enough for every settlement.
const VALIDITY_MS: u64 = 10_000;

/// A taker who gives 100 EURe for BTC: the desk sells base.
pub fn selling(outcome: Outcome) -> ScriptedQuote {
    timed(ScriptedQuote::exact_in(EURE, NBTC, 100 * EURE_UNIT, outcome))
}

/// A taker who gives 0.002 BTC for EURe: the desk buys base.
pub fn buying(outcome: Outcome) -> ScriptedQuote {
    timed(ScriptedQuote::exact_in(NBTC, EURE, 200_000, outcome))
}

fn timed(quote: ScriptedQuote) -> ScriptedQuote {
    quote.with("min_wait_ms", 50).with("max_wait_ms", WINDOW_MS).with("min_deadline_ms", VALIDITY_MS)
}
