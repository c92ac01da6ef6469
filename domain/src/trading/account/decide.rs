//! How the account decides: arming, limits and leases here; offers in [`offer`].

mod offer;

pub use offer::VALIDITY_SLACK_MS;

use super::command::Command;
use super::event::{Armed, DisarmCause, Disarmed, Event, Killed, LeaseRenewed, LeaseTaken, LimitsSet, Mode};
use super::rejection::Rejection;
use super::state::{Arming, State};
use crate::time::Timestamp;
use crate::trading::limits::Limits;

/// Longest lease: an hour. A dead executor keeps its successor out for no longer.
pub const LEASE_MS_MAX: u64 = 60 * 60 * 1_000;
/// Longest arming: a day.
pub const ARMING_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Shortest reason that says anything, in characters.
const REASON_CHARS_MIN: usize = 3;
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::TakeLease { holder, ttl_ms, at } => take_lease(state, holder, ttl_ms, at),
        Command::RenewLease { epoch, ttl_ms, at } => renew_lease(state, epoch, ttl_ms, at),
        Command::SetLimits { limits, shown, effective_from, reason, at } => {
            shown_limits(state, shown)?;
            set_limits(state, *limits, effective_from, reason, at)
        }
        Command::Arm { mode, limits_version, until, reason, at } => {
            arm(state, &Wish { mode, limits_version, until, at }, reason)
        }
        Command::Disarm { cause, reason, at } => disarm(state, cause, reason, at),
        Command::ExpireArming { at } => Ok(expire_arming(state, at)),
        Command::Kill { reason, at } => Ok(kill(state, reason, at)),
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

fn set_limits(
    state: &State,
    limits: Limits,
    effective_from: Timestamp,
    reason: String,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    reasoned(&reason)?;
    limits.check()?;
    let newest = state.newest_limits();
    // Asking for what holds, or will hold from that moment, changes nothing.
    let already = newest.is_some_and(|set| set.limits == limits && set.effective_from <= effective_from);
    if already {
        return Ok(vec![]);
    }
    let version = newest.map_or(0, |set| set.version).saturating_add(1);
    Ok(vec![Event::LimitsSet(Box::new(LimitsSet { version, limits, effective_from, reason, at }))])
}

struct Wish {
    mode: Mode,
    limits_version: Option<u64>,
    until: Timestamp,
    at: Timestamp,
}

fn arm(state: &State, wish: &Wish, reason: String) -> Result<Vec<Event>, Rejection> {
    reasoned(&reason)?;
    if let Arming::Killed { .. } = state.arming {
        return Err(Rejection::Killed);
    }
    if state.lease.as_ref().is_none_or(|lease| lease.until <= wish.at) {
        return Err(Rejection::NoExecutor);
    }
    let current = state.limits_at(wish.at).ok_or(Rejection::NoLimits)?.version;
    let shown = wish.limits_version.unwrap_or(current);
    if shown != current {
        return Err(Rejection::LimitsMoved { shown, current });
    }
    if wish.until <= wish.at || wish.until > wish.at.plus_millis(ARMING_MS_MAX) {
        return Err(Rejection::BadExpiry { until: wish.until });
    }
    if let Arming::Armed(armed) = &state.arming {
        let same = armed.mode == wish.mode && armed.until == wish.until && armed.limits_version == current;
        if same && armed.reason == reason {
            return Ok(vec![]);
        }
    }
    let armed = Armed { mode: wish.mode, limits_version: current, until: wish.until, reason, at: wish.at };
    Ok(vec![Event::Armed(armed)])
}

fn disarm(state: &State, cause: DisarmCause, reason: String, at: Timestamp) -> Result<Vec<Event>, Rejection> {
    match (&state.arming, cause) {
        (Arming::Disarmed, _)
        // Only a person brings an account back from KILLED.
        | (
            Arming::Killed { .. },
            DisarmCause::Expired | DisarmCause::UnexpectedDrop | DisarmCause::VenueBlocked,
        ) => Ok(vec![]),
        (Arming::Killed { .. }, DisarmCause::Operator) => {
            reasoned(&reason)?;
            Ok(vec![Event::Disarmed(Disarmed { cause, reason, at })])
        }
        // Disarming an armed account is never refused, not even for want of words.
        (Arming::Armed(_), _) => Ok(vec![Event::Disarmed(Disarmed { cause, reason: cut(reason), at })]),
    }
}

fn expire_arming(state: &State, at: Timestamp) -> Vec<Event> {
    match &state.arming {
        Arming::Armed(armed) if armed.until <= at => {
            let reason = format!("armed until {}", armed.until);
            vec![Event::Disarmed(Disarmed { cause: DisarmCause::Expired, reason, at })]
        }
        Arming::Armed(_) | Arming::Disarmed | Arming::Killed { .. } => vec![],
    }
}

fn kill(state: &State, reason: String, at: Timestamp) -> Vec<Event> {
    match state.arming {
        Arming::Killed { .. } => vec![],
        Arming::Disarmed | Arming::Armed(_) => {
            vec![Event::Killed(Killed { reason: cut(reason), open: state.open_signatures(), at })]
        }
    }
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
