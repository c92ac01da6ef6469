//! The task that owns the sockets, one after the other: connects, serves, waits, and connects again. What happens on
//! one socket is in `session.rs`.

mod sent;
mod session;

pub use sent::OfferName;

use super::news::NewsQueue;
use super::venue::Outgoing;
use super::{Options, wire};
use crate::observe;
use sent::SentOffers;
use session::{Lost, Session};
use std::collections::VecDeque;
use std::hash::RandomState;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::ids::TokenId;
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::RelayNews;
use stele_domain::port::venue::Submission;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// A connection that held this long was a good one: the next failure starts at the shortest wait again.
const STEADY: Duration = Duration::from_secs(10);

/// How many times the frame limit the socket itself lets through, so that an overlong frame does not end it.
const SOCKET_LIMIT_FACTOR: usize = 16;

/// The connection over all its sockets.
pub struct Connection {
    options: Options,
    request: Request,
    clock: Arc<dyn Clock>,
    news: Arc<NewsQueue>,
    offers: mpsc::Receiver<Outgoing>,
    ids: Arc<AtomicU64>,
    /// Subscription ids of earlier sockets, the oldest first.
    retired: VecDeque<String>,
    /// Offers of this socket and of earlier ones.
    sent: SentOffers,
}

/// A stream to subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StreamName {
    name: &'static str,
    /// Whether there is no use in a connection without it.
    needed: bool,
}

impl Connection {
    pub(super) fn new(
        options: Options,
        request: Request,
        clock: Arc<dyn Clock>,
        news: Arc<NewsQueue>,
        offers: mpsc::Receiver<Outgoing>,
        ids: Arc<AtomicU64>,
    ) -> Self {
        let (retired, sent) = (VecDeque::new(), SentOffers::default());
        Self { options, request, clock, news, offers, ids, retired, sent }
    }

    /// Never ends; the task is aborted when both handles are gone.
    pub(super) async fn run(mut self) {
        let millis = Duration::from_millis;
        let mut backoff =
            Backoff::new(millis(self.options.backoff_ms_min), millis(self.options.backoff_ms_max));
        let mut told = None;
        observe::relay_begins();
        loop {
            let began = Instant::now();
            let (Lost(reason), was_connected) = self.connect_and_serve().await;
            // An outage is told once, and again when its reason changes.
            if was_connected || told.as_ref() != Some(&reason) {
                observe::relay_disconnected(&self.options.url, &reason);
                self.tell(RelayNews::Disconnected { at: self.clock.now(), reason: reason.clone() });
            }
            told = Some(reason);
            observe::relay_reconnecting();
            if was_connected && began.elapsed() >= STEADY {
                backoff.reset();
            }
            let wait = sleep(backoff.wait(jitter(&RandomState::new())));
            not_sending(&mut self.offers, "not connected to the relay, waiting to reconnect", wait).await;
        }
    }

    /// One socket, from its beginning to its end; and whether it ever was what is called connected.
    async fn connect_and_serve(&mut self) -> (Lost, bool) {
        let limit = Duration::from_millis(self.options.connect_ms_max);
        let size = self.options.frame_bytes_max.saturating_mul(SOCKET_LIMIT_FACTOR);
        let config = WebSocketConfig::default().max_message_size(Some(size)).max_frame_size(Some(size));
        let opening = Box::pin(connect_async_with_config(self.request.clone(), Some(config), true));
        let opening = timeout(limit, opening);
        let socket = match not_sending(&mut self.offers, "not connected to the relay yet", opening).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return (Lost(refusal(&error)), false),
            Err(_) => return (Lost(format!("no connection within {} ms", limit.as_millis())), false),
        };
        let mut session = Session::new(self, socket);
        let Err(lost) = session.serve().await;
        let was_connected = session.end(&lost);
        (lost, was_connected)
    }

    fn streams(&self) -> Vec<StreamName> {
        let streams = self.options.streams;
        let all = [
            (streams.quotes, StreamName { name: "quote", needed: true }),
            (streams.settlements, StreamName { name: "quote_status", needed: true }),
            (streams.settlements_extended, StreamName { name: "quote_status_extended", needed: false }),
        ];
        all.into_iter().filter_map(|(wanted, stream)| wanted.then_some(stream)).collect()
    }

    fn tell(&self, news: RelayNews) {
        // The queue counts and reports what it drops.
        let _dropped = self.news.push(news);
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The `subscribe` request for a stream.
    fn subscribe(&self, id: u64, stream: StreamName) -> Result<String, serde_json::Error> {
        let filters = &self.options.filters;
        let filtered =
            stream.name == "quote" && !(filters.tokens_in.is_empty() && filters.tokens_out.is_empty());
        let (jsonrpc, method) = (wire::VERSION, "subscribe");
        if !filtered {
            return serde_json::to_string(&wire::Request { jsonrpc, id, method, params: [stream.name] });
        }
        let filters = wire::Filters {
            tokens_in: filters.tokens_in.iter().map(TokenId::as_str).collect(),
            tokens_out: filters.tokens_out.iter().map(TokenId::as_str).collect(),
        };
        serde_json::to_string(&wire::Request { jsonrpc, id, method, params: (stream.name, filters) })
    }
}

/// Does `work`, and meanwhile answers every offer that nothing was sent.
async fn not_sending<T>(
    offers: &mut mpsc::Receiver<Outgoing>,
    why: &str,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(offer) = offers.recv() => {
                let _gone = offer.fate.send(Submission::NotSent { reason: why.to_owned() });
            }
            done = &mut work => return done,
        }
    }
}

/// Why the handshake failed. A refusal by status is told with what to do.
fn refusal(error: &Error) -> String {
    let Error::Http(response) = error else { return format!("no connection: {error}") };
    let advice =
        if matches!(response.status().as_u16(), 401 | 403) { "; check the partner token" } else { "" };
    format!("the relay refused the connection: HTTP {}{advice}", response.status())
}
