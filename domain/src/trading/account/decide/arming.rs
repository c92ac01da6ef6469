//! How the account decides who may let offers be made, for how long, and how it ends.

use super::reasoned;
use crate::access::same_person;
use crate::ids::Actor;
use crate::reason::cut;
use crate::time::Timestamp;
use crate::trading::account::command::Asker;
use crate::trading::account::event::{
    ArmApproved, ArmRequested, Armed, DisarmCause, Disarmed, Event, KillConfirmed, Killed, LimitsSet, Mode,
    StandDownAsked,
};
use crate::trading::account::rejection::Rejection;
use crate::trading::account::state::{Arming, Fate, State};
use std::collections::BTreeSet;

/// Longest arming: a day.
pub const ARMING_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// How long a request waits for its approval: fifteen minutes. What was shown is old news after that.
pub const REQUEST_MS_MAX: u64 = 15 * 60 * 1_000;

/// What is wished for.
pub(super) struct Wish {
    pub(super) mode: Mode,
    pub(super) limits_version: Option<u64>,
    pub(super) until: Timestamp,
    pub(super) strategy_start: u64,
    pub(super) at: Timestamp,
}

pub(super) fn arm(state: &State, wish: &Wish, reason: String, asker: Asker) -> Result<Vec<Event>, Rejection> {
    reasoned(&reason)?;
    let limits = armable(state, wish.until, wish.at)?;
    let current = limits.version;
    let shown = wish.limits_version.unwrap_or(current);
    if shown != current {
        return Err(Rejection::LimitsMoved { shown, current });
    }
    let armed = Armed {
        mode: wish.mode,
        limits_version: current,
        strategy_start: wish.strategy_start,
        until: wish.until,
        reason,
        at: wish.at,
    };
    if let Arming::Armed(known) = &state.arming {
        let already = Armed { at: known.at, ..armed.clone() };
        if *known == already {
            return Ok(vec![]);
        }
    }
    if alone(limits, &asker.by) || narrows(&state.arming, &armed) {
        return Ok(vec![Event::Armed(armed)]);
    }
    request(state, armed, asker)
}

/// What must hold for offers to be made at all; the limits under which they would be.
fn armable(state: &State, until: Timestamp, at: Timestamp) -> Result<&LimitsSet, Rejection> {
    if let Arming::Killed { .. } = state.arming {
        return Err(Rejection::Killed);
    }
    if state.lease.as_ref().is_none_or(|lease| lease.until <= at) {
        return Err(Rejection::NoExecutor);
    }
    let limits = state.limits_at(at).ok_or(Rejection::NoLimits)?;
    if until <= at || until > at.plus_millis(ARMING_MS_MAX) {
        return Err(Rejection::BadExpiry { until });
    }
    Ok(limits)
}

/// Whether this person may arm without another: the limits ask for nobody, and it was not they who stopped them
/// from asking.
fn alone(limits: &LimitsSet, by: &Actor) -> bool {
    let dropped = limits.dropped_by.as_ref().is_some_and(|dropper| same_person(dropper, by));
    !limits.limits.second_person && !dropped
}

/// Whether the account is armed already and would only be held shorter: that direction needs nobody's leave.
fn narrows(arming: &Arming, to: &Armed) -> bool {
    match arming {
        Arming::Armed(from) => {
            let mode = match (from.mode, to.mode) {
                (Mode::Full, Mode::Full | Mode::Reducing) | (Mode::Reducing, Mode::Reducing) => true,
                (Mode::Reducing, Mode::Full) => false,
            };
            let same = (to.limits_version, to.strategy_start) == (from.limits_version, from.strategy_start);
            mode && same && to.until <= from.until
        }
        Arming::Disarmed | Arming::Killed { .. } => false,
    }
}

fn request(state: &State, armed: Armed, asker: Asker) -> Result<Vec<Event>, Rejection> {
    if asker.limits_version != armed.limits_version {
        let (shown, current) = (asker.limits_version, armed.limits_version);
        return Err(Rejection::LimitsMoved { shown, current });
    }
    let request = ArmRequested {
        request_id: asker.request_id,
        mode: armed.mode,
        limits_version: armed.limits_version,
        limits_hash: asker.limits_hash,
        strategy_start: armed.strategy_start,
        until: armed.until,
        expires_at: armed.at.plus_millis(REQUEST_MS_MAX).min(armed.until),
        reason: armed.reason,
        by: asker.by,
        at: armed.at,
    };
    let same = |known: &ArmRequested| {
        let (request_id, expires_at, at) = (known.request_id, known.expires_at, known.at);
        *known == ArmRequested { request_id, expires_at, at, ..request.clone() }
    };
    // Asking twice is asking once: whoever was shown the first request can still approve it.
    let already = state.request(request.request_id).is_some()
        || state.waiting(armed.at).is_some_and(|waiting| same(&waiting.asked));
    Ok(if already { vec![] } else { vec![Event::ArmRequested(Box::new(request))] })
}

/// `makers` had a hand in the approver's key.
pub(super) fn approve(
    state: &State,
    approved: ArmApproved,
    makers: &BTreeSet<Actor>,
) -> Result<Vec<Event>, Rejection> {
    let id = approved.request_id;
    if let Some(asked) = state.stand_down.as_ref().filter(|asked| asked.request_id == id) {
        return join(state, asked, &approved, makers);
    }
    let request = state.request(id).ok_or(Rejection::UnknownRequest(id))?;
    let asked = &request.asked;
    let armed = Armed {
        mode: asked.mode,
        limits_version: asked.limits_version,
        strategy_start: asked.strategy_start,
        until: asked.until,
        reason: asked.reason.clone(),
        at: approved.at,
    };
    another(&asked.by, &approved.by, makers)?;
    match request.fate {
        Fate::Waiting => {}
        Fate::Approved if in_force(&state.arming, &armed) => return Ok(vec![]),
        Fate::Approved | Fate::Superseded | Fate::Withdrawn => {
            return Err(Rejection::AlreadyDecided { request_id: id, fate: request.fate.name() });
        }
    }
    if asked.expires_at <= approved.at {
        return Err(Rejection::RequestExpired { request_id: id, expired_at: asked.expires_at });
    }
    let limits = armable(state, asked.until, approved.at)?;
    if asked.limits_hash != approved.limits_hash || asked.limits_version != limits.version {
        return Err(Rejection::LimitsChanged(id));
    }
    let approved = ArmApproved { reason: cut(approved.reason), ..approved };
    Ok(vec![Event::ArmApproved(Box::new(approved)), Event::Armed(armed)])
}

/// Whether who approves is somebody else than who asked, and their key comes from somebody else too.
fn another(asked: &Actor, by: &Actor, makers: &BTreeSet<Actor>) -> Result<(), Rejection> {
    if same_person(asked, by) {
        return Err(Rejection::SamePerson(asked.clone()));
    }
    if makers.iter().any(|maker| same_person(asked, maker)) {
        return Err(Rejection::KeyOfAsker(asked.clone()));
    }
    Ok(())
}

/// Whether the account is armed on these terms, since whenever.
fn in_force(arming: &Arming, armed: &Armed) -> bool {
    matches!(arming, Arming::Armed(known) if *known == Armed { at: known.at, ..armed.clone() })
}

pub(super) fn disarm(
    state: &State,
    cause: DisarmCause,
    reason: String,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    match (&state.arming, cause) {
        // What waits for approval is called off with it.
        (Arming::Disarmed, DisarmCause::Operator) if state.waiting(at).is_some() => {
            Ok(vec![Event::Disarmed(Disarmed { cause, reason: cut(reason), at })])
        }
        (Arming::Disarmed, _)
        // Only a person brings an account back from KILLED, and not by this way.
        | (
            Arming::Killed { .. },
            DisarmCause::Expired
            | DisarmCause::UnexpectedDrop
            | DisarmCause::VenueBlocked
            | DisarmCause::StrategyStarted,
        ) => Ok(vec![]),
        (Arming::Killed { .. }, DisarmCause::Operator) => Err(Rejection::KilledMeanwhile),
        // Disarming an armed account is never refused, not even for want of words.
        (Arming::Armed(_), _) => Ok(vec![Event::Disarmed(Disarmed { cause, reason: cut(reason), at })]),
    }
}

/// The way back from KILLED. Where the limits ask for a second person, the first one's word is kept and the second
/// one's counts.
pub(super) fn stand_down(
    state: &State,
    asked: StandDownAsked,
    makers: &BTreeSet<Actor>,
) -> Result<Vec<Event>, Rejection> {
    match state.arming {
        Arming::Disarmed | Arming::Armed(_) => {
            return disarm(state, DisarmCause::Operator, asked.reason, asked.at);
        }
        Arming::Killed { .. } => {}
    }
    reasoned(&asked.reason)?;
    if state.limits_at(asked.at).is_none_or(|limits| alone(limits, &asked.by)) {
        return Ok(vec![stood_down(asked.reason, asked.at)]);
    }
    match state.standing_down(asked.at) {
        Some(first) if same_person(&first.by, &asked.by) => Ok(vec![]),
        Some(first) => {
            another(&first.by, &asked.by, makers)?;
            Ok(vec![stood_down(asked.reason, asked.at)])
        }
        None => Ok(vec![Event::StandDownAsked(Box::new(asked))]),
    }
}

/// Another person joins in standing down.
fn join(
    state: &State,
    asked: &StandDownAsked,
    approved: &ArmApproved,
    makers: &BTreeSet<Actor>,
) -> Result<Vec<Event>, Rejection> {
    another(&asked.by, &approved.by, makers)?;
    let request_id = asked.request_id;
    match state.arming {
        // It was stood down already, by this person or by another.
        Arming::Disarmed | Arming::Armed(_) => return Ok(vec![]),
        Arming::Killed { .. } => {}
    }
    if asked.expires_at <= approved.at {
        return Err(Rejection::RequestExpired { request_id, expired_at: asked.expires_at });
    }
    Ok(vec![stood_down(asked.reason.clone(), approved.at)])
}

fn stood_down(reason: String, at: Timestamp) -> Event {
    Event::Disarmed(Disarmed { cause: DisarmCause::Operator, reason, at })
}

pub(super) fn expire(state: &State, strategy_start: u64, at: Timestamp) -> Vec<Event> {
    let Arming::Armed(armed) = &state.arming else { return vec![] };
    let over = |cause, reason| vec![Event::Disarmed(Disarmed { cause, reason, at })];
    if let Some(reason) = state.lapsed(at) {
        return over(DisarmCause::Expired, reason);
    }
    if strategy_start > armed.strategy_start {
        let reason = format!(
            "armed for start {} of the strategy; start {strategy_start} has followed",
            armed.strategy_start
        );
        return over(DisarmCause::StrategyStarted, reason);
    }
    vec![]
}

pub(super) fn kill(state: &State, reason: String, at: Timestamp) -> Vec<Event> {
    match state.arming {
        Arming::Killed { .. } => vec![],
        Arming::Disarmed | Arming::Armed(_) => {
            vec![Event::Killed(Killed { reason: cut(reason), open: state.open_signatures(), at })]
        }
    }
}

/// An executor whose lease is over can't speak for the one that has it.
pub(super) fn confirm_kill(state: &State, epoch: u64, at: Timestamp) -> Vec<Event> {
    match state.arming {
        Arming::Killed { .. } if epoch == state.epoch() && !state.kill_confirmed() => {
            vec![Event::KillConfirmed(KillConfirmed { epoch, at })]
        }
        Arming::Killed { .. } | Arming::Disarmed | Arming::Armed(_) => vec![],
    }
}
