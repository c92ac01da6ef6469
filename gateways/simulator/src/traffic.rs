//! Takers who ask for quotes, from the seed: the same seed gives the same requests, in the same order, with
//! the same intentions, whatever the market does meanwhile.

use crate::options::{QUOTES_PER_MINUTE_MAX, Traffic};
use crate::random::Random;
use crate::relay::auction::publish;
use crate::relay::request::{Outcome, ScriptedQuote};
use crate::tokens::{BTC_LEGACY, EURE, NBTC, OTHERS};
use crate::world::Shared;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Quotes are sent in bursts this far apart, when they are that dense.
const BEAT: Duration = Duration::from_millis(5);

/// Most quotes in one burst, so that a stall is not made up for all at once.
const BURST_MAX: u64 = 200;

/// EUR per BTC that notionals are turned into satoshi with. Fixed, so that requests do not depend on the market.
const NOMINAL_EUR_PER_BTC: u64 = 60_000;

/// The requests of a seed, without end.
#[derive(Debug, Clone)]
pub struct Requests {
    traffic: Traffic,
    random: Random,
}

impl Requests {
    /// The requests of `seed`.
    #[must_use]
    pub fn new(seed: u64, traffic: Traffic) -> Self {
        Self { traffic, random: Random::new(seed, "traffic") }
    }

    fn draw(&mut self) -> ScriptedQuote {
        let traffic = self.traffic.clone();
        let mut data = Map::new();
        data.insert("quote_id".to_owned(), self.random.uuid().into());
        let draw = self.random.between(0, 999);
        let odd = u64::from(traffic.odd_permille);
        let other = odd + u64::from(traffic.other_pairs_permille);
        let router = other + u64::from(traffic.router_permille);
        let dry = router + u64::from(traffic.dry_permille);
        if draw < odd {
            return self.odd(data);
        }
        self.pair(&mut data, draw < other);
        data.insert("min_deadline_ms".to_owned(), traffic.min_deadline_ms.into());
        let (low, high) = traffic.min_wait_ms;
        let wait = self.random.between(low, high);
        let outcome = self.outcome(draw >= other && draw < dry);
        let metadata = if draw >= other && draw < router {
            data.insert("min_wait_ms".to_owned(), 1.into());
            data.insert("max_wait_ms".to_owned(), 50.into());
            data.insert("protocol_fee_included".to_owned(), true.into());
            data.insert(
                "trusted_metadata".to_owned(),
                json!({ "source": "router", "upstream_metadata": {} }),
            );
            self.metadata("router-solver")
        } else {
            data.insert("min_wait_ms".to_owned(), wait.into());
            data.insert("max_wait_ms".to_owned(), wait.saturating_add(traffic.max_wait_extra_ms).into());
            let is_dry = draw >= router && draw < dry;
            data.insert("trusted_metadata".to_owned(), self.one_click(is_dry));
            self.metadata("1click")
        };
        let metadata = Some(metadata);
        ScriptedQuote { data, metadata, outcome, verbatim: true, settlement_ms: None }
    }

    /// Tokens and amount.
    fn pair(&mut self, data: &mut Map<String, Value>, other: bool) {
        let traffic = self.traffic.clone();
        let (low, high) = traffic.notional_eur;
        let eur = self.random.between(low, high);
        let cents = self.random.between(0, 99);
        let selling = self.random.permille(traffic.selling_permille);
        let exact_out = self.random.permille(traffic.exact_out_permille);
        let legacy = self.random.permille(traffic.legacy_btc_permille);
        let pick = self.random.pick(&OTHERS).copied().unwrap_or(OTHERS[0]);
        let btc = if legacy { BTC_LEGACY } else { NBTC };
        let (token_in, token_out) = match (other, selling) {
            (true, true) => (pick, EURE),
            (true, false) => (EURE, pick),
            (false, true) => (btc, EURE),
            (false, false) => (EURE, btc),
        };
        let wei = u128::from(eur * 100 + cents) * 10_u128.pow(16);
        let sat = u128::from((eur * 100 + cents) * 1_000_000 / NOMINAL_EUR_PER_BTC);
        let fixed_is_euro = (token_in == EURE) != exact_out;
        let amount = if fixed_is_euro { wei } else { sat.max(1) };
        let side = if exact_out { "exact_amount_out" } else { "exact_amount_in" };
        data.insert("defuse_asset_identifier_in".to_owned(), token_in.into());
        data.insert("defuse_asset_identifier_out".to_owned(), token_out.into());
        data.insert(side.to_owned(), amount.to_string().into());
    }

    fn outcome(&mut self, never_taken: bool) -> Outcome {
        let traffic = self.traffic.clone();
        let accept_bps = self.bps(traffic.accept_bps);
        let rival = self.bps(traffic.rival_bps);
        let rivalled = self.random.permille(traffic.rival_permille);
        let publishes = self.random.permille(traffic.publish_permille);
        let rival_bps = rivalled.then_some(rival);
        Outcome::ByPrice { accept_bps, rival_bps, publishes: publishes && !never_taken }
    }

    fn bps(&mut self, (low, high): (u32, u32)) -> u32 {
        u32::try_from(self.random.between(low.into(), high.into())).unwrap_or(low)
    }

    fn one_click(&mut self, dry: bool) -> Value {
        let kinds = ["main_quote", "main_quote", "main_quote", "min_deposit_amount", "after_deposit"];
        let kind = self.random.pick(&kinds).copied().unwrap_or("main_quote");
        json!({
            "source": "1click",
            "partner_id": format!("partner-{}", self.random.between(1, 9)),
            "quote_type": kind,
            "quote_request_data": { "dry": dry, "slippageTolerance": self.random.between(10, 300) },
        })
    }

    fn metadata(&mut self, partner: &str) -> Value {
        let trace = crate::random::hex(&self.random.bytes::<16>());
        let span = crate::random::hex(&self.random.bytes::<8>());
        json!({ "traceparent": format!("00-{trace}-{span}-01"), "partner_id": partner })
    }

    /// A request that no sane client sends.
    fn odd(&mut self, mut data: Map<String, Value>) -> ScriptedQuote {
        let kind = self.random.between(0, 9);
        self.pair(&mut data, false);
        data.insert("min_deadline_ms".to_owned(), self.traffic.min_deadline_ms.into());
        data.remove("exact_amount_out");
        let mut set = |field: &str, value: Value| {
            data.insert(field.to_owned(), value);
        };
        match kind {
            0 => set("exact_amount_out", json!("1000")),
            1 => set("exact_amount_in", json!("0")),
            2 => set("exact_amount_in", json!("-5")),
            3 => set("exact_amount_in", json!("1e8")),
            4 => set("exact_amount_in", json!("9".repeat(60))),
            5 => set("min_deadline_ms", json!(600_000)),
            6 => set("defuse_asset_identifier_in", json!(EURE)),
            7 => set("defuse_asset_identifier_out", json!("nep141:unknown.token.near")),
            8 => set("exact_amount_in", json!(1)),
            _ => {}
        }
        if kind == 9 {
            data.remove("exact_amount_in");
        } else {
            data.entry("exact_amount_in").or_insert(json!("100000"));
        }
        ScriptedQuote {
            data,
            metadata: None,
            outcome: Outcome::NobodyTakes,
            verbatim: true,
            settlement_ms: None,
        }
    }
}

impl Iterator for Requests {
    type Item = ScriptedQuote;

    fn next(&mut self) -> Option<ScriptedQuote> {
        Some(self.draw())
    }
}

/// Publishes the requests at their rate until the simulator stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let traffic = shared.options.traffic.clone();
    let per_minute = u64::from(traffic.quotes_per_minute.min(QUOTES_PER_MINUTE_MAX));
    if per_minute == 0 {
        return;
    }
    let mut requests = Requests::new(shared.options.seed, traffic);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = Instant::now();
    let mut sent = 0_u64;
    loop {
        beat.tick().await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = elapsed_ms.saturating_mul(per_minute) / 60_000;
        for _ in 0..due.saturating_sub(sent).min(BURST_MAX) {
            sent += 1;
            if let Some(request) = requests.next() {
                // Nobody is told of a quote that could not be published; it is counted.
                let _ = publish(&shared, request);
            }
        }
    }
}

#[cfg(test)]
mod tests;
