//! How the account decides: limits and leases here; arming in [`arming`], offers in [`offer`].

mod arming;
mod offer;
mod price;
mod terms;

pub use arming::{ARMING_MS_MAX, REQUEST_MS_MAX};
pub use offer::VALIDITY_SLACK_MS;
pub use price::NOTIONAL_TOLERANCE;

use super::command::Command;
use super::event::{ArmApproved, Event, LeaseRenewed, LeaseTaken, LimitsSet, StandDownAsked};
use super::rejection::Rejection;
use super::state::State;
use crate::time::Timestamp;

/// Longest lease: an hour. A dead executor keeps its successor out for no longer.
pub const LEASE_MS_MAX: u64 = 60 * 60 * 1_000;
/// How far back limits may be dated: a day, in milliseconds. Long enough for clocks that differ and for midnight.
pub const EFFECTIVE_PAST_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// How far ahead limits may be dated: a year of 366 days, in milliseconds. What lies further is a slip of units.
pub const EFFECTIVE_AHEAD_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::TakeLease { holder, ttl_ms, at } => take_lease(state, holder, ttl_ms, at),
        Command::RenewLease { epoch, ttl_ms, at } => renew_lease(state, epoch, ttl_ms, at),
        Command::ReturnLease { epoch, at } => return_lease(state, epoch, at),
        Command::SetLimits { limits, shown, effective_from, reason, by, at } => {
            shown_limits(state, shown)?;
            set_limits(
                state,
                LimitsSet { version: 0, limits: *limits, effective_from, reason, dropped_by: Some(by), at },
            )
        }
        Command::Arm { mode, limits_version, until, reason, strategy_start, asker, at } => {
            let wish = arming::Wish { mode, limits_version, until, strategy_start, at };
            arming::arm(state, &wish, reason, asker)
        }
        Command::Approve { request_id, limits_hash, reason, by, makers, at } => {
            arming::approve(state, ArmApproved { request_id, limits_hash, reason, by, at }, &makers)
        }
        Command::StandDown { request_id, reason, by, makers, at } => {
            let expires_at = at.plus_millis(REQUEST_MS_MAX);
            arming::stand_down(state, StandDownAsked { request_id, expires_at, reason, by, at }, &makers)
        }
        Command::Disarm { cause, reason, at } => arming::disarm(state, cause, reason, at),
        Command::ExpireArming { strategy_start, at } => Ok(arming::expire(state, strategy_start, at)),
        Command::Kill { reason, at } => Ok(arming::kill(state, reason, at)),
        Command::ConfirmKill { epoch, at } => Ok(arming::confirm_kill(state, epoch, at)),
        Command::Execute(execute) => Ok(offer::execute(state, &execute)),
        Command::Abandon { command_id, why, at } => offer::abandon(state, command_id, why, at),
        Command::RecordAccepted { command_id, reply, at } => offer::accepted(state, command_id, reply, at),
        Command::RecordRejected { command_id, reply, late, at } => {
            offer::rejected(state, command_id, reply, late, at)
        }
        Command::RecordUncertain { command_id, why, at } => offer::uncertain(state, command_id, why, at),
        Command::RecordSettlementWord { quote_hash, word, tx_hash, at } => {
            Ok(offer::settlement_word(state, &quote_hash, word, tx_hash, at))
        }
        Command::ApplyBalances(apply) => Ok(offer::apply_balances(state, &apply)),
    }
}

/// Taking twice is two leases, on purpose: a restarted instance must find a new epoch and a disarmed account even
/// when no time has passed.
fn take_lease(state: &State, holder: String, ttl_ms: u64, at: Timestamp) -> Result<Vec<Event>, Rejection> {
    lasting(ttl_ms)?;
    if let Some(lease) = &state.lease {
        // The same instance, restarted, need not wait for itself: its predecessor is gone.
        if lease.holder != holder && lease.until > at {
            return Err(Rejection::LeaseHeld { holder: lease.holder.clone(), until: lease.until });
        }
    }
    let epoch = state.epoch().saturating_add(1);
    Ok(vec![Event::LeaseTaken(LeaseTaken { epoch, holder, at, until: at.plus_millis(ttl_ms) })])
}

fn renew_lease(state: &State, epoch: u64, ttl_ms: u64, at: Timestamp) -> Result<Vec<Event>, Rejection> {
    let lease = lease_of(state, epoch)?;
    lasting(ttl_ms)?;
    let until = at.plus_millis(ttl_ms);
    if until <= lease.until {
        return Ok(vec![]);
    }
    Ok(vec![Event::LeaseRenewed(LeaseRenewed { epoch, until })])
}

/// The end of a lease moves to now, if it lies ahead: a lease that ends early is the same fact as one that ends late.
fn return_lease(state: &State, epoch: u64, at: Timestamp) -> Result<Vec<Event>, Rejection> {
    if lease_of(state, epoch)?.until <= at {
        return Ok(vec![]);
    }
    Ok(vec![Event::LeaseRenewed(LeaseRenewed { epoch, until: at })])
}

fn lease_of(state: &State, epoch: u64) -> Result<&LeaseTaken, Rejection> {
    let lease = state.lease.as_ref().filter(|lease| lease.epoch == epoch);
    lease.ok_or(Rejection::LeaseLost { asked: epoch, current: state.epoch() })
}

/// Two people who read, change and write must not undo each other unseen.
fn shown_limits(state: &State, shown: Option<u64>) -> Result<(), Rejection> {
    let current = state.newest_limits().map_or(0, |set| set.version);
    match shown {
        Some(shown) if shown != current => Err(Rejection::LimitsMoved { shown, current }),
        Some(_) | None => Ok(()),
    }
}

/// `set` names who sets it; that stays only where the second person is dropped, and as long as nobody asks for one
/// again. Its version is given here.
fn set_limits(state: &State, mut set: LimitsSet) -> Result<Vec<Event>, Rejection> {
    reasoned(&set.reason)?;
    set.limits.check()?;
    let earliest_seen = set.effective_from.plus_millis(EFFECTIVE_PAST_MS_MAX);
    if earliest_seen < set.at || set.effective_from > set.at.plus_millis(EFFECTIVE_AHEAD_MS_MAX) {
        return Err(Rejection::BadEffectiveFrom { from: set.effective_from });
    }
    let newest = state.newest_limits();
    // Asking for what holds, or will hold from that moment, changes nothing.
    let already =
        newest.is_some_and(|known| known.limits == set.limits && known.effective_from <= set.effective_from);
    if already {
        return Ok(vec![]);
    }
    set.version = newest.map_or(0, |known| known.version).saturating_add(1);
    set.dropped_by = match newest {
        Some(known) if !set.limits.second_person => {
            if known.limits.second_person {
                set.dropped_by
            } else {
                known.dropped_by.clone()
            }
        }
        Some(_) | None => None,
    };
    Ok(vec![Event::LimitsSet(Box::new(set))])
}

fn lasting(ttl_ms: u64) -> Result<(), Rejection> {
    if (1..=LEASE_MS_MAX).contains(&ttl_ms) {
        Ok(())
    } else {
        Err(Rejection::BadTtl { ttl_ms, max: LEASE_MS_MAX })
    }
}

fn reasoned(reason: &str) -> Result<(), Rejection> {
    if crate::reason::suffices(reason) { Ok(()) } else { Err(Rejection::ReasonMissing) }
}
