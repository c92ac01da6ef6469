//! The account and its limits.

use crate::dto;
use crate::grpc::words::{as_of, direction_named, moment, moment_or_none, token_amount};
use stele_proto::api::v1 as pb;

pub(crate) fn answer(answer: &dto::AccountAnswer) -> pb::GetAccountResponse {
    pb::GetAccountResponse {
        account: Some(account(&answer.account)),
        as_of: Some(as_of(answer.as_of, answer.head)),
    }
}

pub(crate) fn account(account: &dto::Account) -> pb::Account {
    let arming = match account.arming {
        dto::Arming::Disarmed => pb::Arming::Disarmed,
        dto::Arming::Armed => pb::Arming::Armed,
        dto::Arming::Reducing => pb::Arming::Reducing,
        dto::Arming::Killed => pb::Arming::Killed,
    };
    pb::Account {
        stream: account.stream.clone(),
        arming: arming.into(),
        armed: account.armed.as_ref().map(armed),
        killed_at: moment_or_none(account.killed_at),
        lease: account.lease.as_ref().map(lease),
        limits_version: account.limits_version,
        limits_version_newest: account.limits_version_newest,
        open_offers: account.open_offers.iter().map(open_offer).collect(),
        uncertain_offers: account.uncertain_offers,
        reserved: account.reserved.iter().map(token_amount).collect(),
        last_settled_at: moment_or_none(account.last_settled_at),
        arm_requested: account.arm_request.as_ref().map(arm_requested),
        stand_down_requested: account.stand_down_request.as_ref().map(stand_down_requested),
    }
}

fn mode(mode: dto::Mode) -> pb::Mode {
    match mode {
        dto::Mode::Full => pb::Mode::Full,
        dto::Mode::Reducing => pb::Mode::Reducing,
    }
}

fn armed(armed: &dto::Armed) -> pb::Armed {
    pb::Armed {
        mode: mode(armed.mode).into(),
        at: Some(moment(armed.at)),
        until: Some(moment(armed.until)),
        expired: armed.expired,
        limits_version: armed.limits_version,
        reason: armed.reason.clone(),
    }
}

fn arm_requested(request: &dto::ArmRequest) -> pb::ArmRequested {
    pb::ArmRequested {
        request_id: request.request_id.to_string(),
        mode: mode(request.mode).into(),
        until: Some(moment(request.until)),
        limits_version: request.limits_version,
        limits_hash: request.limits_hash.clone(),
        by: request.by.clone(),
        reason: request.reason.clone(),
        at: Some(moment(request.at)),
        expires_at: Some(moment(request.expires_at)),
    }
}

fn stand_down_requested(request: &dto::StandDownRequest) -> pb::StandDownRequested {
    pb::StandDownRequested {
        request_id: request.request_id.to_string(),
        by: request.by.clone(),
        reason: request.reason.clone(),
        at: Some(moment(request.at)),
        expires_at: Some(moment(request.expires_at)),
    }
}

fn lease(lease: &dto::Lease) -> pb::Lease {
    pb::Lease {
        epoch: lease.epoch,
        holder: lease.holder.clone(),
        until: Some(moment(lease.until)),
        lapsed: lease.lapsed,
    }
}

fn open_offer(offer: &dto::OpenOffer) -> pb::OpenOffer {
    pb::OpenOffer {
        command_id: offer.command_id.to_string(),
        decision_id: offer.decision_id.to_string(),
        quote_id: offer.quote_id.clone(),
        quote_hash: offer.quote_hash.clone(),
        pair: offer.pair.clone(),
        direction: direction_named(&offer.direction).into(),
        phase: offer.phase.clone(),
        receive: Some(token_amount(&offer.receive)),
        give: Some(token_amount(&offer.give)),
        notional: offer.notional.clone(),
        started_at: Some(moment(offer.started_at)),
        offer_deadline: Some(moment(offer.offer_deadline)),
    }
}

pub(crate) fn limits_answer(answer: &dto::LimitsAnswer) -> pb::GetLimitsResponse {
    pb::GetLimitsResponse {
        in_force: answer.in_force.as_ref().map(version),
        upcoming: answer.upcoming.as_ref().map(version),
        as_of: Some(as_of(answer.as_of, answer.head)),
    }
}

fn version(version: &dto::LimitsVersion) -> pb::LimitsVersion {
    pb::LimitsVersion {
        version: version.version,
        effective_from: Some(moment(version.effective_from)),
        set_at: Some(moment(version.set_at)),
        reason: version.reason.clone(),
        limits: Some(limits(&version.limits)),
        limits_hash: version.hash.clone(),
    }
}

fn limits(limits: &dto::Limits) -> pb::Limits {
    pb::Limits {
        edge_min_bps: Some(limits.edge_min_bps),
        notional_min: Some(limits.notional_min.clone()),
        notional_max: Some(limits.notional_max.clone()),
        fallback_notional_max: Some(limits.fallback_notional_max.clone()),
        buy_base_open_max: Some(limits.buy_base_open_max.clone()),
        sell_base_open_max: Some(limits.sell_base_open_max.clone()),
        open_offers_max: Some(limits.open_offers_max),
        open_offers_per_partner_max: Some(limits.open_offers_per_partner_max),
        uncertain_offers_max: Some(limits.uncertain_offers_max),
        cooldown_ms: Some(limits.cooldown_ms),
        price_age_ms_max: Some(limits.price_age_ms_max),
        fallback_age_ms_max: Some(limits.fallback_age_ms_max),
        spread_max_bps: Some(limits.spread_max_bps),
        inventory_age_ms_max: Some(limits.inventory_age_ms_max),
        window_ms_min: Some(limits.window_ms_min),
        deadline_ms_max: Some(limits.deadline_ms_max),
        command_age_ms_max: Some(limits.command_age_ms_max),
        clock_skew_ms_max: Some(limits.clock_skew_ms_max),
        answer_probes: Some(limits.answer_probes),
        floor: limits.floor.clone(),
        base_target: Some(limits.base_target.clone()),
        second_person: Some(limits.second_person),
    }
}

pub(crate) fn filter(filter: &dto::Filter) -> pb::GetPairFilterResponse {
    let mode = match filter.mode {
        dto::FilterMode::Configured => pb::FilterMode::Configured,
        dto::FilterMode::Only => pb::FilterMode::Only,
    };
    pb::GetPairFilterResponse {
        mode: mode.into(),
        entries: filter.entries.clone(),
        configured: filter.configured.clone(),
        as_of: Some(as_of(filter.as_of, filter.head)),
    }
}
