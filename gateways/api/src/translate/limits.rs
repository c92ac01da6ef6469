//! Limits, both ways.

use crate::dto;
use crate::problem::Problem;
use std::collections::BTreeMap;
use stele_commands::control::limits_hash;
use stele_domain::ids::TokenId;
use stele_domain::money::{BasisPoints, Units};
use stele_domain::trading::account::event::LimitsSet;
use stele_domain::trading::limits::Limits;

pub(crate) fn version(set: &LimitsSet) -> dto::LimitsVersion {
    dto::LimitsVersion {
        version: set.version,
        effective_from: set.effective_from,
        set_at: set.at,
        reason: set.reason.clone(),
        limits: outward(&set.limits),
        hash: limits_hash(&set.limits),
    }
}

/// Limits in the words of the API.
#[must_use]
pub fn outward(limits: &Limits) -> dto::Limits {
    dto::Limits {
        edge_min_bps: limits.edge_min.0,
        notional_min: limits.notional_min.to_string(),
        notional_max: limits.notional_max.to_string(),
        fallback_notional_max: limits.fallback_notional_max.to_string(),
        buy_base_open_max: limits.buy_base_open_max.to_string(),
        sell_base_open_max: limits.sell_base_open_max.to_string(),
        open_offers_max: limits.open_offers_max,
        open_offers_per_partner_max: limits.open_offers_per_partner_max,
        uncertain_offers_max: limits.uncertain_offers_max,
        cooldown_ms: limits.cooldown_ms,
        price_age_ms_max: limits.price_age_ms_max,
        fallback_age_ms_max: limits.fallback_age_ms_max,
        spread_max_bps: limits.spread_max.0,
        inventory_age_ms_max: limits.inventory_age_ms_max,
        window_ms_min: limits.window_ms_min,
        deadline_ms_max: limits.deadline_ms_max,
        command_age_ms_max: limits.command_age_ms_max,
        clock_skew_ms_max: limits.clock_skew_ms_max,
        answer_probes: limits.answer_probes,
        second_person: limits.second_person,
        floor: limits.floor.iter().map(|(token, units)| (token.to_string(), units.to_string())).collect(),
        base_target: limits.base_target.to_string(),
    }
}

/// The limits that a message means, for who reads one without a desk.
///
/// # Errors
///
/// The first amount or token that makes no sense, in a sentence.
pub fn limits_inward(limits: dto::Limits) -> Result<Limits, String> {
    inward(limits).map_err(|problem| problem.said().detail.clone())
}

/// The limits that a message means; the first amount or token that makes no sense is named.
pub(crate) fn inward(limits: dto::Limits) -> Result<Limits, Problem> {
    let mut floor = BTreeMap::new();
    for (token, amount) in limits.floor {
        let field = format!("limits.floor.{token}");
        let amount = units(&field, &amount)?;
        let token = TokenId::try_from(token).map_err(|error| Problem::field(&field, error.to_string()))?;
        floor.insert(token, amount);
    }
    Ok(Limits {
        edge_min: BasisPoints(limits.edge_min_bps),
        notional_min: units("limits.notional_min", &limits.notional_min)?,
        notional_max: units("limits.notional_max", &limits.notional_max)?,
        fallback_notional_max: units("limits.fallback_notional_max", &limits.fallback_notional_max)?,
        buy_base_open_max: units("limits.buy_base_open_max", &limits.buy_base_open_max)?,
        sell_base_open_max: units("limits.sell_base_open_max", &limits.sell_base_open_max)?,
        open_offers_max: limits.open_offers_max,
        open_offers_per_partner_max: limits.open_offers_per_partner_max,
        uncertain_offers_max: limits.uncertain_offers_max,
        cooldown_ms: limits.cooldown_ms,
        price_age_ms_max: limits.price_age_ms_max,
        fallback_age_ms_max: limits.fallback_age_ms_max,
        spread_max: BasisPoints(limits.spread_max_bps),
        inventory_age_ms_max: limits.inventory_age_ms_max,
        window_ms_min: limits.window_ms_min,
        deadline_ms_max: limits.deadline_ms_max,
        command_age_ms_max: limits.command_age_ms_max,
        clock_skew_ms_max: limits.clock_skew_ms_max,
        answer_probes: limits.answer_probes,
        second_person: limits.second_person,
        floor,
        base_target: units("limits.base_target", &limits.base_target)?,
    })
}

fn units(field: &str, text: &str) -> Result<Units, Problem> {
    text.parse().map_err(|_| {
        let short: String = text.chars().take(80).collect();
        Problem::field(
            field,
            format!("{short:?} is no amount: base units, decimal digits only, at most 256 bits"),
        )
    })
}
