//! The shape of the configuration as it is written: plain numbers and texts, one field per key.
//!
//! No field has a default here: `ops/config/default.toml` is the lowest layer and must name every one.

#![expect(clippy::struct_field_names, reason = "the fields are named after the keys")]

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    pub desk: Desk,
    pub client: Client,
    pub pair: Pair,
    pub account: Account,
    pub relay: Relay,
    pub verifier: Verifier,
    pub market: Market,
    pub pricing: Pricing,
    pub limits: Limits,
    pub executor: Executor,
    pub log: Log,
    pub lake: Lake,
    pub api: Api,
    pub kurrent: Kurrent,
    pub access: Access,
    pub database: Database,
    pub read_models: ReadModels,
    pub telemetry: Telemetry,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Desk {
    pub instance: String,
    pub data_dir: String,
    pub socket: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub server: String,
    pub key_file: String,
    pub ca_file: String,
    pub certificate_file: String,
    pub certificate_key_file: String,
    pub plain_http: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub id: String,
    pub base_symbol: String,
    pub base_decimals: u8,
    pub base_tokens: Vec<String>,
    pub quote_symbol: String,
    pub quote_decimals: u8,
    pub quote_tokens: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub id: String,
    pub signing_key_file: String,
    pub signing_key_env: String,
    pub public_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    pub url: String,
    pub token_file: String,
    pub token_env: String,
    pub settlements_extended: bool,
    pub filter_at_relay: bool,
    pub connect_ms_max: u64,
    pub reply_ms_max: u64,
    pub silence_ms_max: u64,
    pub pong_ms_max: u64,
    pub backoff_ms_min: u64,
    pub backoff_ms_max: u64,
    pub default_window_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verifier {
    pub urls: Vec<String>,
    pub contract: String,
    pub providers_min: usize,
    pub poll_ms: u64,
    pub block_age_ms_max: u64,
    pub finality_lag_ms: u64,
    pub request_ms_max: u64,
    pub snapshot_ms_max: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Market {
    pub tick_ms: u64,
    pub primary_age_ms_max: u64,
    pub fallback_age_ms_max: u64,
    pub fallback_allowed: bool,
    pub conflict_max_bps: i64,
    pub peg_band_bps: i64,
    pub basis: String,
    pub fallback_half_spread_bps: i64,
    pub kraken: Kraken,
    pub coin_gecko: CoinGecko,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kraken {
    pub ws_url: String,
    pub symbol: String,
    pub rest_url: String,
    pub rest_pair: String,
    pub silence_ms_max: u64,
    pub channel_silent_ms_max: u64,
    pub rest_poll_ms: u64,
    pub backoff_ms_min: u64,
    pub backoff_ms_max: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoinGecko {
    pub url: String,
    pub coin: String,
    pub peg_coin: String,
    pub currency: String,
    pub watch_peg: bool,
    pub key_env: String,
    pub key_plan: String,
    pub poll_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pricing {
    pub base_bps: i64,
    pub per_second_of_age_bps: i64,
    pub fallback_bps: i64,
    pub assumed_parity_bps: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub edge_min_bps: i64,
    pub spread_max_bps: i64,
    pub notional_min: String,
    pub notional_max: String,
    pub fallback_notional_max: String,
    pub buy_base_open_max: String,
    pub sell_base_open_max: String,
    pub open_offers_max: u32,
    pub open_offers_per_partner_max: u32,
    pub uncertain_offers_max: u32,
    pub cooldown_ms: u64,
    pub price_age_ms_max: u64,
    pub fallback_age_ms_max: u64,
    pub inventory_age_ms_max: u64,
    pub window_ms_min: u64,
    pub deadline_ms_max: u64,
    pub command_age_ms_max: u64,
    pub clock_skew_ms_max: u64,
    pub answer_probes: bool,
    pub second_person: bool,
    pub base_target: String,
    pub floor: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Executor {
    pub lease_ttl_ms: u64,
    pub offer_margin_ms: u64,
    pub nonce_margin_ms: u64,
    pub release_margin_ms: u64,
    pub in_flight_max: usize,
    pub standby: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub url: String,
    pub key_file: String,
    pub ca_file: String,
    pub certificate_file: String,
    pub certificate_key_file: String,
    pub plain_http: bool,
    pub segment_bytes: u64,
    pub room_bytes: u64,
    pub cache_bytes: usize,
    pub witness: String,
    pub witness_keys: Vec<String>,
    pub witness_ca_file: String,
    pub witness_plain_http: bool,
    pub witness_every_ms: u64,
    pub witness_ms_max: u64,
    pub archive: LogArchive,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogArchive {
    pub url: String,
    pub automatic: bool,
    pub keep_segments: u64,
    pub keep_bytes: u64,
    pub keep_age_ms: u64,
    pub keep_events: u64,
    pub region: String,
    pub endpoint: String,
    pub plain_http: bool,
    pub ca_file: String,
    pub access_key_id: String,
    pub secret_access_key_file: String,
    pub secret_access_key_env: String,
    pub cache_bytes: u64,
    pub wait_ms_max: u64,
    pub request_ms_max: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lake {
    pub url: String,
    pub every_ms: u64,
    pub compact_files: usize,
    pub tier_every_ms: u64,
    pub region: String,
    pub endpoint: String,
    pub plain_http: bool,
    pub ca_file: String,
    pub access_key_id: String,
    pub secret_access_key_file: String,
    pub secret_access_key_env: String,
    pub request_ms_max: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub listen: String,
    pub probe_listen: String,
    pub tls_certificate_file: String,
    pub tls_key_file: String,
    pub tls_client_ca_file: String,
    pub tls_client_crl_file: String,
    pub tls_client_required: bool,
    pub plain_tcp: bool,
    pub reads_per_second: u32,
    pub wishes_per_second: u32,
    pub strangers_per_second: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kurrent {
    pub listen: String,
    pub advertise: String,
    pub tls_certificate_file: String,
    pub tls_key_file: String,
    pub plain_tcp: bool,
    pub categories: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    pub pepper_file: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub url: String,
    pub password_file: String,
    pub connections: usize,
    pub private: bool,
    pub strict: bool,
    pub strict_age_ms_max: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadModels {
    pub batch_records_max: usize,
    pub state_every_events: u64,
    pub states_max: usize,
    pub state_disk_bytes_max: u64,
    pub state_memory_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub format: String,
    pub level: String,
    pub namespace: String,
    pub otlp_endpoint: String,
    pub otlp_skipped: bool,
}
