//! What the tests share: a clock that is moved by hand, far ends, and a limit on waiting.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stele_domain::market::reference::event::{PriceObserved, SourceStateChanged};
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::{PriceFeed as _, PriceNews};
use stele_domain::time::Timestamp;
use stele_market::Prices;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

pub const NOON: &str = "2026-11-20T12:00:00Z";

/// Moved by hand.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn at_noon() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::parse(NOON).unwrap().micros())))
    }

    pub fn set(&self, text: &str) {
        self.0.store(Timestamp::parse(text).unwrap().micros(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Fails loudly instead of hanging.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("nothing happened for 20 s")
}

pub async fn next_state(prices: &mut Prices) -> SourceStateChanged {
    let news = within(prices.next()).await;
    let PriceNews::State(change) = news else { panic!("{news:?}") };
    change
}

pub async fn next_price(prices: &mut Prices) -> PriceObserved {
    let news = within(prices.next()).await;
    let PriceNews::Observed(price) = news else { panic!("{news:?}") };
    price
}

/// The far end of the stream: accepts one connection at a time.
pub struct Exchange {
    listener: TcpListener,
}

pub struct Line(WebSocketStream<TcpStream>);

impl Exchange {
    pub async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/v2", self.listener.local_addr().unwrap())
    }

    /// Accepts a connection and reads its subscription.
    pub async fn accept(&self) -> Line {
        self.accept_asked().await.0
    }

    /// Accepts a connection; what it subscribed to.
    pub async fn accept_asked(&self) -> (Line, Value) {
        let (socket, _) = within(self.listener.accept()).await.unwrap();
        let mut line = Line(within(accept_async(socket)).await.unwrap());
        let asked = line.read().await;
        assert_eq!(asked["method"], "subscribe", "{asked}");
        (line, asked)
    }

    /// Takes a connection and drops it before its handshake.
    pub async fn hang_up(&self) {
        drop(within(self.listener.accept()).await.unwrap());
    }
}

impl Line {
    pub async fn send(&mut self, text: impl Into<String>) {
        within(self.0.send(Message::text(text.into()))).await.unwrap();
    }

    pub async fn send_binary(&mut self, data: &'static [u8]) {
        within(self.0.send(Message::binary(data))).await.unwrap();
    }

    pub async fn ticker(&mut self, bid: &str, ask: &str) {
        self.send(format!(
            r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"BTC/EUR","bid":{bid},"ask":{ask}}}]}}"#
        ))
        .await;
    }

    pub async fn read(&mut self) -> Value {
        let message = within(self.0.next()).await.expect("the client hung up").unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// Whether the client has hung up.
    pub async fn ended(&mut self) -> bool {
        within(self.0.next()).await.is_none_or(|end| end.is_err())
    }
}

/// What came in over HTTP.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub at: Instant,
}

/// A far end that answers every request by the next of its answers, and by the last for ever.
pub struct Site {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

#[derive(Debug, Clone)]
pub enum Answer {
    Body(String),
    Status(u16, Option<&'static str>),
    Hang,
}

type Shared = (Arc<Mutex<Vec<Asked>>>, Arc<Mutex<Vec<Answer>>>);

impl Site {
    pub async fn new(answers: Vec<Answer>) -> Self {
        let (asked, answers) = (Arc::default(), Arc::new(Mutex::new(answers)));
        let router = Router::new().fallback(answer).with_state((Arc::clone(&asked), Arc::clone(&answers)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, answers }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn answer_from_now_on(&self, answer: Answer) {
        *self.answers.lock().unwrap() = vec![answer];
    }
}

async fn answer(State((asked, answers)): State<Shared>, request: Request) -> Response {
    let path_and_query = request.uri().to_string();
    asked.lock().unwrap().push(Asked {
        path_and_query,
        headers: request.headers().clone(),
        at: Instant::now(),
    });
    let answer = {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    };
    match answer {
        Answer::Body(body) => body.into_response(),
        Answer::Status(status, None) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Status(status, Some(pause)) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", pause)]).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}
