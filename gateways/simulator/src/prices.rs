//! What one bitcoin costs in euro in the simulated world: a seeded walk that passes through real daily
//! closes. Integers only; the unit is 1e-8 EUR.

use crate::random::Random;
use crate::tokens::RATE_SCALE;
use serde::{Deserialize, Serialize};

/// Daily BTC/EUR closes, oldest first: `date,btc_eur`.
const CLOSES_CSV: &str = include_str!("../data/btc_eur_daily.csv");

/// The market moves once in this many milliseconds.
pub const TICK_MS: u64 = 250;

/// Prices are quoted in steps of 0.1 EUR, as Kraken does for BTC/EUR.
const PRICE_STEP_E8: u64 = 10_000_000;

/// Ticks that a single look may replay; beyond that the walk jumps ahead without noise.
const CATCH_UP_TICKS_MAX: u64 = 100_000;

/// How the walk walks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceOptions {
    /// How long a day of the closes takes, in seconds; at least 1.
    pub day_seconds: u64,
    /// Largest step of the noise per tick, in millionths of the price.
    pub noise_ppm: u32,
    /// Distance from bid to ask, in basis points.
    pub spread_bps: u32,
    /// The first close to pass through; from the seed when `None`. Wraps at the number of closes.
    pub first_day: Option<usize>,
    /// Stand still at this price (1e-8 EUR) instead of walking.
    pub fixed_e8: Option<u64>,
}

impl Default for PriceOptions {
    fn default() -> Self {
        Self { day_seconds: 1_800, noise_ppm: 60, spread_bps: 2, first_day: None, fixed_e8: None }
    }
}

/// The market at one moment. All prices in 1e-8 EUR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Market {
    /// Between bid and ask.
    pub mid_e8: u64,
    /// Best bid.
    pub bid_e8: u64,
    /// Best ask.
    pub ask_e8: u64,
    /// Quantity at the bid, in satoshi.
    pub bid_qty_sat: u64,
    /// Quantity at the ask, in satoshi.
    pub ask_qty_sat: u64,
    /// Lowest mid so far.
    pub low_e8: u64,
    /// Highest mid so far.
    pub high_e8: u64,
    /// Mid at the start.
    pub open_e8: u64,
}

/// Why the closes cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the daily closes is not `date,price`: {text:?}")]
pub struct BadCloses {
    /// Line number, the header being 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// The walk.
#[derive(Debug)]
pub struct Walk {
    closes_e8: Vec<u64>,
    options: PriceOptions,
    random: Random,
    first_day: u64,
    tick: u64,
    noise_ppm: i64,
    market: Market,
}

impl Walk {
    /// A walk from `seed`.
    pub fn new(seed: u64, options: PriceOptions) -> Result<Self, BadCloses> {
        let closes_e8 = closes(CLOSES_CSV)?;
        let mut random = Random::new(seed, "prices");
        let days = u64::try_from(closes_e8.len()).unwrap_or(u64::MAX);
        let drawn = random.between(0, days - 1);
        let first_day = options.first_day.and_then(|day| u64::try_from(day).ok()).unwrap_or(drawn) % days;
        let mut walk = Self {
            closes_e8,
            options,
            random,
            first_day,
            tick: 0,
            noise_ppm: 0,
            market: Market::around(0, 0),
        };
        let mid = walk.mid_e8();
        walk.market = Market::around(mid, walk.options.spread_bps);
        Ok(walk)
    }

    /// The market `elapsed_ms` after the start. Time that runs backwards stands still.
    pub fn at(&mut self, elapsed_ms: u64) -> Market {
        let wanted = elapsed_ms / TICK_MS;
        if wanted.saturating_sub(self.tick) > CATCH_UP_TICKS_MAX {
            self.tick = wanted - CATCH_UP_TICKS_MAX;
        }
        while self.tick < wanted {
            self.tick += 1;
            self.step();
        }
        self.market
    }

    /// Stands still at `price_e8` from now on, or walks again.
    pub fn fix(&mut self, price_e8: Option<u64>) {
        self.options.fixed_e8 = price_e8;
        self.step();
    }

    fn step(&mut self) {
        let reach = i64::from(self.options.noise_ppm);
        let draw = self.random.between(0, self.options.noise_ppm.into()) * 2;
        let step = i64::try_from(draw).unwrap_or(0) - reach;
        // Pulled back by 1 % per tick, so that the walk keeps passing near the closes.
        self.noise_ppm = self.noise_ppm * 99 / 100 + step;
        let before = self.market;
        let mut market = Market::around(self.mid_e8(), self.options.spread_bps);
        market.bid_qty_sat = self.random.between(1_000_000, 400_000_000);
        market.ask_qty_sat = self.random.between(1_000_000, 400_000_000);
        market.low_e8 = before.low_e8.min(market.mid_e8);
        market.high_e8 = before.high_e8.max(market.mid_e8);
        market.open_e8 = before.open_e8;
        self.market = market;
    }

    fn mid_e8(&self) -> u64 {
        if let Some(fixed) = self.options.fixed_e8 {
            return fixed;
        }
        let day_ms = u128::from(self.options.day_seconds.max(1)) * 1_000;
        let walked_ms = u128::from(self.tick) * u128::from(TICK_MS);
        let (days, into) = (walked_ms / day_ms, walked_ms % day_ms);
        let (from, to) = (self.close(days), self.close(days + 1));
        let line = (from * (day_ms - into) + to * into) / day_ms;
        let factor = u128::try_from(1_000_000 + self.noise_ppm.clamp(-100_000, 100_000)).unwrap_or(1_000_000);
        u64::try_from(line * factor / 1_000_000).unwrap_or(u64::MAX)
    }

    /// The close `days` after the first, turning round at either end so that there is never a jump.
    fn close(&self, days: u128) -> u128 {
        let last = u128::try_from(self.closes_e8.len()).unwrap_or(1).saturating_sub(1).max(1);
        let along = (u128::from(self.first_day) + days) % (2 * last);
        let index = if along > last { 2 * last - along } else { along };
        let index = usize::try_from(index).unwrap_or(0);
        self.closes_e8.get(index).copied().unwrap_or_default().into()
    }
}

impl Market {
    fn around(mid_e8: u64, spread_bps: u32) -> Self {
        let half = u64::try_from(u128::from(mid_e8) * u128::from(spread_bps) / 20_000).unwrap_or(0);
        let bid_e8 = mid_e8.saturating_sub(half) / PRICE_STEP_E8 * PRICE_STEP_E8;
        let ask_e8 = mid_e8.saturating_add(half).div_ceil(PRICE_STEP_E8).saturating_mul(PRICE_STEP_E8);
        let ask_e8 = ask_e8.max(bid_e8.saturating_add(PRICE_STEP_E8));
        Self {
            mid_e8,
            bid_e8,
            ask_e8,
            bid_qty_sat: 50_000_000,
            ask_qty_sat: 50_000_000,
            low_e8: mid_e8,
            high_e8: mid_e8,
            open_e8: mid_e8,
        }
    }
}

/// A price or quantity in 1e-8 as decimal text with `decimals` digits, the rest dropped.
#[must_use]
pub fn decimal(value_e8: u64, decimals: u32) -> String {
    let (whole, fraction) = (u128::from(value_e8) / RATE_SCALE, u128::from(value_e8) % RATE_SCALE);
    if decimals == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(decimals.min(8)).unwrap_or(8);
    let digits = format!("{fraction:08}");
    format!("{whole}.{}", &digits[..width])
}

/// Decimal text in 1e-8; digits beyond the eighth are dropped.
#[must_use]
pub fn parse_e8(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("00000000".chars()).take(8).collect();
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(&digits) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(100_000_000)?.checked_add(digits.parse().ok()?)
}

fn closes(csv: &str) -> Result<Vec<u64>, BadCloses> {
    let mut closes = Vec::with_capacity(1_000);
    for (index, text) in csv.lines().enumerate().skip(1) {
        let price = text.split_once(',').and_then(|(_, price)| parse_e8(price)).filter(|price| *price > 0);
        let bad = || BadCloses { line: index + 1, text: text.chars().take(80).collect() };
        closes.push(price.ok_or_else(bad)?);
    }
    if closes.len() < 2 {
        return Err(BadCloses { line: 2, text: String::new() });
    }
    Ok(closes)
}

#[cfg(test)]
mod tests;
