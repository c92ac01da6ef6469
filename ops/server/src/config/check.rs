//! From keys and values to what the parts of the desk want, with the key's name in every complaint.

mod archive;
mod bucket;
mod client;
mod kurrent;
mod lake;
mod serving;
mod telemetry;
mod witness;

use super::layers::Layers;
use super::problem::Problem;
use super::raw::{self, Raw};
use super::{Bucket, Config};
use crate::amounts;
use serving::pepper_file;
use std::collections::BTreeMap;
use std::path::PathBuf;
use stele_commands::executor::ExecutorOptions;
use stele_domain::ids::{AccountId, PairId, TokenId};
use stele_domain::market::reference::Policy;
use stele_domain::market::reference::event::BasisMode;
use stele_domain::money::{Asset, BasisPoints, Units};
use stele_domain::pair::{Pair, Side};
use stele_domain::trading::limits::Limits;
use stele_domain::trading::pricing::PricingPolicy;
use stele_intents::key::KeySource;
use stele_market::{ApiKey, CoinGeckoOptions, KrakenOptions, Plan};

/// Longest path of the socket, in bytes: Unix allows 107, and the door needs some to make it in private.
const SOCKET_BYTES_MAX: usize = 90;

/// Turns the layers into a configuration, or names the first value that can't be.
pub(crate) fn checked(layers: &Layers) -> Result<Config, Problem> {
    let check = Check { layers };
    let raw: Raw = layers.table().try_into().map_err(|error| check.unfit(&error))?;
    check.spans(&raw)?;
    let data_dir = PathBuf::from(check.filled("desk.data_dir", &raw.desk.data_dir)?);
    let witness = check.witness(&raw.log, &data_dir)?;
    let pair = check.pair(&raw.pair)?;
    let account = match raw.account.id.as_str() {
        "" => None,
        id => Some(check.parsed("account.id", AccountId::try_from(id.to_owned()))?),
    };
    let config = Config {
        instance: check.filled("desk.instance", &raw.desk.instance)?.to_owned(),
        client: check.client(&raw.client)?,
        socket: check.socket(&raw.desk, &data_dir)?,
        pepper_file: pepper_file(&raw.access, &data_dir),
        data_dir,
        decimals: check.parsed("pair.base_decimals", pair.decimals())?,
        account,
        signing_key: check.secret(
            "account.signing_key",
            &raw.account.signing_key_file,
            &raw.account.signing_key_env,
        )?,
        public_key: check.public_key(&raw.account)?,
        relay_token: check.secret("relay.token", &raw.relay.token_file, &raw.relay.token_env)?,
        relay: check.relay(&raw, &pair)?,
        default_window_ms: raw.relay.default_window_ms,
        verifier: check.verifier(&raw.verifier)?,
        verifier_poll_ms: raw.verifier.poll_ms,
        finality_lag_ms: i64::try_from(raw.verifier.finality_lag_ms).unwrap_or(i64::MAX),
        market: check.market(&raw.market)?,
        market_tick_ms: raw.market.tick_ms,
        policy: check.policy(&raw.market)?,
        pricing: check.pricing(&raw.pricing)?,
        limits: check.limits(&raw.limits, &pair)?,
        pair,
        executor: executor(&raw),
        remote_log: check.remote_log(&raw.log)?,
        doors: check.doors(&raw.api)?,
        kurrent: check.kurrent(&raw.kurrent, raw.log.url.is_empty())?,
        database: check.database(&raw.database)?,
        segment_bytes: raw.log.segment_bytes,
        room_bytes: raw.log.room_bytes,
        cache_bytes: raw.log.cache_bytes,
        archive: check.archive(&raw.log)?,
        lake: check.lake(&raw.lake)?,
        witness,
        batch_records_max: raw.read_models.batch_records_max,
        state_every_events: raw.read_models.state_every_events,
        states_max: raw.read_models.states_max,
        state_disk_bytes_max: raw.read_models.state_disk_bytes_max,
        state_memory_bytes: raw.read_models.state_memory_bytes,
        telemetry: check.telemetry(&raw.telemetry, &raw.desk.instance)?,
        layers: layers.clone(),
    };
    Ok(config)
}

/// Names the first secret of a store that is to come from a variable which does not have it.
pub(crate) fn secrets<'b>(
    layers: &Layers,
    stores: impl IntoIterator<Item = (&'static str, &'b Bucket)>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), Problem> {
    let check = Check { layers };
    stores.into_iter().try_for_each(|(section, bucket)| check.secret_is_set(section, bucket, &variable))
}

/// The signer's part is named after the desk; the rest is numbers.
fn executor(raw: &Raw) -> ExecutorOptions {
    ExecutorOptions {
        instance: raw.desk.instance.clone(),
        lease_ttl_ms: raw.executor.lease_ttl_ms,
        offer_margin_ms: raw.executor.offer_margin_ms,
        nonce_margin_ms: raw.executor.nonce_margin_ms,
        release_margin_ms: raw.executor.release_margin_ms,
        finality_lag_ms: i64::try_from(raw.verifier.finality_lag_ms).unwrap_or(i64::MAX),
        in_flight_max: raw.executor.in_flight_max,
        standby: raw.executor.standby,
        version: crate::VERSION.to_owned(),
    }
}

struct Check<'l> {
    layers: &'l Layers,
}

impl Check<'_> {
    fn refused(&self, key: &str, rule: impl Into<String>) -> Problem {
        let (origin, value) = (self.layers.origin(key), self.layers.shown(key));
        Problem::Refused { key: key.to_owned(), origin, value, rule: rule.into() }
    }

    /// A number that is larger than its field; names and types have been checked key by key before.
    fn unfit(&self, error: &toml::de::Error) -> Problem {
        // The reader names the key on the last line of its words.
        let words = error.to_string();
        let named = words.lines().rev().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        match named {
            Some(key) => self.refused(key, "the number is too large"),
            None => Problem::Defaults(error.message().to_owned()),
        }
    }

    fn parsed<T, E: std::fmt::Display>(&self, key: &str, outcome: Result<T, E>) -> Result<T, Problem> {
        outcome.map_err(|error| self.refused(key, error.to_string()))
    }

    fn filled<'t>(&self, key: &str, text: &'t str) -> Result<&'t str, Problem> {
        if text.trim().is_empty() { Err(self.refused(key, "it may not be empty")) } else { Ok(text) }
    }

    /// An address of one of these kinds, with something behind it.
    fn url(&self, key: &str, text: &str, schemes: [&str; 2]) -> Result<String, Problem> {
        let host = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
        let fits = host.is_some_and(|host| {
            !host.is_empty() && !host.starts_with('/') && !text.contains(char::is_whitespace)
        });
        let [plain, safe] = schemes;
        if fits {
            Ok(text.to_owned())
        } else {
            Err(self.refused(key, format!("an address is expected: {safe}://… or {plain}://…")))
        }
    }

    fn bps(&self, key: &str, number: i64, most: i64) -> Result<BasisPoints, Problem> {
        if (0..=most).contains(&number) {
            Ok(BasisPoints(number))
        } else {
            Err(self.refused(key, format!("0 to {most} basis points are possible")))
        }
    }

    /// Spans and sizes that may not be zero, or may not pass a bound.
    fn spans(&self, raw: &Raw) -> Result<(), Problem> {
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        for (key, value, least, most) in [
            ("relay.connect_ms_max", raw.relay.connect_ms_max, 100, 120_000),
            ("relay.reply_ms_max", raw.relay.reply_ms_max, 100, 120_000),
            ("relay.silence_ms_max", raw.relay.silence_ms_max, 1_000, 600_000),
            ("relay.pong_ms_max", raw.relay.pong_ms_max, 100, 120_000),
            ("relay.backoff_ms_min", raw.relay.backoff_ms_min, 10, 600_000),
            ("relay.backoff_ms_max", raw.relay.backoff_ms_max, raw.relay.backoff_ms_min, 3_600_000),
            ("relay.default_window_ms", raw.relay.default_window_ms, 1, 600_000),
            (
                "verifier.providers_min",
                number(raw.verifier.providers_min),
                1,
                number(raw.verifier.urls.len()).max(1),
            ),
            ("verifier.poll_ms", raw.verifier.poll_ms, 200, 600_000),
            ("verifier.request_ms_max", raw.verifier.request_ms_max, 100, 120_000),
            ("verifier.snapshot_ms_max", raw.verifier.snapshot_ms_max, raw.verifier.request_ms_max, 600_000),
            ("market.tick_ms", raw.market.tick_ms, 10, 60_000),
            ("market.primary_age_ms_max", raw.market.primary_age_ms_max, 1, 3_600_000),
            ("market.fallback_age_ms_max", raw.market.fallback_age_ms_max, 1, 86_400_000),
            (
                "market.kraken.backoff_ms_max",
                raw.market.kraken.backoff_ms_max,
                raw.market.kraken.backoff_ms_min,
                3_600_000,
            ),
            ("market.coin_gecko.poll_ms", raw.market.coin_gecko.poll_ms, 1_000, 86_400_000),
            ("executor.lease_ttl_ms", raw.executor.lease_ttl_ms, 2_000, 600_000),
            ("api.reads_per_second", raw.api.reads_per_second.into(), 1, 1_000_000),
            ("api.strangers_per_second", raw.api.strangers_per_second.into(), 1, 1_000_000),
            ("database.connections", number(raw.database.connections), 1, 256),
            ("api.wishes_per_second", raw.api.wishes_per_second.into(), 1, 1_000_000),
            ("executor.in_flight_max", number(raw.executor.in_flight_max), 1, 64),
            (
                "log.segment_bytes",
                raw.log.segment_bytes,
                stele_event_log::SEGMENT_BYTES_MIN,
                stele_event_log::SEGMENT_BYTES_MAX,
            ),
            ("log.room_bytes", raw.log.room_bytes, 0, 1 << 36),
            ("log.cache_bytes", number(raw.log.cache_bytes), 0, 1 << 36),
            ("log.archive.keep_events", raw.log.archive.keep_events, 0, 1 << 62),
            ("log.archive.keep_age_ms", raw.log.archive.keep_age_ms, 0, 1 << 40),
            ("log.archive.cache_bytes", raw.log.archive.cache_bytes, 1 << 20, 1 << 44),
            ("log.archive.wait_ms_max", raw.log.archive.wait_ms_max, 100, 600_000),
            ("log.archive.request_ms_max", raw.log.archive.request_ms_max, 100, 600_000),
            ("log.witness_every_ms", raw.log.witness_every_ms, 1_000, 86_400_000),
            ("log.witness_ms_max", raw.log.witness_ms_max, 100, 120_000),
            ("read_models.batch_records_max", number(raw.read_models.batch_records_max), 1, 4_096),
            ("read_models.state_every_events", raw.read_models.state_every_events, 0, 100_000),
            ("read_models.states_max", number(raw.read_models.states_max), 4, 16_384),
            ("read_models.state_disk_bytes_max", raw.read_models.state_disk_bytes_max, 1 << 28, 1 << 44),
            (
                "read_models.state_memory_bytes",
                raw.read_models.state_memory_bytes,
                stele_read_store::RUN_MEMORY_BYTES_MIN,
                1 << 36,
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(self.refused(key, format!("{least} to {most} is possible")));
            }
        }
        Ok(())
    }

    fn socket(&self, desk: &raw::Desk, data_dir: &std::path::Path) -> Result<PathBuf, Problem> {
        let socket = if desk.socket.is_empty() {
            data_dir.join(super::SOCKET_FILE)
        } else {
            PathBuf::from(&desk.socket)
        };
        let bytes = socket.as_os_str().len();
        if bytes <= SOCKET_BYTES_MAX {
            return Ok(socket);
        }
        let key = if desk.socket.is_empty() { "desk.data_dir" } else { "desk.socket" };
        let rule = format!(
            "the path of the socket would be {bytes} bytes long, at most {SOCKET_BYTES_MAX} are possible: \
             set `desk.socket` to a shorter one"
        );
        Err(self.refused(key, rule))
    }

    fn pair(&self, raw: &raw::Pair) -> Result<Pair, Problem> {
        let id = self.parsed("pair.id", PairId::try_from(raw.id.clone()))?;
        let base = self.side("base", &raw.base_symbol, raw.base_decimals, &raw.base_tokens)?;
        let quote = self.side("quote", &raw.quote_symbol, raw.quote_decimals, &raw.quote_tokens)?;
        if let Some(both) = base.tokens.iter().find(|token| quote.tokens.contains(token)) {
            return Err(self.refused("pair.quote_tokens", format!("{both} counts as base already")));
        }
        Ok(Pair { id, base, quote })
    }

    fn side(&self, side: &str, symbol: &str, decimals: u8, tokens: &[String]) -> Result<Side, Problem> {
        let key = |name: &str| format!("pair.{side}_{name}");
        self.filled(&key("symbol"), symbol)?;
        if decimals > 38 {
            return Err(self.refused(&key("decimals"), "0 to 38 are possible"));
        }
        if tokens.is_empty() {
            return Err(self.refused(&key("tokens"), "at least one token is expected"));
        }
        let tokens = tokens.iter().map(|token| TokenId::try_from(token.clone())).collect();
        let tokens = self.parsed(&key("tokens"), tokens)?;
        Ok(Side { asset: Asset { symbol: symbol.to_owned(), decimals }, tokens })
    }

    fn secret(&self, key: &str, file: &str, env: &str) -> Result<Option<KeySource>, Problem> {
        match (file, env) {
            ("", "") => Ok(None),
            (file, "") => Ok(Some(KeySource::File(PathBuf::from(file)))),
            ("", env) if env.contains(':') || env.contains('=') => {
                // Somebody put the secret itself here; it must not be printed back.
                let origin = self.layers.origin(&format!("{key}_env"));
                let rule =
                    "the name of an environment variable is expected, never the secret itself".to_owned();
                Err(Problem::Refused {
                    key: format!("{key}_env"),
                    origin,
                    value: "not a name".to_owned(),
                    rule,
                })
            }
            ("", env) => Ok(Some(KeySource::Env(env.to_owned()))),
            (_, _) => {
                Err(self.refused(&format!("{key}_env"), format!("`{key}_file` is set too: one of the two")))
            }
        }
    }

    fn relay(&self, raw: &Raw, pair: &Pair) -> Result<stele_intents::relay::Options, Problem> {
        use stele_intents::relay::{Filters, Options, Streams};
        let relay = &raw.relay;
        let url = self.url("relay.url", &relay.url, ["ws", "wss"])?;
        let tokens: Vec<TokenId> =
            if relay.filter_at_relay { pair.tokens().cloned().collect() } else { vec![] };
        let defaults = self.parsed("relay.url", Options::new(url))?;
        Ok(Options {
            recipient: self
                .parsed("verifier.contract", AccountId::try_from(raw.verifier.contract.clone()))?,
            streams: Streams {
                quotes: true,
                settlements: true,
                settlements_extended: relay.settlements_extended,
            },
            filters: Filters { tokens_in: tokens.clone(), tokens_out: tokens },
            connect_ms_max: relay.connect_ms_max,
            reply_ms_max: relay.reply_ms_max,
            silence_ms_max: relay.silence_ms_max,
            pong_ms_max: relay.pong_ms_max,
            backoff_ms_min: relay.backoff_ms_min,
            backoff_ms_max: relay.backoff_ms_max,
            ..defaults
        })
    }

    fn verifier(&self, raw: &raw::Verifier) -> Result<stele_intents::verifier::Options, Problem> {
        use stele_intents::verifier::Options;
        if raw.urls.is_empty() || raw.urls.len() > 8 {
            return Err(self.refused("verifier.urls", "1 to 8 providers are possible"));
        }
        for url in &raw.urls {
            self.url("verifier.urls", url, ["http", "https"])?;
        }
        let defaults = self.parsed("verifier.urls", Options::new(raw.urls.clone()))?;
        Ok(Options {
            contract: self.parsed("verifier.contract", AccountId::try_from(raw.contract.clone()))?,
            providers_min: raw.providers_min,
            block_age_ms_max: raw.block_age_ms_max,
            request_ms_max: raw.request_ms_max,
            snapshot_ms_max: raw.snapshot_ms_max,
            ..defaults
        })
    }

    fn market(&self, raw: &raw::Market) -> Result<stele_market::Options, Problem> {
        let kraken = &raw.kraken;
        let rest_url = match kraken.rest_url.as_str() {
            "" => None,
            url => Some(self.url("market.kraken.rest_url", url, ["http", "https"])?),
        };
        let kraken = KrakenOptions {
            ws_url: self.url("market.kraken.ws_url", &kraken.ws_url, ["ws", "wss"])?,
            symbol: self.filled("market.kraken.symbol", &kraken.symbol)?.to_owned(),
            rest_url,
            rest_pair: kraken.rest_pair.clone(),
            silence_ms_max: kraken.silence_ms_max,
            channel_silent_ms_max: kraken.channel_silent_ms_max,
            rest_poll_ms: kraken.rest_poll_ms,
            backoff_ms_min: kraken.backoff_ms_min,
            backoff_ms_max: kraken.backoff_ms_max,
            ..KrakenOptions::default()
        };
        let gecko = &raw.coin_gecko;
        if gecko.url.is_empty() {
            return Ok(stele_market::Options { kraken, coin_gecko: None, peg: None });
        }
        let coin = CoinGeckoOptions {
            url: self.url("market.coin_gecko.url", &gecko.url, ["http", "https"])?,
            coin: self.filled("market.coin_gecko.coin", &gecko.coin)?.to_owned(),
            currency: self.filled("market.coin_gecko.currency", &gecko.currency)?.to_owned(),
            poll_ms: gecko.poll_ms,
            key: self.coin_gecko_key(gecko)?,
            ..CoinGeckoOptions::bitcoin()
        };
        let peg = gecko.watch_peg.then(|| CoinGeckoOptions { coin: gecko.peg_coin.clone(), ..coin.clone() });
        Ok(stele_market::Options { kraken, coin_gecko: Some(coin), peg })
    }

    fn coin_gecko_key(&self, raw: &raw::CoinGecko) -> Result<Option<ApiKey>, Problem> {
        let plan = match raw.key_plan.as_str() {
            "demo" => Plan::Demo,
            "pro" => Plan::Pro,
            _ => return Err(self.refused("market.coin_gecko.key_plan", "\"demo\" or \"pro\" is possible")),
        };
        Ok((!raw.key_env.is_empty()).then(|| ApiKey { plan, env: raw.key_env.clone() }))
    }

    fn policy(&self, raw: &raw::Market) -> Result<Policy, Problem> {
        let basis = match raw.basis.as_str() {
            "assumed_parity" => BasisMode::AssumedParity,
            "observed" if raw.coin_gecko.watch_peg && !raw.coin_gecko.url.is_empty() => BasisMode::Observed,
            "observed" => {
                return Err(self.refused(
                    "market.basis",
                    "nobody is asked: set `market.coin_gecko.watch_peg = true` and its url",
                ));
            }
            _ => return Err(self.refused("market.basis", "\"assumed_parity\" or \"observed\" is possible")),
        };
        Ok(Policy {
            primary_age_ms_max: raw.primary_age_ms_max,
            fallback_age_ms_max: raw.fallback_age_ms_max,
            fallback_allowed: raw.fallback_allowed,
            conflict_max: self.bps("market.conflict_max_bps", raw.conflict_max_bps, 5_000)?,
            peg_band: self.bps("market.peg_band_bps", raw.peg_band_bps, 5_000)?,
            basis,
            peg_watched: raw.coin_gecko.watch_peg && !raw.coin_gecko.url.is_empty(),
            fallback_half_spread: self.bps(
                "market.fallback_half_spread_bps",
                raw.fallback_half_spread_bps,
                5_000,
            )?,
        })
    }

    fn pricing(&self, raw: &raw::Pricing) -> Result<PricingPolicy, Problem> {
        Ok(PricingPolicy {
            base: self.bps("pricing.base_bps", raw.base_bps, 5_000)?,
            per_second_of_age: self.bps("pricing.per_second_of_age_bps", raw.per_second_of_age_bps, 5_000)?,
            fallback: self.bps("pricing.fallback_bps", raw.fallback_bps, 5_000)?,
            assumed_parity: self.bps("pricing.assumed_parity_bps", raw.assumed_parity_bps, 5_000)?,
        })
    }

    fn limits(&self, raw: &raw::Limits, pair: &Pair) -> Result<Limits, Problem> {
        let amount = |name: &str, text: &str, decimals: u8| -> Result<Units, Problem> {
            self.parsed(&format!("limits.{name}"), amounts::units_of_whole(text, decimals))
        };
        let quote = |name: &str, text: &str| amount(name, text, pair.quote.asset.decimals);
        let mut floor = BTreeMap::new();
        for (token, text) in &raw.floor {
            let key = format!("floor.{token}");
            let side =
                [&pair.base, &pair.quote].into_iter().find(|s| s.tokens.iter().any(|t| t.as_str() == token));
            let Some(side) = side else {
                return Err(self.refused(&format!("limits.{key}"), "the pair has no such token"));
            };
            let id = self.parsed(&format!("limits.{key}"), TokenId::try_from(token.clone()))?;
            floor.insert(id, amount(&key, text, side.asset.decimals)?);
        }
        let limits = Limits {
            edge_min: BasisPoints(raw.edge_min_bps),
            notional_min: quote("notional_min", &raw.notional_min)?,
            notional_max: quote("notional_max", &raw.notional_max)?,
            fallback_notional_max: quote("fallback_notional_max", &raw.fallback_notional_max)?,
            buy_base_open_max: quote("buy_base_open_max", &raw.buy_base_open_max)?,
            sell_base_open_max: quote("sell_base_open_max", &raw.sell_base_open_max)?,
            open_offers_max: raw.open_offers_max,
            open_offers_per_partner_max: raw.open_offers_per_partner_max,
            uncertain_offers_max: raw.uncertain_offers_max,
            cooldown_ms: raw.cooldown_ms,
            price_age_ms_max: raw.price_age_ms_max,
            fallback_age_ms_max: raw.fallback_age_ms_max,
            spread_max: BasisPoints(raw.spread_max_bps),
            inventory_age_ms_max: raw.inventory_age_ms_max,
            window_ms_min: raw.window_ms_min,
            deadline_ms_max: raw.deadline_ms_max,
            command_age_ms_max: raw.command_age_ms_max,
            clock_skew_ms_max: raw.clock_skew_ms_max,
            answer_probes: raw.answer_probes,
            second_person: raw.second_person,
            floor,
            base_target: amount("base_target", &raw.base_target, pair.base.asset.decimals)?,
        };
        match limits.check() {
            Ok(()) => Ok(limits),
            Err(error) => {
                // The rule names its limit; the key that it is about is the first one that it mentions.
                let words = error.to_string();
                let mentioned = |field: &&super::LimitField| words.contains(&field.name.replace("_bps", ""));
                let name =
                    super::LIMIT_FIELDS.iter().find(mentioned).map_or("edge_min_bps", |field| field.name);
                let key = format!("limits.{name}");
                Err(self.refused(&key, words))
            }
        }
    }
}
