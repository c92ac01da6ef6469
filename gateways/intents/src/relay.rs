//! The solver relay: one WebSocket that carries quote requests in, signed offers out, and settlements in.
//!
//! [`connect`] starts a task that owns the socket and lives until both handles are dropped. It reconnects by itself
//! and subscribes anew. What it reads is stamped at once and never waits for a slow reader of the feed: if the
//! socket were left unread, stamps would lie about the age of a quote and replies to offers would be late.
//! Instead, quotes beyond [`Options::queue_news_max`] are dropped, and the gap is reported in the feed.

mod connection;
mod news;
pub(crate) mod translate;
mod venue;
mod wire;

pub use news::RelayStream;
pub use venue::RelayVenue;

use crate::key::{BearerToken, KeyError, SigningKey};
use connection::Connection;
use news::NewsQueue;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use stele_domain::ids::{AccountId, InvalidId, TokenId};
use stele_domain::port::clock::Clock;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

/// Offers that may wait for the socket at the same time.
const OFFERS_WAITING_MAX: usize = 64;

/// Which streams to subscribe to. With none, the connection is only for offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// `quote`: requests for prices.
    pub quotes: bool,
    /// `quote_status`: settlements, those of other makers too.
    pub settlements: bool,
    /// `quote_status_extended`: failures and announcements as well. A relay that refuses it is used without it.
    pub settlements_extended: bool,
}

/// What the relay should leave out of the `quote` stream. An empty list leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Only requests that give one of these.
    pub tokens_in: Vec<TokenId>,
    /// Only requests that want one of these.
    pub tokens_out: Vec<TokenId>,
}

/// How to reach the relay, and how patient to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// `wss://…/ws`, or `ws://` on loopback; may carry `?instance_id=…`.
    pub url: String,
    /// Partner token of the handshake.
    pub token: Option<BearerToken>,
    /// The contract that offers are signed for.
    pub recipient: AccountId,
    /// What to subscribe to.
    pub streams: Streams,
    /// What the relay should leave out.
    pub filters: Filters,
    /// Longest wait for the socket and its handshake, in milliseconds.
    pub connect_ms_max: u64,
    /// Longest wait for the reply to an offer or a subscription, in milliseconds.
    pub reply_ms_max: u64,
    /// After this long without any frame the relay is pinged, in milliseconds.
    pub silence_ms_max: u64,
    /// After this long without an answer to the ping the connection is dropped, in milliseconds.
    pub pong_ms_max: u64,
    /// First wait before reconnecting, in milliseconds.
    pub backoff_ms_min: u64,
    /// Longest wait before reconnecting, in milliseconds.
    pub backoff_ms_max: u64,
    /// Largest frame that is read, in bytes. A larger one is reported as unreadable; one 16 times larger ends the
    /// connection.
    pub frame_bytes_max: usize,
    /// Most pieces of news that wait for the reader; quotes beyond are dropped.
    pub queue_news_max: usize,
    /// Most bytes of raw frames that wait for the reader; quotes beyond are dropped.
    pub queue_bytes_max: usize,
}

impl Options {
    /// The defaults for a relay: all streams, no filters, the production contract.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] never for the built-in contract name.
    pub fn new(url: impl Into<String>) -> Result<Self, InvalidId> {
        Ok(Self {
            url: url.into(),
            token: None,
            recipient: AccountId::try_from("intents.near".to_owned())?,
            streams: Streams { quotes: true, settlements: true, settlements_extended: false },
            filters: Filters::default(),
            connect_ms_max: 10_000,
            reply_ms_max: 5_000,
            silence_ms_max: 20_000,
            pong_ms_max: 5_000,
            backoff_ms_min: 1_000,
            backoff_ms_max: 60_000,
            frame_bytes_max: 1_048_576,
            queue_news_max: 8_192,
            queue_bytes_max: 67_108_864,
        })
    }
}

/// Why there is nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRelay {
    /// Not a WebSocket address.
    #[error("{url:?} is not a ws:// or wss:// address")]
    Url {
        /// The configured text.
        url: String,
    },
    /// The token can't stand in a header.
    #[error("the relay token can't be written into a header")]
    Token,
}

/// Ends the task when the last handle is dropped.
#[derive(Debug)]
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the connection. Must be called inside a tokio runtime. Without a key everything but offering works.
///
/// # Errors
///
/// [`InvalidRelay`] for what no later attempt could heal; a relay that is away is reported by the feed.
pub fn connect(
    options: Options,
    key: Result<SigningKey, KeyError>,
    clock: Arc<dyn Clock>,
) -> Result<(RelayVenue, RelayStream), InvalidRelay> {
    let request = handshake(&options)?;
    let ids = Arc::new(AtomicU64::new(1));
    let news = Arc::new(NewsQueue::new(options.queue_news_max, options.queue_bytes_max));
    let (offers, waiting) = mpsc::channel(OFFERS_WAITING_MAX);
    let recipient = options.recipient.clone();
    let reply_ms_max = options.reply_ms_max;
    let connection = Connection::new(options, request, clock, Arc::clone(&news), waiting, Arc::clone(&ids));
    let running = Arc::new(Running(tokio::spawn(connection.run()).abort_handle()));
    let venue = RelayVenue::new(key, recipient, reply_ms_max, offers, ids, Arc::clone(&running));
    Ok((venue, RelayStream::new(news, running)))
}

/// The upgrade request, with the token in a header that debug output leaves out.
fn handshake(options: &Options) -> Result<Request, InvalidRelay> {
    let invalid = || InvalidRelay::Url { url: options.url.clone() };
    let mut request = options.url.as_str().into_client_request().map_err(|_| invalid())?;
    if !matches!(request.uri().scheme_str(), Some("ws" | "wss")) || request.uri().host().is_none() {
        return Err(invalid());
    }
    if let Some(token) = &options.token {
        let mut value = HeaderValue::from_str(&token.header()).map_err(|_| InvalidRelay::Token)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}
