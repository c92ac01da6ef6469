//! How a reading of the verifier becomes facts, and when it does not fit what we know we did.
//!
//! Not yet told apart: the nonce of a killed offer that was burnt, which is used without an effect, and our own
//! deposits and withdrawals. Each of them shows as a drift, which is the safe side.

use super::command::{Command, OpenOffer};
use super::event::{
    BalancesObserved, Drift, DriftDetected, Event, InventoryUnavailable, NonceSeen, VenueBlock,
};
use super::rejection::Rejection;
use super::state::State;
use crate::ids::TokenId;
use crate::money::Units;
use crate::port::verifier::Snapshot;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// An outage is stated when it begins, and once in this many milliseconds while it lasts.
pub const OUTAGE_REPEAT_MS: i64 = 60 * 1_000;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Observe { snapshot, asked, pending_in, pending_out, signing_key_present, observed_at } => {
            if snapshot.nonces_used.len() != asked.len() {
                let answered = snapshot.nonces_used.len();
                return Err(Rejection::NoncesMisaligned { asked: asked.len(), answered });
            }
            let blocked = blocks(&snapshot, signing_key_present);
            let nonces = seen(&asked, &snapshot.nonces_used);
            let observed = BalancesObserved {
                height: snapshot.height,
                block_hash: snapshot.block_hash,
                block_at: snapshot.block_at,
                credited: snapshot.balances,
                pending_in,
                pending_out,
                salt: snapshot.salt,
                fee_pips: snapshot.fee_pips,
                blocked,
                nonces,
                providers: snapshot.providers,
                observed_at,
            };
            Ok(observe(state, observed, &asked))
        }
        Command::Unavailable { reason, at } => Ok(unavailable(state, reason, at)),
    }
}

fn observe(state: &State, observed: BalancesObserved, asked: &[OpenOffer]) -> Vec<Event> {
    let Some(last) = &state.last else {
        return vec![Event::BalancesObserved(observed)];
    };
    if observed.height < last.height {
        return behind(state, last, &observed);
    }
    if says_the_same(last, &observed) && !state.is_unavailable() {
        return vec![];
    }
    let drifts = drifts(state, last, &observed, asked);
    let mut events = vec![Event::BalancesObserved(observed)];
    events.extend(drifts);
    events
}

/// A provider that is some blocks behind is passed over. Where nothing newer comes, the balances are not known any more.
fn behind(state: &State, last: &BalancesObserved, observed: &BalancesObserved) -> Vec<Event> {
    if observed.observed_at.millis_since(last.observed_at) < OUTAGE_REPEAT_MS {
        return vec![];
    }
    let reason =
        format!("block {} is older than block {}, which was read before", observed.height, last.height);
    unavailable(state, reason, observed.observed_at)
}

/// The same block with the same content; who was asked and when makes no difference.
fn says_the_same(last: &BalancesObserved, observed: &BalancesObserved) -> bool {
    let aligned =
        BalancesObserved { providers: last.providers, observed_at: last.observed_at, ..observed.clone() };
    *last == aligned
}

/// One for each token whose balance is not what the last balances and our own settlements since make it.
/// A token that was not read before can't drift.
fn drifts(
    state: &State,
    last: &BalancesObserved,
    observed: &BalancesObserved,
    asked: &[OpenOffer],
) -> Vec<Event> {
    let expected = expected(state, last, observed, asked);
    let drift = |(token, now): (&TokenId, &Units)| {
        let expected = *expected.get(token)?;
        let drift = match now.cmp(&expected) {
            std::cmp::Ordering::Less => Drift::Drop,
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => Drift::Credit,
        };
        Some(Event::DriftDetected(DriftDetected {
            token: token.clone(),
            drift,
            expected,
            observed: *now,
            height: observed.height,
            at: observed.observed_at,
        }))
    };
    observed.credited.iter().filter_map(drift).collect()
}

/// The last balances after the offers whose nonces turned used since.
fn expected(
    state: &State,
    last: &BalancesObserved,
    observed: &BalancesObserved,
    asked: &[OpenOffer],
) -> BTreeMap<TokenId, Units> {
    let asked = asked.iter().zip(&observed.nonces);
    let settled: BTreeMap<_, _> = asked
        .filter(|(offer, nonce)| nonce.used && !state.explains(offer.command_id))
        .map(|(offer, _)| (offer.command_id, offer))
        .collect();
    let mut expected = last.credited.clone();
    // What came in first: within one block, what one offer received may pay for another.
    for offer in settled.values() {
        if let Some(balance) = expected.get_mut(&offer.receive.token) {
            // No venue holds 2^256 units; if one says so, the drift says the rest.
            *balance = balance.plus(offer.receive.amount).unwrap_or(*balance);
        }
    }
    for offer in settled.values() {
        if let Some(balance) = expected.get_mut(&offer.give.token) {
            *balance = balance.minus_or_zero(offer.give.amount);
        }
    }
    expected
}

fn seen(asked: &[OpenOffer], used: &[bool]) -> Vec<NonceSeen> {
    let seen = |(offer, used): (&OpenOffer, &bool)| NonceSeen { command_id: offer.command_id, used: *used };
    asked.iter().zip(used).map(seen).collect()
}

/// Why the venue would refuse our signature at this block. A key that was not asked about counts as unknown to
/// the account.
fn blocks(snapshot: &Snapshot, signing_key_present: bool) -> Vec<VenueBlock> {
    let key = match (signing_key_present, snapshot.key_registered) {
        (false, Some(_) | None) => Some(VenueBlock::NoSigningKey),
        (true, Some(true)) => None,
        (true, Some(false) | None) => Some(VenueBlock::KeyNotRegistered),
    };
    let locked = snapshot.account_locked.then_some(VenueBlock::AccountLocked);
    let paused = snapshot.contract_paused.then_some(VenueBlock::ContractPaused);
    [key, locked, paused].into_iter().flatten().collect()
}

fn unavailable(state: &State, reason: String, at: Timestamp) -> Vec<Event> {
    // A clock that was set back must not silence the outage.
    let due = |last: Timestamp| at < last || at.millis_since(last) >= OUTAGE_REPEAT_MS;
    if state.outage_stated_at.is_none_or(due) {
        vec![Event::InventoryUnavailable(InventoryUnavailable { reason, at })]
    } else {
        vec![]
    }
}
