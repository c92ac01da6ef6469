//! The ticker stream: one socket at a time, dropped when it falls silent and opened again with growing waits.

use super::translate::{self, Word};
use super::{Desk, wire};
use crate::observe;
use crate::options::KrakenOptions;
use futures_util::{SinkExt as _, StreamExt as _};
use std::convert::Infallible;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::market::reference::event::{Link, Source};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// A socket that held this long was a good one: the next failure starts at the shortest wait again.
const STEADY: Duration = Duration::from_secs(10);

/// Longest wait for the kernel to take a message.
const WRITE_MAX: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The stream over all its sockets.
pub struct Stream {
    options: KrakenOptions,
    request: Request,
    desk: Arc<Desk>,
    refresh: Arc<Notify>,
}

/// One socket and its clocks.
struct Session<'a> {
    stream: &'a Stream,
    socket: Socket,
    requests: u64,
    /// Any message.
    heard_at: Instant,
    pinged: bool,
    /// Any ticker message of our market; the opening counts as one.
    priced_at: Instant,
    silent: bool,
}

/// Why a socket was given up.
struct Lost(String);

impl Stream {
    /// Reports to `desk`; `refresh` ends a wait, and a socket whose price channel is silent.
    pub fn new(options: KrakenOptions, request: Request, desk: Arc<Desk>, refresh: Arc<Notify>) -> Self {
        Self { options, request, desk, refresh }
    }

    /// Never ends; the task is aborted when the feed is dropped.
    pub async fn run(self) {
        let millis = Duration::from_millis;
        let mut backoff =
            Backoff::new(millis(self.options.backoff_ms_min), millis(self.options.backoff_ms_max));
        loop {
            let began = Instant::now();
            let Lost(reason) = self.connect_and_read().await;
            self.desk.stream_is(Link::Down, &reason);
            observe::reconnecting();
            if began.elapsed() >= STEADY {
                backoff.reset();
            }
            tokio::select! {
                biased;
                () = self.refresh.notified() => {}
                () = sleep(backoff.wait(jitter(&RandomState::new()))) => {}
            }
        }
    }

    async fn connect_and_read(&self) -> Lost {
        let limit = Duration::from_millis(self.options.connect_ms_max);
        let size = Some(self.options.frame_bytes_max);
        let config = WebSocketConfig::default().max_message_size(size).max_frame_size(size);
        let opening = connect_async_with_config(self.request.clone(), Some(config), true);
        let socket = match timeout(limit, opening).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(Error::Http(response))) => {
                return Lost(format!("connection refused: HTTP {}", response.status()));
            }
            Ok(Err(error)) => return Lost(format!("no connection: {error}")),
            Err(_) => return Lost(format!("no connection within {} ms", limit.as_millis())),
        };
        self.desk.stream_is(Link::Silent, "connected, no price yet");
        let now = Instant::now();
        let mut session = Session {
            stream: self,
            socket,
            requests: 0,
            heard_at: now,
            pinged: false,
            priced_at: now,
            silent: true,
        };
        let Err(lost) = session.serve().await;
        lost
    }
}

impl Session<'_> {
    async fn serve(&mut self) -> Result<Infallible, Lost> {
        let symbol = [self.stream.options.symbol.as_str()];
        let ticker = wire::Subscription { channel: "ticker", symbol, event_trigger: "bbo", snapshot: true };
        self.ask("subscribe", Some(ticker)).await?;
        loop {
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = self.stream.refresh.notified() => self.refreshed()?,
                message = self.socket.next() => self.read(message)?,
                () = sleep_until(wake) => self.watch().await?,
            }
        }
    }

    fn read(&mut self, message: Option<Result<Message, Error>>) -> Result<(), Lost> {
        let received_at = self.stream.desk.now();
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Lost(format!("reading failed: {error}"))),
            None => return Err(Lost("closed without a close frame (1006)".into())),
        };
        self.heard_at = Instant::now();
        self.pinged = false;
        let word = match message {
            Message::Text(text) => translate::message(&text, &self.stream.options.symbol),
            Message::Binary(data) => Word::Unreadable(format!("a binary message of {} bytes", data.len())),
            Message::Close(Some(close)) => return Err(Lost(format!("closed by Kraken: {close}"))),
            Message::Close(None) => return Err(Lost("closed by Kraken without a code (1005)".into())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Word::Alive,
        };
        match word {
            Word::Alive => {}
            Word::System(system) => self.stream.desk.system_is(&system),
            Word::SystemUnknown(why) => {
                observe::unreadable_message(Source::Kraken.name(), &why);
                self.stream.desk.system_is(&why);
            }
            Word::Ticker(book) => {
                self.priced_at = self.heard_at;
                self.silent = false;
                self.stream.desk.streamed(&book, received_at);
            }
            Word::Refused(reason) => return Err(Lost(format!("subscription refused: {reason}"))),
            Word::Unreadable(reason) => observe::unreadable_message(Source::Kraken.name(), &reason),
        }
        Ok(())
    }

    /// When the next of the clocks runs out.
    fn wake_at(&self) -> Instant {
        let silence = self.silence_max();
        let socket = self.heard_at + if self.pinged { silence } else { silence / 2 };
        socket.min(self.priced_at + if self.silent { self.reopen_max() } else { self.silent_max() })
    }

    /// A clock ran out: the socket's (ping, then give up) or the price channel's (say so, then give up).
    async fn watch(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        let (unheard, unpriced) = (now.duration_since(self.heard_at), now.duration_since(self.priced_at));
        if unheard >= self.silence_max() {
            return Err(Lost(format!("no message of any kind for {} ms", unheard.as_millis())));
        }
        if unpriced >= self.reopen_max() {
            return Err(Lost(format!("no ticker message for {} ms", unpriced.as_millis())));
        }
        if unpriced >= self.silent_max() && !self.silent {
            self.silent = true;
            let why = format!("connected, but no ticker message for {} ms", unpriced.as_millis());
            self.stream.desk.stream_is(Link::Silent, &why);
        }
        if unheard >= self.silence_max() / 2 && !self.pinged {
            self.pinged = true;
            return self.ask("ping", None::<()>).await;
        }
        Ok(())
    }

    /// Somebody wants a price now: a socket that has none is not worth waiting for.
    fn refreshed(&self) -> Result<(), Lost> {
        if self.silent { Err(Lost("silent, and reopened on request".into())) } else { Ok(()) }
    }

    async fn ask<P: serde::Serialize>(
        &mut self,
        method: &'static str,
        params: Option<P>,
    ) -> Result<(), Lost> {
        self.requests = self.requests.saturating_add(1);
        let request = wire::Request { method, params, req_id: self.requests };
        let text = serde_json::to_string(&request).map_err(|error| Lost(error.to_string()))?;
        match timeout(WRITE_MAX, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost(format!("writing failed: {error}"))),
            Err(_) => Err(Lost("writing took too long".into())),
        }
    }

    fn silence_max(&self) -> Duration {
        Duration::from_millis(self.stream.options.silence_ms_max)
    }

    fn silent_max(&self) -> Duration {
        Duration::from_millis(self.stream.options.channel_silent_ms_max)
    }

    fn reopen_max(&self) -> Duration {
        Duration::from_millis(self.stream.options.channel_reopen_ms_max)
    }
}
