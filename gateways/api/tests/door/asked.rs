//! What the desk is asked for: limits and an arming, as a client writes them.

use std::collections::BTreeMap;
use stele_api::dto;

/// Limits that let the desk trade.
pub fn limits() -> dto::Limits {
    dto::Limits {
        edge_min_bps: 200,
        notional_min: "1000000000000000000".to_owned(),
        notional_max: "100000000000000000000".to_owned(),
        fallback_notional_max: "50000000000000000000".to_owned(),
        buy_base_open_max: "200000000000000000000".to_owned(),
        sell_base_open_max: "200000000000000000000".to_owned(),
        open_offers_max: 4,
        open_offers_per_partner_max: 2,
        uncertain_offers_max: 1,
        cooldown_ms: 0,
        price_age_ms_max: 5_000,
        fallback_age_ms_max: 60_000,
        spread_max_bps: 100,
        inventory_age_ms_max: 30_000,
        window_ms_min: 200,
        deadline_ms_max: 120_000,
        command_age_ms_max: 2_000,
        clock_skew_ms_max: 2_000,
        answer_probes: false,
        second_person: false,
        floor: BTreeMap::from([("nep141:nbtc.bridge.near".to_owned(), "1000".to_owned())]),
        base_target: "5000000".to_owned(),
    }
}

/// Ten minutes of everything.
pub fn arm(reason: &str) -> dto::Arm {
    dto::Arm {
        reason: reason.to_owned(),
        mode: dto::Mode::Full,
        for_ms: Some(600_000),
        until: None,
        limits_version: None,
    }
}
