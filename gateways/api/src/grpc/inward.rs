//! From messages to the words of [`dto`](crate::dto). Pure; everything that is missing is named at once.

use super::words::timestamp;
use crate::dto::{self, FieldError};
use crate::problem::Problem;
use crate::reading::Reading;
use std::time::Duration;
use stele_domain::access::{Action, Role};
use stele_proto::api::v1 as pb;
use uuid::Uuid;

/// Fields that have to be there.
#[derive(Default)]
struct Given {
    missing: Vec<FieldError>,
}

impl Given {
    fn take<T: Default>(&mut self, field: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            let message = "must be given: limits are stated whole".to_owned();
            self.missing.push(FieldError { field: format!("limits.{field}"), message });
            T::default()
        })
    }
}

pub(crate) fn arm(request: &pb::ArmRequest) -> Result<dto::Arm, Problem> {
    use pb::arm_request::Term;
    let mode = match request.mode() {
        pb::Mode::Full => dto::Mode::Full,
        pb::Mode::Reducing => dto::Mode::Reducing,
        pb::Mode::Unspecified => return Err(Problem::field("mode", "must be MODE_FULL or MODE_REDUCING")),
    };
    let (for_ms, until) = match &request.term {
        None => (None, None),
        Some(Term::ForMs(for_ms)) => (Some(*for_ms), None),
        Some(Term::Until(until)) => (None, Some(timestamp("until", *until)?)),
    };
    let limits_version = request.limits_version;
    Ok(dto::Arm { reason: request.reason.clone(), mode, for_ms, until, limits_version })
}

pub(crate) fn approve(request: pb::ApproveRequest) -> Result<dto::Approve, Problem> {
    let request_id = Uuid::parse_str(request.request_id.trim());
    let request_id = request_id.map_err(|_| Problem::field("request_id", "must be a UUID"))?;
    Ok(dto::Approve { request_id, limits_hash: request.limits_hash, reason: request.reason })
}

pub(crate) fn set_limits(request: pb::SetLimitsRequest) -> Result<dto::SetLimits, Problem> {
    let limits = request.limits.ok_or_else(|| Problem::field("limits", "must be given"))?;
    Ok(dto::SetLimits {
        limits: self::limits(limits)?,
        limits_version: request.limits_version,
        effective_from: request.effective_from.map(|at| timestamp("effective_from", at)).transpose()?,
        reason: request.reason,
    })
}

fn limits(limits: pb::Limits) -> Result<dto::Limits, Problem> {
    let mut given = Given::default();
    let stated = dto::Limits {
        edge_min_bps: given.take("edge_min_bps", limits.edge_min_bps),
        notional_min: given.take("notional_min", limits.notional_min),
        notional_max: given.take("notional_max", limits.notional_max),
        fallback_notional_max: given.take("fallback_notional_max", limits.fallback_notional_max),
        buy_base_open_max: given.take("buy_base_open_max", limits.buy_base_open_max),
        sell_base_open_max: given.take("sell_base_open_max", limits.sell_base_open_max),
        open_offers_max: given.take("open_offers_max", limits.open_offers_max),
        open_offers_per_partner_max: given
            .take("open_offers_per_partner_max", limits.open_offers_per_partner_max),
        uncertain_offers_max: given.take("uncertain_offers_max", limits.uncertain_offers_max),
        cooldown_ms: given.take("cooldown_ms", limits.cooldown_ms),
        price_age_ms_max: given.take("price_age_ms_max", limits.price_age_ms_max),
        fallback_age_ms_max: given.take("fallback_age_ms_max", limits.fallback_age_ms_max),
        spread_max_bps: given.take("spread_max_bps", limits.spread_max_bps),
        inventory_age_ms_max: given.take("inventory_age_ms_max", limits.inventory_age_ms_max),
        window_ms_min: given.take("window_ms_min", limits.window_ms_min),
        deadline_ms_max: given.take("deadline_ms_max", limits.deadline_ms_max),
        command_age_ms_max: given.take("command_age_ms_max", limits.command_age_ms_max),
        clock_skew_ms_max: given.take("clock_skew_ms_max", limits.clock_skew_ms_max),
        answer_probes: given.take("answer_probes", limits.answer_probes),
        second_person: limits.second_person.unwrap_or_default(),
        floor: limits.floor,
        base_target: given.take("base_target", limits.base_target),
    };
    if given.missing.is_empty() { Ok(stated) } else { Err(Problem::fields(given.missing)) }
}

/// The name of the service that is meant.
pub(crate) fn service(number: i32) -> Result<&'static str, Problem> {
    let service = pb::Service::try_from(number).ok().and_then(super::outward::status::service_named);
    service.map(stele_domain::operations::service::event::Service::name).ok_or_else(|| {
        Problem::not_found("unknown-service", format!("there is no service with the number {number}"))
    })
}

/// The name of the order that is meant; a number that is none stays one, for the desk to refuse.
pub(crate) fn order(number: i32) -> String {
    match pb::Order::try_from(number) {
        Ok(pb::Order::Unspecified | pb::Order::Newest) => "newest".to_owned(),
        Ok(pb::Order::Oldest) => "oldest".to_owned(),
        Ok(pb::Order::Key) => "key".to_owned(),
        Ok(pb::Order::KeyDesc) => "key_desc".to_owned(),
        Err(_) => number.to_string(),
    }
}

/// The key that is wanted.
pub(crate) fn create_key(request: pb::CreateKeyRequest) -> Result<dto::CreateKey, Problem> {
    use pb::create_key_request::Term;
    let role = role(request.role)?;
    let (expires_at, for_ms) = match request.term {
        None => (None, None),
        Some(Term::ExpiresAt(at)) => (Some(timestamp("expires_at", at)?), None),
        Some(Term::ForMs(for_ms)) => (None, Some(for_ms)),
    };
    let scope = request.scope.unwrap_or_default();
    let actions = scope.actions.iter().map(|name| {
        let short: String = name.chars().take(80).collect();
        let unknown = || Problem::field("scope.actions", format!("{short:?} is no action"));
        Action::named(name).ok_or_else(unknown)
    });
    Ok(dto::CreateKey {
        owner: request.owner,
        role,
        label: request.label,
        actions: actions.collect::<Result<_, _>>()?,
        processes: scope.processes.into_iter().collect(),
        expires_at,
        for_ms,
        reason: request.reason,
    })
}

fn role(number: i32) -> Result<Role, Problem> {
    match pb::Role::try_from(number) {
        Ok(pb::Role::Viewer) => Ok(Role::Viewer),
        Ok(pb::Role::Trader) => Ok(Role::Trader),
        Ok(pb::Role::Operator) => Ok(Role::Operator),
        Ok(pb::Role::Admin) => Ok(Role::Admin),
        Ok(pb::Role::Auditor) => Ok(Role::Auditor),
        Ok(pb::Role::Service) => Ok(Role::Service),
        Ok(pb::Role::Unspecified) | Err(_) => Err(Problem::field("role", "must be one of the roles")),
    }
}

/// How current an answer must be.
pub(crate) fn reading(freshness: Option<pb::Freshness>) -> Result<Reading, Problem> {
    let freshness = freshness.unwrap_or_default();
    let wait = freshness.wait.map(Duration::try_from).transpose();
    let wait =
        wait.map_err(|_| Problem::field("freshness.wait", "must be a length of time, not a negative one"))?;
    let as_of = Some(freshness.as_of).filter(|text| !text.is_empty());
    Reading::new(freshness.min_log_position, wait.unwrap_or_default()).with_as_of("freshness.as_of", as_of)
}
