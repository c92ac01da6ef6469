//! The tokens that the simulated world knows, and fair value between BTC and EURe in exact integers.

use serde::{Deserialize, Serialize};

/// EURe on Gnosis, bridged; 18 decimals.
pub const EURE: &str = "nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near";
/// BTC through the Omni bridge; 8 decimals.
pub const NBTC: &str = "nep141:nbtc.bridge.near";
/// BTC through the older bridge; 8 decimals.
pub const BTC_LEGACY: &str = "nep141:btc.omft.near";
/// Tokens of other pairs that pass through the relay.
pub const OTHERS: [&str; 4] = [
    "nep141:wrap.near",
    "nep141:17208628f84f5d6ad33f0da3bbbeb27ffcb398eac501a31bd6ad2011e36133a1",
    "nep141:eth-0xdac17f958d2ee523a2206206994597c13d831ec7.omft.near",
    "nep141:sol.omft.near",
];

/// Rates are EUR per BTC in units of 1e-8 EUR.
pub const RATE_SCALE: u128 = 100_000_000;

/// Wei of EURe for one satoshi at a rate of 1e-8: 10^18 / (10^8 × 10^8).
const WEI_PER_SAT_AND_RATE_UNIT: u128 = 100;

/// Whether the token is one of the two forms of BTC.
#[must_use]
pub fn is_btc(token: &str) -> bool {
    token == NBTC || token == BTC_LEGACY
}

/// Which amount the taker has fixed, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exact {
    /// The taker gives exactly this.
    In(u128),
    /// The taker receives exactly this.
    Out(u128),
}

/// The amount of the free side at the fair rate: what the taker would receive (rounded down) or give
/// (rounded up) without any edge. `None` for a pair without a fair rate, and when it does not fit.
#[must_use]
pub fn fair_amount(token_in: &str, token_out: &str, exact: Exact, rate_e8: u128) -> Option<u128> {
    let wei_per_sat = rate_e8.checked_mul(WEI_PER_SAT_AND_RATE_UNIT).filter(|unit| *unit > 0)?;
    let btc_in = is_btc(token_in) && token_out == EURE;
    let btc_out = token_in == EURE && is_btc(token_out);
    match exact {
        Exact::In(sat) if btc_in => sat.checked_mul(wei_per_sat),
        Exact::Out(wei) if btc_in => Some(wei.div_ceil(wei_per_sat)),
        Exact::In(wei) if btc_out => Some(wei / wei_per_sat),
        Exact::Out(sat) if btc_out => sat.checked_mul(wei_per_sat),
        Exact::In(_) | Exact::Out(_) => None,
    }
}

/// How much worse than fair an offer is for the taker, in basis points rounded towards worse; negative is
/// better than fair. `None` when fair is zero or the figures do not fit.
#[must_use]
pub fn distance_bps(exact: Exact, fair: u128, offered: u128) -> Option<i64> {
    let (fair, offered) = (i128::try_from(fair).ok()?, i128::try_from(offered).ok()?);
    let worse = match exact {
        Exact::In(_) => fair.checked_sub(offered)?,
        Exact::Out(_) => offered.checked_sub(fair)?,
    };
    if fair == 0 {
        return None;
    }
    let scaled = worse.checked_mul(10_000)?;
    let floor = scaled.div_euclid(fair);
    let up = i128::from(scaled.rem_euclid(fair) != 0);
    i64::try_from(floor + up).ok()
}

/// The offer that is `bps` basis points worse for the taker than fair, rounded against the taker.
#[must_use]
pub fn offer_at(exact: Exact, fair: u128, bps: u32) -> Option<u128> {
    let bps = u128::from(bps.min(10_000));
    match exact {
        Exact::In(_) => Some(fair.checked_mul(10_000 - bps)? / 10_000),
        Exact::Out(_) => Some(fair.checked_mul(10_000 + bps)?.div_ceil(10_000)),
    }
}

/// Whether offer `a` is better for the taker than offer `b`.
#[must_use]
pub fn better(exact: Exact, a: u128, b: u128) -> bool {
    match exact {
        Exact::In(_) => a > b,
        Exact::Out(_) => a < b,
    }
}

#[cfg(test)]
mod tests;
