//! CoinGecko's `/simple/price`: an aggregate that lags behind the market, since its server repeats an answer
//! for a while.

use crate::clock::{Nanos, unix_seconds};
use crate::faults::Fault;
use crate::journal::{Body, Direction, Door};
use crate::prices::decimal;
use crate::world::{Shared, World};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Longest answer time that a fault can ask for, in milliseconds.
const SLOW_MS_MAX: u64 = 120_000;

/// Most ids in one request.
const IDS_MAX: usize = 50;

const BITCOIN: &str = "bitcoin";
const EURE: &str = "monerium-eur-money-2";

/// The answer that is repeated.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: Option<(Nanos, u64)>,
}

impl Cache {
    /// Forgets the kept answer.
    pub(crate) fn clear(&mut self) {
        self.kept = None;
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    ids: String,
    #[serde(default)]
    vs_currencies: String,
    #[serde(default)]
    include_last_updated_at: Option<String>,
    #[serde(default)]
    precision: Option<String>,
}

/// What the server is told to do wrong with one request.
struct Mood {
    rate_limited: Option<u32>,
    errors: bool,
    slow_ms: u64,
    age_seconds: u32,
    missing: bool,
    null: bool,
    off_bps: i32,
    eure_off_bps: i32,
}

/// `GET /coingecko/simple/price`.
pub(crate) async fn price(State(shared): State<Arc<Shared>>, Query(params): Query<Params>) -> Response {
    let line = format!(
        "GET /simple/price?ids={}&vs_currencies={}&include_last_updated_at={}&precision={}",
        params.ids,
        params.vs_currencies,
        params.include_last_updated_at.as_deref().unwrap_or_default(),
        params.precision.as_deref().unwrap_or_default(),
    );
    shared.note(Door::Coingecko, Direction::In, 0, Body::Text(line.into()));
    let mood = mood(&mut shared.world());
    if mood.slow_ms > 0 {
        sleep(Duration::from_millis(mood.slow_ms.min(SLOW_MS_MAX))).await;
    }
    let (status, retry_after, text) = answer(&shared, &params, &mood);
    shared.note(Door::Coingecko, Direction::Out, 0, Body::Text(format!("{} {text}", status.as_u16()).into()));
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn mood(world: &mut World) -> Mood {
    let faults = &mut world.faults;
    Mood {
        rate_limited: faults.bite(|fault| {
            if let Fault::CoingeckoRateLimits { retry_after_seconds } = fault {
                Some(*retry_after_seconds)
            } else {
                None
            }
        }),
        errors: faults.bites(&Fault::CoingeckoErrors),
        slow_ms: faults
            .bite(|fault| if let Fault::CoingeckoSlow { by_ms } = fault { Some(*by_ms) } else { None })
            .unwrap_or(0),
        age_seconds: faults
            .bite(
                |fault| {
                    if let Fault::CoingeckoStale { age_seconds } = fault { Some(*age_seconds) } else { None }
                },
            )
            .unwrap_or(0),
        missing: faults.bites(&Fault::CoingeckoMissing),
        null: faults.bites(&Fault::CoingeckoNull),
        off_bps: faults
            .bite(|fault| if let Fault::CoingeckoDeviates { bps } = fault { Some(*bps) } else { None })
            .unwrap_or(0),
        eure_off_bps: faults
            .bite(|fault| if let Fault::EurePegOff { bps } = fault { Some(*bps) } else { None })
            .unwrap_or(0),
    }
}

fn answer(shared: &Shared, params: &Params, mood: &Mood) -> (StatusCode, Option<u32>, String) {
    if let Some(seconds) = mood.rate_limited {
        let text = r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit."}}"#;
        return (StatusCode::TOO_MANY_REQUESTS, Some(seconds), text.to_owned());
    }
    if mood.errors {
        let text = r#"{"error":"internal server error"}"#;
        return (StatusCode::INTERNAL_SERVER_ERROR, None, text.to_owned());
    }
    if params.ids.is_empty() || params.vs_currencies.is_empty() {
        let missing = if params.ids.is_empty() { "ids" } else { "vs_currencies" };
        let text = format!(r#"{{"error":"Missing parameter {missing}"}}"#);
        return (StatusCode::UNPROCESSABLE_ENTITY, None, text);
    }
    let euro = params.vs_currencies.split(',').any(|currency| currency.eq_ignore_ascii_case("eur"));
    let (at, mid_e8) = sampled(shared);
    let updated = unix_seconds(at).saturating_sub(i64::from(mood.age_seconds));
    let mut entries: Vec<String> = vec![];
    for id in params.ids.split(',').take(IDS_MAX) {
        let price_e8 = match id {
            BITCOIN if !mood.missing => off_by(mid_e8, mood.off_bps),
            EURE => off_by(shared.options.feeds.eure_eur_e8, mood.eure_off_bps),
            _ => continue,
        };
        let price = if mood.null && id == BITCOIN { "null".to_owned() } else { shown(price_e8, params) };
        let mut fields: Vec<String> = vec![];
        if euro {
            fields.push(format!(r#""eur":{price}"#));
        }
        if params.include_last_updated_at.as_deref() == Some("true") {
            fields.push(format!(r#""last_updated_at":{updated}"#));
        }
        entries.push(format!(r#""{id}":{{{}}}"#, fields.join(",")));
    }
    (StatusCode::OK, None, format!("{{{}}}", entries.join(",")))
}

/// The market as this server last looked at it.
fn sampled(shared: &Shared) -> (Nanos, u64) {
    let mut world = shared.world();
    let now = shared.clock.now();
    let keeps = Nanos::from(shared.options.feeds.coingecko_cache_seconds) * 1_000_000_000;
    if let Some((at, mid_e8)) = world.coingecko.kept
        && now - at < keeps
    {
        return (at, mid_e8);
    }
    let mid_e8 = world.walk.at(shared.clock.elapsed_ms()).mid_e8;
    world.coingecko.kept = Some((now, mid_e8));
    (now, mid_e8)
}

fn off_by(price_e8: u64, bps: i32) -> u64 {
    let factor = u128::try_from(i64::from(bps).saturating_add(10_000)).unwrap_or(0);
    u64::try_from(u128::from(price_e8) * factor / 10_000).unwrap_or(u64::MAX)
}

/// `precision=full` shows everything; a number of digits that many; the default is two.
fn shown(price_e8: u64, params: &Params) -> String {
    let decimals = match params.precision.as_deref() {
        Some("full") => 8,
        Some(digits) => digits.parse::<u32>().unwrap_or(2).min(8),
        None => 2,
    };
    decimal(price_e8, decimals)
}
