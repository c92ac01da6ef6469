//! How the account decides: limits and leases here; arming in [`arming`], offers in [`offer`].

mod arming;
mod offer;

pub use arming::{ARMING_MS_MAX, REQUEST_MS_MAX};
pub use offer::VALIDITY_SLACK_MS;

use super::command::Command;
use super::event::{ArmApproved, Event, LeaseRenewed, LeaseTaken, LimitsSet};
use super::rejection::Rejection;
use super::state::State;
use crate::time::Timestamp;

/// Longest lease: an hour. A dead executor keeps its successor out for no longer.
pub const LEASE_MS_MAX: u64 = 60 * 60 * 1_000;
/// Shortest reason that says anything, in characters.
const REASON_CHARS_MIN: usize = 3;
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::TakeLease { holder, ttl_ms, at } => take_lease(state, holder, ttl_ms, at),
        Command::RenewLease { epoch, ttl_ms, at } => renew_lease(state, epoch, ttl_ms, at),
        Command::SetLimits { limits, shown, effective_from, reason, by, at } => {
            shown_limits(state, shown)?;
            set_limits(
                state,
                LimitsSet { version: 0, limits: *limits, effective_from, reason, dropped_by: Some(by), at },
            )
        }
        Command::Arm { mode, limits_version, until, reason, asker, at } => {
            arming::arm(state, &arming::Wish { mode, limits_version, until, at }, reason, asker)
        }
        Command::Approve { request_id, limits_hash, reason, by, at } => {
            arming::approve(state, ArmApproved { request_id, limits_hash, reason, by, at })
        }
        Command::Disarm { cause, reason, at } => arming::disarm(state, cause, reason, at),
        Command::ExpireArming { at } => Ok(arming::expire(state, at)),
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
    let Some(lease) = state.lease.as_ref().filter(|lease| lease.epoch == epoch) else {
        return Err(Rejection::LeaseLost { asked: epoch, current: state.epoch() });
    };
    lasting(ttl_ms)?;
    let until = at.plus_millis(ttl_ms);
    if until <= lease.until {
        return Ok(vec![]);
    }
    Ok(vec![Event::LeaseRenewed(LeaseRenewed { epoch, until })])
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

/// Stopping is never refused for its words, so they are cut instead.
fn cut(reason: String) -> String {
    if reason.chars().count() <= REASON_CHARS_MAX {
        reason
    } else {
        reason.chars().take(REASON_CHARS_MAX).collect()
    }
}

fn reasoned(reason: &str) -> Result<(), Rejection> {
    let length = reason.trim().chars().count();
    if (REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&length) {
        Ok(())
    } else {
        Err(Rejection::ReasonMissing)
    }
}
