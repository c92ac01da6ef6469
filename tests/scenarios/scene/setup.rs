//! What a scenario starts from: a simulated world, a configuration, limits and a key. The spans are short, so that
//! each scenario takes seconds; what is awaited has long deadlines, so that a slow machine makes it slow and not red.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stele_api::dto::Limits;
use stele_intents::key::{KeySource, SigningKey};
use stele_intents::nep413;
use stele_simulator::{
    AccountOptions, BTC_LEGACY, Balance, ChainOptions, EURE, Endpoints, FeedOptions, NBTC, Options,
    RelayOptions, Traffic,
};
use toml::{Table, Value};

/// The desk's account.
pub const ACCOUNT: &str = "desk.near";
/// What it holds of the newer BTC token at the start, in satoshi: 0.1 BTC.
pub const BTC_UNITS: u128 = 10_000_000;
/// One EURe in base units.
pub const EURE_UNIT: u128 = 1_000_000_000_000_000_000;
/// How long after its deadline, in block time, an unused offer counts as dead, in milliseconds.
pub const RELEASE_MARGIN_MS: i64 = 300;
/// Time between two blocks, in milliseconds.
const BLOCK_MS: u64 = 150;

/// What the key file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A key that the account knows.
    Registered,
    /// Nothing: there is no file.
    Missing,
    /// Text that is no key.
    Malformed,
}

/// What a scenario starts from.
pub struct Setup {
    pub world: Options,
    pub limits: Limits,
    pub key: Key,
    config: Vec<(&'static str, Value)>,
}

impl Default for Setup {
    fn default() -> Self {
        let world = Options {
            relay: RelayOptions {
                min_wait_floor_ms: 50,
                grace_ms: 50,
                settlement_ms: (50, 100),
                ..RelayOptions::default()
            },
            chain: ChainOptions { block_ms: BLOCK_MS, ..ChainOptions::default() },
            feeds: FeedOptions {
                coingecko_cache_seconds: 0,
                kraken_heartbeat_ms: 200,
                ..FeedOptions::default()
            },
            traffic: Traffic::quiet(),
            ..Options::default()
        };
        Self { world, limits: limits(), key: Key::Registered, config: vec![] }
    }
}

impl Setup {
    /// The same with a setting changed: `section.key`.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.config.push((key, value.into()));
        self
    }

    /// The same with limits changed.
    pub fn limited(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// The same with this in place of the signing key.
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// The same with two providers that must agree.
    pub fn with_two_providers(self) -> Self {
        self.with("verifier.providers_min", 2)
    }

    /// The world with the desk's account in it.
    pub(super) fn peopled(&self, public_key: &str) -> Options {
        let account = AccountOptions {
            account_id: ACCOUNT.to_owned(),
            public_keys: vec![public_key.to_owned()],
            balances: vec![
                Balance::new(NBTC, BTC_UNITS),
                Balance::new(BTC_LEGACY, BTC_UNITS),
                Balance::new(EURE, 100_000 * EURE_UNIT),
            ],
        };
        Options { accounts: vec![account], ..self.world.clone() }
    }

    /// The configuration file for a desk in this folder.
    pub(super) fn config(&self, folder: &Path, doors: &Endpoints) -> String {
        self.config_with(folder, doors, vec![])
    }

    /// The same with what one process of several has for itself.
    pub(super) fn config_with(&self, folder: &Path, doors: &Endpoints, own: Vec<(&str, Value)>) -> String {
        let mut config = Table::new();
        let path = |name: &str| Value::from(folder.join(name).to_string_lossy().into_owned());
        let urls = vec![doors.near.clone(), doors.near2.clone()];
        let ours: Vec<(&str, Value)> = vec![
            ("desk.instance", "scenario".into()),
            ("desk.data_dir", path("data")),
            ("api.listen", "".into()),
            ("desk.socket", path("s")),
            ("account.id", ACCOUNT.into()),
            ("account.signing_key_file", path("key")),
            ("relay.url", doors.relay_ws.clone().into()),
            ("relay.settlements_extended", true.into()),
            ("relay.reply_ms_max", 2_000.into()),
            ("relay.backoff_ms_min", 50.into()),
            ("relay.backoff_ms_max", 400.into()),
            ("verifier.urls", urls.into()),
            ("verifier.providers_min", 1.into()),
            ("verifier.poll_ms", 200.into()),
            ("verifier.finality_lag_ms", Value::Integer(3 * i64::try_from(BLOCK_MS).unwrap_or(0))),
            ("market.tick_ms", 50.into()),
            ("market.kraken.ws_url", doors.kraken_ws.clone().into()),
            ("market.kraken.rest_url", doors.kraken_rest.clone().into()),
            ("market.kraken.rest_poll_ms", 300.into()),
            ("market.kraken.backoff_ms_min", 50.into()),
            ("market.kraken.backoff_ms_max", 400.into()),
            ("market.coin_gecko.url", doors.coingecko.clone().into()),
            ("market.coin_gecko.poll_ms", 1_000.into()),
            ("executor.lease_ttl_ms", 5_000.into()),
            ("executor.offer_margin_ms", 300.into()),
            ("executor.release_margin_ms", RELEASE_MARGIN_MS.into()),
            ("telemetry.format", "json".into()),
        ];
        let changed = self.config.iter().map(|(key, value)| (*key, value.clone()));
        for (key, value) in ours.into_iter().chain(changed).chain(own) {
            put(&mut config, key, value);
        }
        toml::to_string(&config).expect("a table of plain values")
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            put(section.as_table_mut().expect("a section"), rest, value);
        }
    }
}

/// Writes a file that only its owner can read.
pub fn private(path: &Path, content: &str) {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
}

/// Puts the signing key where the configuration looks for it, and gives its public half.
pub(super) fn make_key(path: &Path, key: Key) -> String {
    let text = nep413::text(&[7; 32]);
    private(path, &text);
    let public_key =
        SigningKey::load(&KeySource::File(path.to_owned())).expect("a key").public_key().to_owned();
    match key {
        Key::Registered => {}
        Key::Missing => std::fs::remove_file(path).expect("the key file"),
        Key::Malformed => private(path, "ed25519:this-is-no-key"),
    }
    public_key
}

/// Limits that leave room for everything but what a scenario is about.
fn limits() -> Limits {
    let eure = |whole: u128| (whole * EURE_UNIT).to_string();
    Limits {
        edge_min_bps: 200,
        notional_min: eure(1),
        notional_max: eure(1_000),
        fallback_notional_max: eure(500),
        buy_base_open_max: eure(20_000),
        sell_base_open_max: eure(20_000),
        open_offers_max: 100,
        open_offers_per_partner_max: 100,
        uncertain_offers_max: 100,
        cooldown_ms: 0,
        price_age_ms_max: 30_000,
        fallback_age_ms_max: 180_000,
        spread_max_bps: 60,
        inventory_age_ms_max: 30_000,
        window_ms_min: 150,
        deadline_ms_max: 60_000,
        command_age_ms_max: 20_000,
        clock_skew_ms_max: 20_000,
        answer_probes: false,
        second_person: false,
        floor: BTreeMap::new(),
        base_target: "0".to_owned(),
    }
}
