//! What can be set, with units and defaults.

/// Every source and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The primary source.
    pub kraken: KrakenOptions,
    /// The aggregate that checks and replaces it; `None` to do without.
    pub coin_gecko: Option<CoinGeckoOptions>,
    /// Who is asked what one EURe trades at in euro; `None` to do without.
    pub peg: Option<CoinGeckoOptions>,
}

/// Kraken: its WebSocket v2, and its REST ticker while the socket is down or silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KrakenOptions {
    /// `wss://ws.kraken.com/v2`, or `ws://` on loopback.
    pub ws_url: String,
    /// The market on the WebSocket: `BTC/EUR`.
    pub symbol: String,
    /// `https://api.kraken.com`, or `http://` on loopback; `None` to have no fallback at Kraken. What is polled is believed
    /// where the stream has said since the start that the system is online, and nothing else since.
    pub rest_url: Option<String>,
    /// The market's name in REST: `XBTEUR`.
    pub rest_pair: String,
    /// Longest wait for the socket and its handshake, in milliseconds.
    pub connect_ms_max: u64,
    /// After this long without any message the socket is dropped, in milliseconds. After half of it Kraken is pinged.
    pub silence_ms_max: u64,
    /// After this long without a ticker message the price channel counts as silent, in milliseconds.
    pub channel_silent_ms_max: u64,
    /// After this long without a ticker message the socket is dropped and reopened, in milliseconds.
    pub channel_reopen_ms_max: u64,
    /// Time between two polls of REST while the stream is not alive, in milliseconds. At least 1,000 are kept.
    pub rest_poll_ms: u64,
    /// Longest wait for one REST answer, in milliseconds.
    pub request_ms_max: u64,
    /// First wait before reconnecting, in milliseconds.
    pub backoff_ms_min: u64,
    /// Longest wait before reconnecting, in milliseconds.
    pub backoff_ms_max: u64,
    /// Largest WebSocket message, in bytes. A larger one ends the connection.
    pub frame_bytes_max: usize,
}

/// CoinGecko's `simple/price` for one coin in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinGeckoOptions {
    /// `https://api.coingecko.com/api/v3`, or the base of the paid plan.
    pub url: String,
    /// CoinGecko's id of the coin: `bitcoin`.
    pub coin: String,
    /// The currency: `eur`.
    pub currency: String,
    /// Time between two polls, in milliseconds. Below 30,000 the source's own cache makes polling pointless.
    pub poll_ms: u64,
    /// Longest wait for one answer, in milliseconds.
    pub request_ms_max: u64,
    /// First wait after a failure, in milliseconds.
    pub backoff_ms_min: u64,
    /// Longest wait after a failure, in milliseconds.
    pub backoff_ms_max: u64,
    /// The key, where the plan has one.
    pub key: Option<ApiKey>,
}

/// Which header CoinGecko wants the key in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// `x-cg-demo-api-key`, at `api.coingecko.com`.
    Demo,
    /// `x-cg-pro-api-key`, at `pro-api.coingecko.com`.
    Pro,
}

/// Where an API key is found. The key itself never stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which plan it belongs to.
    pub plan: Plan,
    /// The name of the environment variable that holds it.
    pub env: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { kraken: KrakenOptions::default(), coin_gecko: Some(CoinGeckoOptions::bitcoin()), peg: None }
    }
}

impl Default for KrakenOptions {
    fn default() -> Self {
        Self {
            ws_url: "wss://ws.kraken.com/v2".into(),
            symbol: "BTC/EUR".into(),
            rest_url: Some("https://api.kraken.com".into()),
            rest_pair: "XBTEUR".into(),
            connect_ms_max: 10_000,
            silence_ms_max: 5_000,
            channel_silent_ms_max: 15_000,
            channel_reopen_ms_max: 60_000,
            rest_poll_ms: 2_000,
            request_ms_max: 5_000,
            backoff_ms_min: 1_000,
            backoff_ms_max: 60_000,
            frame_bytes_max: 1_048_576,
        }
    }
}

impl CoinGeckoOptions {
    /// What a bitcoin costs in euro, without a key.
    #[must_use]
    pub fn bitcoin() -> Self {
        Self {
            url: "https://api.coingecko.com/api/v3".into(),
            coin: "bitcoin".into(),
            currency: "eur".into(),
            poll_ms: 60_000,
            request_ms_max: 10_000,
            backoff_ms_min: 5_000,
            backoff_ms_max: 120_000,
            key: None,
        }
    }

    /// What an EURe costs in euro, without a key.
    #[must_use]
    pub fn eure() -> Self {
        Self { coin: "monerium-eur-money-2".into(), ..Self::bitcoin() }
    }
}
