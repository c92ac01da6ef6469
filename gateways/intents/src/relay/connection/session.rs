//! One socket: subscribes, reads, writes, and watches for silence.

use super::{Connection, StreamName};
use crate::observe;
use crate::relay::translate::{self, Meaning, Outcome};
use crate::relay::venue::Outgoing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use stele_domain::port::feeds::{RelayNews, RelayWord};
use stele_domain::port::venue::{SendPermit, Submission};
use stele_domain::time::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How much of a frame is passed on, in bytes.
const RAW_BYTES_MAX: usize = 65_536;

/// Subscription ids of earlier connections that are remembered.
const RETIRED_MAX: usize = 64;

/// Longest wait for the kernel to take a frame. A connection that can't take a kilobyte this long is dead.
const WRITE_MAX: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One socket and what is open on it.
pub(super) struct Session<'a> {
    connection: &'a mut Connection,
    socket: Socket,
    /// Subscriptions that were asked for, by request id.
    subscribing: BTreeMap<u64, StreamName>,
    /// Ids of the subscriptions that were granted.
    granted: Vec<String>,
    /// Offers that were sent and not replied to, by request id.
    offered: BTreeMap<u64, oneshot::Sender<Submission>>,
    told_connected: bool,
    heard_at: Instant,
    pinged_at: Option<Instant>,
    /// The permit of a frame that may be half out. Below the socket, so that it is dropped after it: then nothing
    /// of the frame can leave any more.
    half_out: Option<SendPermit>,
}

/// Why a socket was given up.
pub(super) struct Lost(pub(super) String);

impl<'a> Session<'a> {
    pub(super) fn new(connection: &'a mut Connection, socket: Socket) -> Self {
        Self {
            connection,
            socket,
            subscribing: BTreeMap::new(),
            granted: Vec::new(),
            offered: BTreeMap::new(),
            told_connected: false,
            heard_at: Instant::now(),
            pinged_at: None,
            half_out: None,
        }
    }

    /// Until the socket is lost.
    pub(super) async fn serve(&mut self) -> Result<Infallible, Lost> {
        for stream in self.connection.streams() {
            let id = self.connection.next_id();
            let text = self.connection.subscribe(id, stream).map_err(|error| Lost(error.to_string()))?;
            self.write(Message::text(text)).await?;
            self.subscribing.insert(id, stream);
        }
        self.say_connected();
        let subscribe_by = self.heard_at + Duration::from_millis(self.connection.options.reply_ms_max);
        loop {
            let wake =
                if self.subscribing.is_empty() { self.watch_at() } else { self.watch_at().min(subscribe_by) };
            // Offers first: they are few, and each is in a race. Silence last: it is none while frames come.
            tokio::select! {
                biased;
                Some(offer) = self.connection.offers.recv() => self.offer(offer).await?,
                frame = self.socket.next() => self.read(frame)?,
                () = sleep_until(wake) => self.watch(subscribe_by).await?,
            }
        }
    }

    fn watch_at(&self) -> Instant {
        let options = &self.connection.options;
        match self.pinged_at {
            None => self.heard_at + Duration::from_millis(options.silence_ms_max),
            Some(pinged_at) => pinged_at + Duration::from_millis(options.pong_ms_max),
        }
    }

    /// Something is overdue: a subscription's reply, any frame at all, or the answer to a ping.
    async fn watch(&mut self, subscribe_by: Instant) -> Result<(), Lost> {
        let now = Instant::now();
        if let Some(stream) = self.subscribing.values().next().filter(|_| now >= subscribe_by) {
            return Err(Lost(format!("no reply to the subscription to {}", stream.name)));
        }
        if now < self.watch_at() {
            return Ok(());
        }
        if self.pinged_at.is_some() {
            let silent_ms = now.duration_since(self.heard_at).as_millis();
            return Err(Lost(format!("silent for {silent_ms} ms, and no answer to a ping")));
        }
        self.pinged_at = Some(now);
        self.write(Message::Ping(Bytes::new())).await
    }

    fn read(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), Lost> {
        let received_at = self.connection.clock.now();
        let message = match frame {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Lost(format!("reading failed: {error}"))),
            None => return Err(Lost("closed without a close frame (1006)".into())),
        };
        self.heard_at = Instant::now();
        self.pinged_at = None;
        let bytes_max = self.connection.options.frame_bytes_max;
        let (raw, bytes, word) = match message {
            Message::Text(text) if text.len() > bytes_max => {
                (shown(&text), text.len(), overlong(text.len(), bytes_max))
            }
            Message::Text(text) => match translate::frame(&text) {
                Meaning::Reply { id, outcome } => match self.reply(id, outcome)? {
                    None => return Ok(()),
                    Some(word) => (shown(&text), text.len(), word),
                },
                Meaning::News { subscription: Some(id), .. } if self.connection.retired.contains(&id) => {
                    observe::stale_subscription(&id);
                    return Ok(());
                }
                Meaning::News { word, .. } => (shown(&text), text.len(), word),
            },
            Message::Binary(data) => {
                (shown_binary(&data), data.len(), RelayWord::Unreadable("a binary frame".into()))
            }
            Message::Close(Some(close)) => return Err(Lost(format!("closed by the relay: {close}"))),
            Message::Close(None) => return Err(Lost("closed by the relay without a code (1005)".into())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        told(&word, bytes);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let news = RelayNews::Frame { raw, bytes, received_at, word };
        self.connection
            .news
            .push(news)
            .map_err(|_| Lost("nobody reads the feed, settlements would be lost".into()))
    }

    /// Gives a reply to who waits for it. A reply that nobody waits for is news.
    fn reply(&mut self, id: u64, outcome: Outcome) -> Result<Option<RelayWord>, Lost> {
        if let Some(fate) = self.offered.remove(&id) {
            // The submitter may have given up in this moment; then it has said "unknown", and the reply is news.
            let submission = fate.send(translate::submission(outcome)).err();
            return Ok(submission.map(|submission| self.unawaited(id, submission)));
        }
        let Some(stream) = self.subscribing.remove(&id) else {
            return Ok(Some(self.unawaited(id, translate::submission(outcome))));
        };
        match translate::granted(&outcome) {
            Some(subscription) => self.granted.push(subscription),
            None if stream.needed => {
                return Err(Lost(format!(
                    "the relay refused the subscription to {}: {outcome:?}",
                    stream.name
                )));
            }
            None => observe::stream_refused(stream.name, &format!("{outcome:?}")),
        }
        self.say_connected();
        Ok(None)
    }

    /// What a reply means that nobody waits for: a further word on an offer that was sent, or nothing that is known.
    fn unawaited(&self, id: u64, submission: Submission) -> RelayWord {
        let Some(offer) = self.connection.sent.find(id, Instant::now()) else {
            return RelayWord::Unreadable(format!(
                "reply to request {id}, which is not open: {submission:?}"
            ));
        };
        translate::further(offer, submission)
    }

    /// Once all that is needed is granted.
    fn say_connected(&mut self) {
        if !self.told_connected && self.subscribing.is_empty() {
            self.told_connected = true;
            observe::relay_connected(&self.connection.options.url, self.granted.len());
            self.connection.tell(RelayNews::Connected { at: self.connection.clock.now() });
        }
    }

    async fn offer(&mut self, offer: Outgoing) -> Result<(), Lost> {
        let Outgoing { id, name, text, send_before, fate, permit } = offer;
        if fate.is_closed() {
            return Ok(());
        }
        let left = match left(self.connection.clock.now(), send_before) {
            Ok(left) => left,
            Err(reason) => {
                let _gone = fate.send(Submission::NotSent { reason });
                return Ok(());
            }
        };
        self.offered.retain(|_, fate| !fate.is_closed());
        // Before the frame leaves: a part of it may reach the relay whatever the socket says.
        self.connection.sent.remember(id, name, Instant::now());
        let (submission, lost) = match timeout(left, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => {
                self.offered.insert(id, fate);
                return Ok(());
            }
            // The socket was closed before: not one byte was taken.
            Ok(Err(error @ (Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing)))) => {
                let reason = format!("the connection was already closing: {error}");
                (Submission::NotSent { reason: reason.clone() }, reason)
            }
            Ok(Err(error)) => unwritten(format!("writing failed: {error}")),
            Err(_) => unwritten("writing took too long".into()),
        };
        self.half_out = Some(permit);
        let _gone = fate.send(submission);
        Err(Lost(lost))
    }

    async fn write(&mut self, message: Message) -> Result<(), Lost> {
        match timeout(WRITE_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost(format!("writing failed: {error}"))),
            Err(_) => Err(Lost("writing took too long".into())),
        }
    }

    /// Offers without a reply may be live; the ids of this socket's subscriptions mean nothing from now on. Says whether
    /// the socket ever was connected.
    pub(super) fn end(self, lost: &Lost) -> bool {
        for fate in self.offered.into_values() {
            let reason = format!("the connection was lost before the reply: {}", lost.0);
            let _gone = fate.send(Submission::Unknown { reason });
        }
        let retired = &mut self.connection.retired;
        retired.extend(self.granted);
        while retired.len() > RETIRED_MAX {
            retired.pop_front();
        }
        self.told_connected
    }
}

/// Says what came in that needs a look.
fn told(word: &RelayWord, bytes: usize) {
    match word {
        RelayWord::Unreadable(reason) => observe::unreadable_frame(reason, bytes),
        RelayWord::Reply(notice) => observe::further_reply(notice),
        RelayWord::Quote(_) | RelayWord::Settlement(_) => {}
    }
}

/// How long a frame may take to leave; or why it may not any more.
fn left(now: Timestamp, send_before: Timestamp) -> Result<Duration, String> {
    if now >= send_before {
        return Err(format!("too late: it was to be sent before {send_before}, and it is {now}"));
    }
    let micros = u64::try_from(send_before.micros().saturating_sub(now.micros())).unwrap_or(0);
    Ok(WRITE_MAX.min(Duration::from_micros(micros)))
}

/// A part of the frame may have left.
fn unwritten(reason: String) -> (Submission, String) {
    (Submission::Unknown { reason: reason.clone() }, reason)
}

fn overlong(bytes: usize, bytes_max: usize) -> RelayWord {
    RelayWord::Unreadable(format!("a frame of {bytes} bytes, at most {bytes_max} are read"))
}

fn shown(text: &str) -> String {
    text[..text.floor_char_boundary(RAW_BYTES_MAX)].to_owned()
}

fn shown_binary(data: &[u8]) -> String {
    // Three bytes make four characters, and the mark in front takes some.
    let fits = data.len().min(RAW_BYTES_MAX / 4 * 3 - 24);
    format!("base64:{}", STANDARD.encode(&data[..fits]))
}
