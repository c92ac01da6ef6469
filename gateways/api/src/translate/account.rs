//! The account, as it is told.

use crate::dto::{self, TokenAmount};
use std::collections::BTreeMap;
use stele_domain::port::venue;
use stele_domain::time::Timestamp;
use stele_domain::trading::account::State;
use stele_domain::trading::account::event::{self, LeaseTaken, Mode};
use stele_domain::trading::account::state::{Arming, OpenOffer};

/// The account as of `now`: an arming that has run out, or whose lease has ended, lets no offer out.
pub(crate) fn account(stream: &str, state: &State, now: Timestamp) -> dto::Account {
    let lease = state.lease().map(|taken| lease(taken, now));
    let may_sign = lease.as_ref().is_some_and(|lease| !lease.lapsed);
    let (armed, killed_at) = match state.arming() {
        Arming::Disarmed => (None, None),
        Arming::Armed(terms) => (Some(armed(terms, now)), None),
        Arming::Killed { at } => (None, Some(*at)),
    };
    let arming = match (&armed, killed_at) {
        (_, Some(_)) => dto::Arming::Killed,
        (Some(armed), None) if may_sign && !armed.expired => match armed.mode {
            dto::Mode::Full => dto::Arming::Armed,
            dto::Mode::Reducing => dto::Arming::Reducing,
        },
        (Some(_) | None, None) => dto::Arming::Disarmed,
    };
    dto::Account {
        stream: stream.to_owned(),
        arming,
        armed,
        arm_request: state.waiting(now).map(|request| arm_request(&request.asked)),
        stand_down_request: state.standing_down(now).map(stand_down_request),
        killed_at,
        lease,
        limits_version: state.limits_at(now).map(|set| set.version),
        limits_version_newest: state.newest_limits().map(|set| set.version),
        open_offers: state.open().values().map(open_offer).collect(),
        uncertain_offers: u64::try_from(state.uncertain()).unwrap_or(u64::MAX),
        reserved: reserved(state),
        last_settled_at: state.last_settled_at(),
    }
}

pub(crate) fn mode_in(mode: dto::Mode) -> Mode {
    match mode {
        dto::Mode::Full => Mode::Full,
        dto::Mode::Reducing => Mode::Reducing,
    }
}

fn mode_out(mode: Mode) -> dto::Mode {
    match mode {
        Mode::Full => dto::Mode::Full,
        Mode::Reducing => dto::Mode::Reducing,
    }
}

fn arm_request(asked: &event::ArmRequested) -> dto::ArmRequest {
    dto::ArmRequest {
        request_id: asked.request_id.0,
        mode: mode_out(asked.mode),
        limits_version: asked.limits_version,
        limits_hash: asked.limits_hash.clone(),
        until: asked.until,
        expires_at: asked.expires_at,
        by: asked.by.to_string(),
        reason: asked.reason.clone(),
        at: asked.at,
    }
}

fn stand_down_request(asked: &event::StandDownAsked) -> dto::StandDownRequest {
    dto::StandDownRequest {
        request_id: asked.request_id.0,
        by: asked.by.to_string(),
        reason: asked.reason.clone(),
        at: asked.at,
        expires_at: asked.expires_at,
    }
}

fn armed(terms: &event::Armed, now: Timestamp) -> dto::Armed {
    dto::Armed {
        mode: mode_out(terms.mode),
        at: terms.at,
        until: terms.until,
        expired: terms.until <= now,
        limits_version: terms.limits_version,
        reason: terms.reason.clone(),
    }
}

fn lease(taken: &LeaseTaken, now: Timestamp) -> dto::Lease {
    dto::Lease {
        epoch: taken.epoch,
        holder: taken.holder.clone(),
        until: taken.until,
        lapsed: taken.until <= now,
    }
}

fn open_offer(offer: &OpenOffer) -> dto::OpenOffer {
    let started = &offer.started;
    dto::OpenOffer {
        command_id: started.command_id.0,
        decision_id: started.decision_id.0,
        quote_id: started.quote_id.to_string(),
        quote_hash: started.prepared.quote_hash.to_string(),
        pair: started.pair.to_string(),
        direction: started.direction.name().to_owned(),
        phase: offer.phase.name().to_owned(),
        receive: token_amount(&started.receive),
        give: token_amount(&started.give),
        notional: started.notional.to_string(),
        started_at: started.at,
        offer_deadline: started.offer_deadline,
    }
}

fn reserved(state: &State) -> Vec<TokenAmount> {
    let tokens: BTreeMap<_, _> = state
        .open()
        .values()
        .map(|offer| &offer.started.give.token)
        .map(|token| (token, state.reserved(token)))
        .collect();
    let amount = |(token, amount): (&stele_domain::ids::TokenId, stele_domain::money::Units)| TokenAmount {
        token: token.to_string(),
        amount: amount.to_string(),
    };
    tokens.into_iter().map(amount).collect()
}

pub(crate) fn open_signature(open: &event::OpenSignature) -> dto::OpenSignature {
    dto::OpenSignature {
        command_id: open.command_id.0,
        quote_hash: open.quote_hash.to_string(),
        give: token_amount(&open.give),
        offer_deadline: open.offer_deadline,
    }
}

fn token_amount(amount: &venue::TokenAmount) -> TokenAmount {
    TokenAmount { token: amount.token.to_string(), amount: amount.amount.to_string() }
}
