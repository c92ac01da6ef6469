//! The relay's connection over real sockets, against a peer that plays frames by hand.

use crate::support::{self, HandClock, offer, within};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::port::feeds::{RelayFeed as _, RelayNews, RelayWord};
use stele_domain::port::venue::{SendPermit, Submission, Venue as _};
use stele_domain::time::Timestamp;
use stele_intents::relay::{self, Filters, Options, RelayStream, RelayVenue, Streams};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

mod offers;
mod replies;

const NOON: &str = "2026-11-20T12:00:00Z";

/// The far end: accepts one connection at a time, and does what the test says.
struct Peer {
    listener: TcpListener,
    /// What the last handshake carried.
    authorization: Option<String>,
}

struct Line(WebSocketStream<TcpStream>);

impl Peer {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), authorization: None }
    }

    fn options(&self) -> Options {
        let port = self.listener.local_addr().unwrap().port();
        let mut options = Options::new(format!("ws://127.0.0.1:{port}/ws")).unwrap();
        options.backoff_ms_min = 1;
        options.backoff_ms_max = 20;
        options.streams = Streams { quotes: true, settlements: false, settlements_extended: false };
        options
    }

    async fn accept(&mut self) -> Line {
        let (socket, _) = within(self.listener.accept()).await.unwrap();
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            seen = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            Ok(response)
        };
        let socket = within(accept_hdr_async(socket, look)).await.unwrap();
        self.authorization = seen;
        Line(socket)
    }

    /// Accepts a connection and answers its handshake with this status.
    async fn refuse(&self, status: &str) {
        let (mut socket, _) = within(self.listener.accept()).await.unwrap();
        let mut request = vec![0; 4_096];
        assert!(within(socket.read(&mut request)).await.unwrap() > 0);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        within(socket.write_all(answer.as_bytes())).await.unwrap();
    }

    /// Accepts a connection and grants its one subscription under this id.
    async fn accept_and_grant(&mut self, subscription: &str) -> Line {
        let mut line = self.accept().await;
        line.grant(subscription).await;
        line
    }
}

impl Line {
    async fn send(&mut self, text: impl Into<String>) {
        within(self.0.send(Message::text(text.into()))).await.unwrap();
    }

    async fn read(&mut self) -> Value {
        loop {
            match within(self.0.next()).await.expect("the client hung up").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                end @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("{end:?}"),
            }
        }
    }

    async fn grant(&mut self, subscription: &str) -> Value {
        let asked = self.read().await;
        assert_eq!(asked["method"], "subscribe");
        self.reply(&asked, "result", json!(subscription)).await;
        asked
    }

    async fn reply(&mut self, request: &Value, field: &str, content: Value) {
        self.send(json!({ "jsonrpc": "2.0", "id": request["id"], field: content }).to_string()).await;
    }

    async fn quote(&mut self, subscription: &str, quote_id: &str) {
        let data = json!({
            "quote_id": quote_id,
            "defuse_asset_identifier_in": "nep141:b.near",
            "defuse_asset_identifier_out": "nep141:a.near",
            "exact_amount_in": "100",
        });
        let params = json!({ "subscription": subscription, "data": data });
        self.send(json!({ "jsonrpc": "2.0", "method": "event", "params": params }).to_string()).await;
    }
}

fn start(options: Options) -> (RelayVenue, RelayStream, Arc<HandClock>) {
    let clock = Arc::new(HandClock::at(NOON));
    let (venue, feed) = relay::connect(options, Ok(support::key()), Arc::<HandClock>::clone(&clock)).unwrap();
    (venue, feed, clock)
}

/// Connects, and reads the news of it.
async fn connected(peer: &mut Peer) -> (RelayVenue, RelayStream, Line) {
    let (venue, mut feed, _) = start(peer.options());
    let line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    (venue, feed, line)
}

fn nothing() -> SendPermit {
    Box::new(())
}

/// A permit that tells when it is dropped.
fn permit() -> (SendPermit, Arc<AtomicBool>) {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    (Box::new(Told(Arc::clone(&dropped))), dropped)
}

async fn next_quote(feed: &mut RelayStream) -> String {
    let news = within(feed.next()).await;
    let RelayNews::Frame { word: RelayWord::Quote(quote), .. } = news else { panic!("{news:?}") };
    quote.quote_id.to_string()
}

async fn next_unreadable(feed: &mut RelayStream) -> (String, u64, String) {
    let news = within(feed.next()).await;
    let RelayNews::Frame { raw, bytes, word: RelayWord::Unreadable(reason), .. } = news else {
        panic!("{news:?}")
    };
    (raw, bytes, reason)
}

async fn next_disconnection(feed: &mut RelayStream) -> String {
    let news = within(feed.next()).await;
    let RelayNews::Disconnected { reason, .. } = news else { panic!("{news:?}") };
    reason
}

#[tokio::test]
async fn it_shows_its_token_and_asks_for_what_is_configured() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.token = Some(support::token("partner.jwt"));
    options.streams = Streams { quotes: true, settlements: true, settlements_extended: true };
    options.filters = Filters { tokens_in: vec![support::token_id("nep141:b.near")], tokens_out: vec![] };
    let (_venue, mut feed, _) = start(options);
    let mut line = peer.accept().await;
    assert_eq!(peer.authorization.as_deref(), Some("Bearer partner.jwt"));
    let quotes = line.grant("sub-1").await;
    assert_eq!(quotes["params"], json!(["quote", { "tokens_in": ["nep141:b.near"] }]));
    let settlements = line.grant("sub-2").await;
    assert_eq!(settlements["params"], json!(["quote_status"]));
    // Refusing the optional stream does no harm.
    let extended = line.read().await;
    assert_eq!(extended["params"], json!(["quote_status_extended"]));
    line.reply(&extended, "error", json!("unknown subscription")).await;
    let at = Timestamp::parse(NOON).unwrap();
    assert_eq!(within(feed.next()).await, RelayNews::Connected { at });
}

#[tokio::test]
async fn frames_are_stamped_when_they_are_read_and_passed_on_verbatim() {
    let mut peer = Peer::new().await;
    let (_venue, mut feed, clock) = start(peer.options());
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    clock.set("2026-11-20T12:00:01.5Z");
    let sent = include_str!("../../payloads/relay/quote_flat.json");
    line.send(sent).await;
    let RelayNews::Frame { raw, bytes, received_at, word: RelayWord::Quote(_) } = within(feed.next()).await
    else {
        panic!("no quote");
    };
    assert_eq!((raw.as_str(), bytes), (sent, u64::try_from(sent.len()).unwrap()));
    assert_eq!(received_at, Timestamp::parse("2026-11-20T12:00:01.5Z").unwrap());
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_ids_of_the_old_one_are_ignored() {
    let mut peer = Peer::new().await;
    let (_venue, mut feed, line) = connected(&mut peer).await;
    drop(line);
    let reason = next_disconnection(&mut feed).await;
    assert!(reason.contains("reset") || reason.contains("1006"), "{reason}");
    let mut line = peer.accept_and_grant("sub-2").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    line.quote("sub-1", "of the old subscription").await;
    line.quote("sub-2", "of the new subscription").await;
    assert_eq!(next_quote(&mut feed).await, "of the new subscription");
}

#[tokio::test]
async fn a_half_open_connection_is_given_up_after_a_ping() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.silence_ms_max = 30;
    options.pong_ms_max = 30;
    let (_venue, mut feed, _) = start(options);
    // From here on the far end neither reads nor writes: no pong comes back.
    let _silent = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    let reason = next_disconnection(&mut feed).await;
    assert!(reason.contains("silent") && reason.contains("ping"), "{reason}");
    peer.accept().await;
}

#[tokio::test]
async fn a_quiet_relay_that_answers_pings_is_kept() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.silence_ms_max = 10;
    options.pong_ms_max = 5_000;
    let (_venue, mut feed, _) = start(options);
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    let mut pings = 0;
    while pings < 3 {
        // Reading answers the ping.
        pings += i32::from(matches!(within(line.0.next()).await.unwrap().unwrap(), Message::Ping(_)));
    }
    line.quote("sub-1", "after the quiet").await;
    assert_eq!(next_quote(&mut feed).await, "after the quiet");
}

#[tokio::test]
async fn an_outage_of_many_attempts_is_told_once() {
    let mut peer = Peer::new().await;
    let (_venue, mut feed, _) = start(peer.options());
    for _ in 0..3 {
        peer.refuse("503 Service Unavailable").await;
    }
    let _line = peer.accept_and_grant("sub-1").await;
    let reason = next_disconnection(&mut feed).await;
    assert!(reason.contains("503"), "{reason}");
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
}

#[tokio::test]
async fn garbage_of_every_kind_is_passed_on_and_the_stream_goes_on() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.frame_bytes_max = 100_000;
    let (_venue, mut feed, _) = start(options);
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    line.send("{not json").await;
    line.send(r#"{"jsonrpc":"2.0","method":"goodbye","params":{}}"#).await;
    within(line.0.send(Message::Binary(Bytes::from_static(&[0, 159, 146, 150])))).await.unwrap();
    line.send("é".repeat(60_000)).await;
    line.quote("sub-1", "and on it goes").await;
    let (raw, bytes, reason) = next_unreadable(&mut feed).await;
    assert_eq!((raw.as_str(), bytes), ("{not json", 9));
    assert!(reason.contains("not a frame"), "{reason}");
    assert!(next_unreadable(&mut feed).await.2.contains("goodbye"));
    let (raw, bytes, _) = next_unreadable(&mut feed).await;
    assert_eq!((raw.as_str(), bytes), ("base64:AJ+Slg==", 4));
    let (raw, bytes, reason) = next_unreadable(&mut feed).await;
    assert_eq!((raw.len(), bytes), (65_536, 120_000));
    assert!(reason.contains("at most 100000"), "{reason}");
    assert_eq!(next_quote(&mut feed).await, "and on it goes");
}

#[tokio::test]
async fn a_reader_that_sleeps_delays_no_reply_and_is_told_what_it_missed() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.queue_news_max = 10;
    let (venue, mut feed, _) = start(options);
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    for index in 0..500 {
        line.quote("sub-1", &format!("q-{index}")).await;
    }
    let far_end = async {
        let asked = line.read().await;
        line.reply(&asked, "result", json!("OK")).await;
    };
    let ((), submission) =
        within(async { tokio::join!(far_end, venue.submit(offer(&venue, 1), nothing())) }).await;
    assert!(matches!(submission, Submission::Accepted { .. }), "{submission:?}");
    for index in 0..10 {
        assert_eq!(next_quote(&mut feed).await, format!("q-{index}"));
    }
    let (_, _, reason) = next_unreadable(&mut feed).await;
    assert!(reason.starts_with("490 quotes were dropped"), "{reason}");
}

#[tokio::test]
async fn a_refused_subscription_is_told_and_tried_again() {
    let mut peer = Peer::new().await;
    let (_venue, mut feed, _) = start(peer.options());
    let mut line = peer.accept().await;
    let asked = line.read().await;
    line.reply(&asked, "error", json!("not for you")).await;
    let reason = next_disconnection(&mut feed).await;
    assert!(reason.contains("quote") && reason.contains("not for you"), "{reason}");
    let _line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
}

#[tokio::test]
async fn an_unanswered_subscription_is_given_up() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.reply_ms_max = 30;
    let (_venue, mut feed, _) = start(options);
    let _line = peer.accept().await;
    let reason = next_disconnection(&mut feed).await;
    assert_eq!(reason, "no reply to the subscription to quote");
}

#[tokio::test]
async fn a_relay_that_forbids_entry_is_told_with_the_remedy() {
    let peer = Peer::new().await;
    let (_venue, mut feed, _) = start(peer.options());
    peer.refuse("403 Forbidden").await;
    let reason = next_disconnection(&mut feed).await;
    assert!(reason.contains("403") && reason.contains("token"), "{reason}");
}

#[tokio::test]
async fn the_connection_ends_with_its_last_handle() {
    let mut peer = Peer::new().await;
    let (venue, feed, mut line) = connected(&mut peer).await;
    drop(feed);
    // The feed is gone; the venue still works.
    line.quote("sub-1", "for nobody").await;
    let far_end = async {
        let asked = line.read().await;
        line.reply(&asked, "result", json!("OK")).await;
    };
    let ((), submission) =
        within(async { tokio::join!(far_end, venue.submit(offer(&venue, 1), nothing())) }).await;
    assert!(matches!(submission, Submission::Accepted { .. }), "{submission:?}");
    drop(venue);
    assert!(within(line.0.next()).await.is_none_or(|end| end.is_err()), "the socket is still open");
}

#[tokio::test]
async fn a_process_that_only_offers_subscribes_to_nothing() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.streams = Streams { quotes: false, settlements: false, settlements_extended: false };
    let (venue, mut feed, _) = start(options);
    let mut line = peer.accept().await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    let far_end = async {
        let asked = line.read().await;
        assert_eq!(asked["method"], "quote_response");
        line.reply(&asked, "result", json!("OK")).await;
    };
    let ((), submission) =
        within(async { tokio::join!(far_end, venue.submit(offer(&venue, 1), nothing())) }).await;
    assert!(matches!(submission, Submission::Accepted { .. }), "{submission:?}");
}
