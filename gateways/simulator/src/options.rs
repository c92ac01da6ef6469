//! What a simulated world can be asked to be like. Every field has a default that makes a lively paper desk.

use crate::prices::PriceOptions;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// Everything that is decided at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where chance comes from.
    pub seed: u64,
    /// Where to listen; loopback only, because the admin door has no lock. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// The relay's door and manners.
    pub relay: RelayOptions,
    /// The verifier contract and its chain.
    pub chain: ChainOptions,
    /// The desk's accounts at the verifier, as they are at the start.
    pub accounts: Vec<AccountOptions>,
    /// How bitcoin is priced.
    pub prices: PriceOptions,
    /// The price feeds' doors.
    pub feeds: FeedOptions,
    /// Who asks for quotes.
    pub traffic: Traffic,
    /// What the journal keeps.
    pub journal: JournalOptions,
}

/// The relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayOptions {
    /// Tokens that open the WebSocket door; empty lets everyone in.
    pub bearer_tokens: Vec<String>,
    /// The form of events.
    pub events: EventForm,
    /// Extra fields in every event, which a reader has to ignore.
    pub extra_fields: bool,
    /// The form of errors.
    pub errors: ErrorForm,
    /// Whether `get_status` answers for a solver's own quote hash. Not known of the real one.
    pub status_knows_quote_hashes: bool,
    /// Shortest collecting time of a top-level auction, in milliseconds.
    pub min_wait_floor_ms: u64,
    /// How long a top-level auction with an offer stays open after its shortest time, in milliseconds.
    pub grace_ms: u64,
    /// The same for a router leg, in milliseconds.
    pub router_grace_ms: u64,
    /// Closing time of an auction that names none, in milliseconds.
    pub max_wait_default_ms: u64,
    /// Shortest and longest time from a taker's acceptance to the transaction, in milliseconds.
    pub settlement_ms: (u64, u64),
    /// Auctions that may be open at once; beyond it a quote is not published, and counted.
    pub open_auctions_max: usize,
    /// Connections at once; beyond it the door answers 503.
    pub connections_max: usize,
    /// Frames that may wait for one reader; beyond it the connection is dropped.
    pub waiting_frames_max: usize,
}

/// How an event is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventForm {
    /// `method: "event"` with the data inside, as clients see it.
    Nested,
    /// `method: "subscribe"` with the data's fields beside the subscription, as the documentation prints it.
    Flat,
}

/// How an error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorForm {
    /// An object with code and message.
    Object,
    /// A bare string.
    Text,
}

/// The chain and the verifier contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainOptions {
    /// What `status` calls the chain. Not `mainnet`, so that nobody can take one for the other.
    pub chain_id: String,
    /// The verifier contract's account.
    pub contract: String,
    /// Time between blocks, in milliseconds; at least 10.
    pub block_ms: u64,
    /// Blocks whose state can be read; older ones are garbage collected.
    pub history_blocks: usize,
    /// Fee on what is given, in millionths.
    pub fee_pips: u32,
    /// Who receives the fee.
    pub fee_collector: String,
    /// Whether nonces without salt and deadline are accepted.
    pub legacy_nonces: bool,
    /// Whether nonces are forgotten after their own deadline.
    pub collect_nonces: bool,
}

/// An account at the verifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountOptions {
    /// NEAR account id.
    pub account_id: String,
    /// Keys in `ed25519:` text that may sign for it.
    #[serde(default)]
    pub public_keys: Vec<String>,
    /// Token and base units (decimal text).
    #[serde(default)]
    pub balances: Vec<Balance>,
}

/// So many base units of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// `nep141:…`.
    pub token: String,
    /// Base units; decimal text in JSON.
    #[serde(with = "decimal_text")]
    pub amount: u128,
}

impl Balance {
    /// So many base units of a token.
    #[must_use]
    pub fn new(token: &str, amount: u128) -> Self {
        Self { token: token.to_owned(), amount }
    }
}

/// The price feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedOptions {
    /// Whether Kraken's ticker carries a timestamp (older ones did not).
    pub kraken_timestamp: bool,
    /// Time between Kraken's heartbeats, in milliseconds; at least 10.
    pub kraken_heartbeat_ms: u64,
    /// Kraken connections at once; beyond it the door answers 503.
    pub kraken_connections_max: usize,
    /// How long CoinGecko repeats an answer, in seconds; 0 is always fresh.
    pub coingecko_cache_seconds: u64,
    /// Price of one EURe in 1e-8 EUR.
    pub eure_eur_e8: u64,
}

/// Who asks for quotes, and for what. Shares are in thousandths of all quotes, drawn from the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traffic {
    /// Quotes a minute; 0 is quiet: only scripted quotes. At most [`QUOTES_PER_MINUTE_MAX`].
    pub quotes_per_minute: u32,
    /// Requests that no sane client sends: unknown tokens, zero, both sides fixed, endless deadlines.
    pub odd_permille: u16,
    /// Requests for other pairs.
    pub other_pairs_permille: u16,
    /// Sub-legs of a router, with a window of some 50 ms.
    pub router_permille: u16,
    /// Probes that nobody means to take.
    pub dry_permille: u16,
    /// Of BTC/EURe: takers who give BTC (the rest give EURe).
    pub selling_permille: u16,
    /// Of BTC/EURe: takers who fix what they receive.
    pub exact_out_permille: u16,
    /// Of BTC/EURe: the older BTC token.
    pub legacy_btc_permille: u16,
    /// Of what a taker could accept: how often it does.
    pub publish_permille: u16,
    /// How far from fair a taker still accepts, in basis points, drawn between these.
    pub accept_bps: (u32, u32),
    /// How often a rival offers.
    pub rival_permille: u16,
    /// How far from fair the rival offers, in basis points, drawn between these.
    pub rival_bps: (u32, u32),
    /// Notional in whole euro, drawn between these.
    pub notional_eur: (u64, u64),
    /// Shortest and longest collecting time that a request names, in milliseconds.
    pub min_wait_ms: (u64, u64),
    /// How long after its shortest time an auction closes at the latest, in milliseconds.
    pub max_wait_extra_ms: u64,
    /// Validity that takers ask for, in milliseconds.
    pub min_deadline_ms: u64,
}

/// Fastest traffic: 2,000 quotes a second.
pub const QUOTES_PER_MINUTE_MAX: u32 = 120_000;

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalOptions {
    /// Entries that are kept; what is not kept is counted, and every answer says so.
    pub entries_max: usize,
    /// Bytes of frames that are kept; the same holds beyond it.
    pub bytes_max: usize,
    /// Which entries those are.
    pub keep: Keep,
    /// Signed payloads that are told apart; later ones are counted as `signed_not_counted`.
    pub signed_max: usize,
}

/// What a full journal keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first entries: a whole story from its beginning, for proofs.
    First,
    /// The newest: a world that runs for days.
    Newest,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            relay: RelayOptions::default(),
            chain: ChainOptions::default(),
            accounts: vec![],
            prices: PriceOptions::default(),
            feeds: FeedOptions::default(),
            traffic: Traffic::default(),
            journal: JournalOptions::default(),
        }
    }
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            bearer_tokens: vec![],
            events: EventForm::Nested,
            extra_fields: false,
            errors: ErrorForm::Object,
            status_knows_quote_hashes: false,
            min_wait_floor_ms: 300,
            grace_ms: 300,
            router_grace_ms: 50,
            max_wait_default_ms: 3_000,
            settlement_ms: (800, 2_400),
            open_auctions_max: 20_000,
            connections_max: 64,
            waiting_frames_max: 8_192,
        }
    }
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            chain_id: "stele-simulator".to_owned(),
            contract: "intents.near".to_owned(),
            block_ms: 600,
            history_blocks: 600,
            fee_pips: 1,
            fee_collector: "fees.sim.near".to_owned(),
            legacy_nonces: true,
            collect_nonces: false,
        }
    }
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            kraken_timestamp: true,
            kraken_heartbeat_ms: 1_000,
            kraken_connections_max: 64,
            coingecko_cache_seconds: 30,
            eure_eur_e8: 100_000_000,
        }
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            quotes_per_minute: 240,
            odd_permille: 15,
            other_pairs_permille: 60,
            router_permille: 40,
            dry_permille: 40,
            selling_permille: 500,
            exact_out_permille: 300,
            legacy_btc_permille: 300,
            publish_permille: 700,
            accept_bps: (150, 350),
            rival_permille: 500,
            rival_bps: (120, 400),
            notional_eur: (20, 900),
            min_wait_ms: (300, 900),
            max_wait_extra_ms: 1_200,
            min_deadline_ms: 60_000,
        }
    }
}

impl Traffic {
    /// Only scripted quotes.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quotes_per_minute: 0, ..Self::default() }
    }

    /// So many quotes a second, otherwise as usual.
    #[must_use]
    pub fn per_second(quotes: u32) -> Self {
        Self { quotes_per_minute: quotes.saturating_mul(60), ..Self::default() }
    }
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { entries_max: 1_000_000, bytes_max: 1 << 30, keep: Keep::First, signed_max: 1_000_000 }
    }
}

/// Amounts as decimal text, since JSON numbers lose what is beyond 2^53.
pub(crate) mod decimal_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
