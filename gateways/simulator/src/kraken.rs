//! Kraken's WebSocket API v2 (the `ticker` channel of BTC/EUR) and its REST ticker.

use crate::clock::rfc3339;
use crate::faults::Fault;
use crate::journal::{Body, Direction, Door};
use crate::prices::{Market, decimal};
use crate::world::Shared;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

mod book;

const SYMBOL: &str = "BTC/EUR";

/// Largest message that a client may send.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A client that does not take a frame for this long is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Heartbeats are never sent faster than this, in milliseconds.
const HEARTBEAT_MS_MIN: u64 = 10;

/// How often a connection looks at the market.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// With the `trades` trigger, one look in so many finds that somebody traded.
const LOOKS_PER_TRADE: u64 = 40;

#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Option<Params>,
    #[serde(default)]
    req_id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Params {
    channel: String,
    #[serde(default)]
    symbol: Vec<String>,
    #[serde(default)]
    event_trigger: Option<String>,
    #[serde(default)]
    snapshot: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TickerParams {
    #[serde(default)]
    pair: String,
}

/// When a subscriber is sent an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Bbo,
    Trades,
}

/// One connection.
struct Session {
    shared: Arc<Shared>,
    number: u64,
    socket: WebSocket,
    trigger: Option<Trigger>,
    shown: Option<Market>,
    looks: u64,
    maintenance: bool,
}

/// The connection has to end.
struct Over;

/// `GET /kraken/v2`.
pub(crate) async fn upgrade(State(shared): State<Arc<Shared>>, ws: WebSocketUpgrade) -> Response {
    let refused = {
        let mut world = shared.world();
        // Each open connection holds one receiver.
        let full = world.kraken_epoch.receiver_count() >= shared.options.feeds.kraken_connections_max;
        full || world.faults.bites(&Fault::KrakenRefuses)
    };
    if refused {
        let note = Body::Note("connection refused with 503".to_owned());
        shared.note(Door::Kraken, Direction::Out, 0, note);
        return (StatusCode::SERVICE_UNAVAILABLE, "unavailable\n").into_response();
    }
    ws.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| async move {
        let number = shared.next_connection();
        shared.note(Door::Kraken, Direction::In, number, Body::Note("connected".to_owned()));
        let session = Session {
            shared: Arc::clone(&shared),
            number,
            socket,
            trigger: None,
            shown: None,
            looks: 0,
            maintenance: false,
        };
        let mut stopping = shared.stopping();
        let mut epoch = shared.world().kraken_epoch.subscribe();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => {}
            _ = epoch.changed() => {}
            _ = session.run() => {}
        }
        shared.note(Door::Kraken, Direction::Out, number, Body::Note("disconnected".to_owned()));
    })
}

/// `GET /kraken/0/public/Ticker`.
pub(crate) async fn ticker(
    State(shared): State<Arc<Shared>>,
    Query(params): Query<TickerParams>,
) -> Response {
    let line = format!("GET /0/public/Ticker?pair={}", params.pair);
    shared.note(Door::KrakenRest, Direction::In, 0, Body::Text(line.into()));
    let down = shared.world().faults.bites(&Fault::KrakenRestDown);
    let (status, text) = if down {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":["EService:Unavailable"]}"#.to_owned())
    } else if matches!(params.pair.as_str(), "XBTEUR" | "XXBTZEUR" | "BTCEUR" | "BTC/EUR" | "XBT/EUR") {
        (StatusCode::OK, book::rest(&shared.market()))
    } else {
        (StatusCode::OK, r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned())
    };
    shared.note(Door::KrakenRest, Direction::Out, 0, Body::Text(text.as_str().into()));
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

impl Session {
    async fn run(mut self) -> Result<(), Over> {
        let heartbeat_ms = self.shared.options.feeds.kraken_heartbeat_ms.max(HEARTBEAT_MS_MIN);
        let mut heartbeat = interval(Duration::from_millis(heartbeat_ms));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.maintenance = self.armed(&Fault::KrakenMaintenance);
        self.send_status().await?;
        loop {
            tokio::select! {
                biased;
                _ = heartbeat.tick() => {
                    if self.trigger.is_some() {
                        self.send(r#"{"channel":"heartbeat"}"#.to_owned()).await?;
                    }
                }
                _ = looks.tick() => self.look().await?,
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.receive(message).await?,
                    Some(Err(_)) | None => return Err(Over),
                },
            }
        }
    }

    fn armed(&self, fault: &Fault) -> bool {
        self.shared.world().faults.is_armed(fault)
    }

    fn bites(&self, wanted: &Fault) -> bool {
        self.shared.world().faults.bites(wanted)
    }

    /// Sends what the market has become, when the subscriber has to know.
    async fn look(&mut self) -> Result<(), Over> {
        let maintenance = self.armed(&Fault::KrakenMaintenance);
        if maintenance != self.maintenance {
            self.maintenance = maintenance;
            self.send_status().await?;
        }
        let Some(trigger) = self.trigger else { return Ok(()) };
        if maintenance || self.armed(&Fault::KrakenHeartbeatsOnly) {
            return Ok(());
        }
        self.looks += 1;
        if self.bites(&Fault::KrakenGarbage) {
            return self.send(r#"{"channel":"ticker","data":[{"symbol":"BTC/E"#.to_owned()).await;
        }
        if self.bites(&Fault::KrakenCrossedBook) {
            let mut market = self.shared.market();
            (market.bid_e8, market.ask_e8) = (market.ask_e8 + 500_000_000, market.bid_e8);
            return self.send_ticker("update", &market).await;
        }
        if self.bites(&Fault::KrakenZeroBook) {
            let mut market = self.shared.market();
            (market.bid_e8, market.ask_e8) = (0, 0);
            return self.send_ticker("update", &market).await;
        }
        let market = self.shared.market();
        let due = match trigger {
            Trigger::Bbo => self.shown != Some(market),
            Trigger::Trades => self.looks.is_multiple_of(LOOKS_PER_TRADE),
        };
        if due {
            self.shown = Some(market);
            self.send_ticker("update", &market).await?;
        }
        Ok(())
    }

    async fn receive(&mut self, message: Message) -> Result<(), Over> {
        let body = match &message {
            Message::Text(text) => Body::Text(text.clone()),
            Message::Binary(bytes) => Body::Binary(bytes.clone()),
            Message::Ping(_) => Body::Note("ping".to_owned()),
            Message::Pong(_) => Body::Note("pong".to_owned()),
            Message::Close(_) => Body::Note("close".to_owned()),
        };
        let seq = self.shared.note(Door::Kraken, Direction::In, self.number, body);
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.shared.journal().violation("kraken: a binary frame".to_owned());
                return Ok(());
            }
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Over),
        };
        let time_in = rfc3339(self.shared.clock.now());
        let request: Request = match serde_json::from_str(text.as_str()) {
            Ok(request) => request,
            Err(error) => {
                self.shared.journal().violation(format!("kraken: not a request: {error}"));
                self.shared.journal().judge(seq, "violation: not a request");
                return self.send(refusal(None, "", "Malformed request", None, &time_in)).await;
            }
        };
        self.answer(request, &time_in).await
    }

    async fn answer(&mut self, request: Request, time_in: &str) -> Result<(), Over> {
        let method = request.method.as_str();
        match (method, request.params) {
            ("ping", _) => {
                let mut pong = json!({ "method": "pong", "time_in": time_in, "time_out": time_in });
                if let Some(req_id) = request.req_id {
                    pong["req_id"] = json!(req_id);
                }
                self.send(pong.to_string()).await
            }
            ("subscribe", Some(params)) => self.subscribe(&params, request.req_id, time_in).await,
            ("unsubscribe", Some(params)) => {
                self.trigger = None;
                let result = json!({ "channel": params.channel, "symbol": SYMBOL });
                self.send(ack(method, &result, request.req_id, time_in)).await
            }
            _ => {
                self.shared.journal().violation(format!("kraken: method {method:?}"));
                let text = format!("Unsupported method: {method}");
                self.send(refusal(Some(method), "", &text, request.req_id, time_in)).await
            }
        }
    }

    async fn subscribe(&mut self, params: &Params, req_id: Option<u64>, time_in: &str) -> Result<(), Over> {
        let method = Some("subscribe");
        if params.channel == "heartbeat" {
            let result = json!({ "channel": "heartbeat" });
            return self.send(ack("subscribe", &result, req_id, time_in)).await;
        }
        if params.channel != "ticker" {
            let text = format!("Channel {} is not simulated", params.channel);
            return self.send(refusal(method, "", &text, req_id, time_in)).await;
        }
        let trigger = match params.event_trigger.as_deref() {
            None | Some("trades") => Trigger::Trades,
            Some("bbo") => Trigger::Bbo,
            Some(_) => {
                let text = "Event trigger not supported";
                return self.send(refusal(method, "", text, req_id, time_in)).await;
            }
        };
        // One acknowledgement per symbol, as the real one does.
        for symbol in &params.symbol {
            if symbol != SYMBOL {
                let text = format!("Currency pair not supported {symbol}");
                self.send(refusal(method, symbol, &text, req_id, time_in)).await?;
                continue;
            }
            if self.trigger.is_some() {
                self.send(refusal(method, symbol, "Already subscribed", req_id, time_in)).await?;
                continue;
            }
            let snapshot = params.snapshot.unwrap_or(true);
            let name = if trigger == Trigger::Bbo { "bbo" } else { "trades" };
            let result = json!({
                "channel": "ticker", "symbol": symbol, "snapshot": snapshot, "event_trigger": name,
            });
            self.send(ack("subscribe", &result, req_id, time_in)).await?;
            self.trigger = Some(trigger);
            let quiet = self.maintenance || self.armed(&Fault::KrakenHeartbeatsOnly);
            if snapshot && !quiet {
                let market = self.shared.market();
                self.shown = Some(market);
                self.send_ticker("snapshot", &market).await?;
            }
        }
        Ok(())
    }

    async fn send_status(&mut self) -> Result<(), Over> {
        let system = if self.maintenance { "maintenance" } else { "online" };
        let text = json!({
            "channel": "status",
            "type": "update",
            "data": [{
                "system": system,
                "api_version": "v2",
                "connection_id": self.number,
                "version": "2.0.10",
            }],
        });
        self.send(text.to_string()).await
    }

    async fn send_ticker(&mut self, kind: &str, market: &Market) -> Result<(), Over> {
        let stamped = self.shared.options.feeds.kraken_timestamp;
        let at = stamped.then(|| rfc3339(self.shared.clock.now()));
        self.send(book::ticker(kind, market, at.as_deref())).await
    }

    async fn send(&mut self, text: String) -> Result<(), Over> {
        if self.armed(&Fault::KrakenSilent) {
            return Ok(());
        }
        let message = Message::Text(text.into());
        if let Message::Text(text) = &message {
            self.shared.note(Door::Kraken, Direction::Out, self.number, Body::Text(text.clone()));
        }
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }
}

fn ack(method: &str, result: &Value, req_id: Option<u64>, time_in: &str) -> String {
    let mut text = json!({
        "method": method, "result": result, "success": true, "time_in": time_in, "time_out": time_in,
    });
    if let Some(req_id) = req_id {
        text["req_id"] = json!(req_id);
    }
    text.to_string()
}

fn refusal(method: Option<&str>, symbol: &str, error: &str, req_id: Option<u64>, time_in: &str) -> String {
    let mut text = json!({ "error": error, "success": false, "time_in": time_in, "time_out": time_in });
    if let Some(method) = method {
        text["method"] = json!(method);
    }
    if !symbol.is_empty() {
        text["symbol"] = json!(symbol);
    }
    if let Some(req_id) = req_id {
        text["req_id"] = json!(req_id);
    }
    text.to_string()
}

/// A price as Kraken writes it for BTC/EUR: one decimal.
fn price(price_e8: u64) -> String {
    decimal(price_e8, 1)
}
