//! The price feeds, well and unwell.

use crate::support::{Client, get, options, start, until};
use serde_json::{Value, json};
use std::time::Instant;
use stele_simulator::{Action, Fault, FeedOptions, Options, PriceOptions, Running, Scope};
use tokio_tungstenite::tungstenite::Message;

fn is_ticker(frame: &Value) -> bool {
    frame["channel"] == "ticker"
}

async fn subscribed(running: &Running) -> Client {
    let mut kraken = Client::kraken(running).await;
    let params =
        json!({ "channel": "ticker", "symbol": ["BTC/EUR"], "event_trigger": "bbo", "snapshot": true });
    kraken.send_text(&json!({ "method": "subscribe", "params": params, "req_id": 3 }).to_string()).await;
    let ack = kraken.find(|frame| frame["method"] == "subscribe").await;
    assert_eq!((&ack["success"], &ack["req_id"]), (&json!(true), &json!(3)), "{ack}");
    assert_eq!(ack["result"]["event_trigger"], "bbo");
    kraken
}

async fn coingecko(running: &Running) -> (u16, Value) {
    let base = running.endpoints().coingecko;
    let query =
        "ids=bitcoin,monerium-eur-money-2&vs_currencies=eur&include_last_updated_at=true&precision=full";
    get(&format!("{base}/simple/price?{query}")).await
}

fn once(running: &Running, fault: Fault) {
    running.handle().fault(fault, Scope::Count(1)).unwrap();
}

#[tokio::test]
async fn kraken_says_its_status_acknowledges_and_sends_a_snapshot_updates_and_heartbeats() {
    let running = start(options()).await;
    let mut kraken = Client::kraken(&running).await;
    let status = kraken.next().await;
    assert_eq!((&status["channel"], &status["data"][0]["system"]), (&json!("status"), &json!("online")));
    let mut kraken = subscribed(&running).await;
    let snapshot = kraken.find(is_ticker).await;
    assert_eq!(snapshot["type"], "snapshot");
    let level = &snapshot["data"][0];
    assert_eq!((&level["bid"], &level["ask"]), (&json!(59994.0), &json!(60006.0)));
    assert!(level["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(kraken.find(is_ticker).await["type"], "update");
    kraken.find(|frame| frame["channel"] == "heartbeat").await;
}

#[tokio::test]
async fn kraken_answers_pings_and_refuses_what_it_does_not_have() {
    let running = start(options()).await;
    let mut kraken = Client::kraken(&running).await;
    kraken.send_text(r#"{"method":"ping","req_id":9}"#).await;
    assert_eq!(kraken.find(|frame| frame["method"] == "pong").await["req_id"], 9);
    kraken.send_text(r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["DOGE/X"]}}"#).await;
    let refused = kraken.find(|frame| frame["success"] == false).await;
    assert_eq!(refused["error"], "Currency pair not supported DOGE/X");
    kraken.send_text("nonsense").await;
    let refused = kraken.find(|frame| frame["error"] == "Malformed request").await;
    assert_eq!(refused["success"], false);
}

#[tokio::test]
async fn kraken_can_be_crossed_zero_or_garbled_once_and_is_well_again() {
    let running = start(options()).await;
    let mut kraken = subscribed(&running).await;
    once(&running, Fault::KrakenCrossedBook);
    let crossed = |frame: &Value| {
        is_ticker(frame) && frame["data"][0]["bid"].as_f64() > frame["data"][0]["ask"].as_f64()
    };
    kraken.find(crossed).await;
    once(&running, Fault::KrakenZeroBook);
    kraken.find(|frame| is_ticker(frame) && frame["data"][0]["bid"] == json!(0.0)).await;
    once(&running, Fault::KrakenGarbage);
    loop {
        let Message::Text(text) = kraken.next_message().await.unwrap().unwrap() else { continue };
        if serde_json::from_str::<Value>(text.as_str()).is_err() {
            break;
        }
    }
    kraken.find(|frame| is_ticker(frame) && frame["data"][0]["bid"] == json!(59994.0)).await;
}

#[tokio::test]
async fn kraken_with_heartbeats_only_sends_no_ticker_until_the_fault_is_cleared() {
    let running = start(options()).await;
    let id = running.handle().fault(Fault::KrakenHeartbeatsOnly, Scope::UntilCleared).unwrap();
    let mut kraken = subscribed(&running).await;
    for _ in 0..8 {
        kraken.find(|frame| frame["channel"] == "heartbeat").await;
    }
    assert!(!kraken.has(is_ticker));
    running.handle().clear_faults(Some(id));
    kraken.find(is_ticker).await;
}

#[tokio::test]
async fn kraken_in_maintenance_says_so_and_says_when_it_is_over() {
    let running = start(options()).await;
    let mut kraken = subscribed(&running).await;
    let system = |wanted: &'static str| move |frame: &Value| frame["data"][0]["system"] == wanted;
    let id = running.handle().fault(Fault::KrakenMaintenance, Scope::UntilCleared).unwrap();
    kraken.find(system("maintenance")).await;
    let mut late = Client::kraken(&running).await;
    assert_eq!(late.next().await["data"][0]["system"], "maintenance");
    running.handle().clear_faults(Some(id));
    kraken.find(system("online")).await;
    kraken.find(is_ticker).await;
}

#[tokio::test]
async fn kraken_disconnects_refuses_and_has_a_rest_ticker_beside_it() {
    let running = start(options()).await;
    let mut kraken = subscribed(&running).await;
    running.handle().act(Action::KrakenDisconnect).unwrap();
    while let Some(Ok(message)) = kraken.next_message().await {
        assert!(!matches!(message, Message::Close(_)));
    }
    once(&running, Fault::KrakenRefuses);
    let refused = crate::support::dial(&running.endpoints().kraken_ws, None).await;
    assert_eq!(crate::support::refused_with(refused), 503);
    let rest = format!("{}/0/public/Ticker?pair=XBTEUR", running.endpoints().kraken_rest);
    assert_eq!(get(&rest).await.1["result"]["XXBTZEUR"]["b"][0], "59994.00000");
    once(&running, Fault::KrakenRestDown);
    assert_eq!(get(&rest).await.0, 503);
    let unknown = format!("{}/0/public/Ticker?pair=NONE", running.endpoints().kraken_rest);
    assert_eq!(get(&unknown).await.1["error"][0], "EQuery:Unknown asset pair");
}

#[tokio::test]
async fn coingecko_prices_bitcoin_and_the_euro_token() {
    let running = start(options()).await;
    let (status, answer) = coingecko(&running).await;
    assert_eq!(status, 200);
    assert_eq!(answer["bitcoin"]["eur"], json!(60000.0));
    assert_eq!(answer["monerium-eur-money-2"]["eur"], json!(1.0));
    let updated = answer["bitcoin"]["last_updated_at"].as_i64().unwrap();
    assert!((updated - crate::support::now_ms() / 1_000).abs() <= 2);
}

#[tokio::test]
async fn coingecko_fails_in_each_of_its_ways() {
    let running = start(options()).await;
    once(&running, Fault::CoingeckoErrors);
    assert_eq!(coingecko(&running).await.0, 500);
    once(&running, Fault::CoingeckoMissing);
    assert!(coingecko(&running).await.1.get("bitcoin").is_none());
    once(&running, Fault::CoingeckoNull);
    assert!(coingecko(&running).await.1["bitcoin"]["eur"].is_null());
    once(&running, Fault::CoingeckoDeviates { bps: -250 });
    assert_eq!(coingecko(&running).await.1["bitcoin"]["eur"], json!(58500.0));
    once(&running, Fault::EurePegOff { bps: -300 });
    assert_eq!(coingecko(&running).await.1["monerium-eur-money-2"]["eur"], json!(0.97));
    once(&running, Fault::CoingeckoStale { age_seconds: 500 });
    let updated = coingecko(&running).await.1["bitcoin"]["last_updated_at"].as_i64().unwrap();
    assert!(crate::support::now_ms() / 1_000 - updated >= 499);
    once(&running, Fault::CoingeckoSlow { by_ms: 250 });
    let from = Instant::now();
    assert_eq!(coingecko(&running).await.0, 200);
    assert!(from.elapsed().as_millis() >= 250);
    once(&running, Fault::CoingeckoRateLimits { retry_after_seconds: 17 });
    let url = format!("{}/simple/price?ids=bitcoin&vs_currencies=eur", running.endpoints().coingecko);
    let limited = reqwest::get(&url).await.unwrap();
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"17".parse().unwrap()));
    assert_eq!(coingecko(&running).await.1["bitcoin"]["eur"], json!(60000.0), "and it is well again");
}

#[tokio::test]
async fn coingecko_repeats_its_answer_while_the_market_moves_on() {
    let feeds = FeedOptions { coingecko_cache_seconds: 3_600, ..options().feeds };
    let prices = PriceOptions { day_seconds: 10, ..PriceOptions::default() };
    let running = start(Options { feeds, prices, ..options() }).await;
    let first = coingecko(&running).await.1;
    let market = running.handle().state().market;
    until(async || (running.handle().state().market.mid_e8 != market.mid_e8).then_some(())).await;
    assert_eq!(coingecko(&running).await.1, first);
}

#[tokio::test]
async fn a_fixed_price_is_the_same_on_every_feed() {
    let running = start(options()).await;
    running.handle().act(Action::FixPrice { price_e8: Some(5_000_000_000_000) }).unwrap();
    assert_eq!(coingecko(&running).await.1["bitcoin"]["eur"], json!(50000.0));
    let mut kraken = subscribed(&running).await;
    assert_eq!(kraken.find(is_ticker).await["data"][0]["last"], json!(50000.0));
}
