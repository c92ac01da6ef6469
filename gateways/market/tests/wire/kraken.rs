//! Kraken: the stream, its clocks, and the poll that stands in for it.

use crate::support::{Answer, Exchange, HandClock, Line, NOON, Site, next_price, next_state, within};
use std::sync::Arc;
use stele_domain::market::reference::event::{Link, PriceObserved, Source};
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::{PriceFeed as _, PriceNews};
use stele_domain::time::Timestamp;
use stele_market::{InvalidSources, KrakenOptions, Options, Prices};

const ONLINE: &str = include_str!("../../payloads/kraken/status_online.json");
const MAINTENANCE: &str = include_str!("../../payloads/kraken/status_maintenance.json");
const HEARTBEAT: &str = include_str!("../../payloads/kraken/heartbeat.json");
const PONG: &str = include_str!("../../payloads/kraken/pong.json");
const REST: &str = include_str!("../../payloads/kraken/rest_ticker.json");

fn options(exchange: &Exchange) -> Options {
    let kraken = KrakenOptions {
        ws_url: exchange.url(),
        rest_url: None,
        backoff_ms_min: 1,
        backoff_ms_max: 20,
        ..KrakenOptions::default()
    };
    Options { kraken, coin_gecko: None, ..Options::default() }
}

fn start(options: &Options) -> (Prices, Arc<HandClock>) {
    let clock = HandClock::at_noon();
    let port: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
    (Prices::start(options, &port).unwrap(), clock)
}

/// Connected, online, and one price in.
async fn streaming(exchange: &Exchange, prices: &mut Prices) -> Line {
    let mut line = exchange.accept().await;
    // What is known of the system from before a reconnection holds; at first nothing is.
    if !next_state(prices).await.healthy {
        line.send(ONLINE).await;
        assert!(next_state(prices).await.healthy);
    }
    line.ticker("100", "101").await;
    assert_eq!(next_state(prices).await.link, Link::Alive);
    assert_eq!(next_price(prices).await.bid.to_string(), "100");
    line
}

#[tokio::test]
async fn the_best_prices_come_in_exactly_and_stamped() {
    let exchange = Exchange::new().await;
    let (mut prices, clock) = start(&options(&exchange));
    let mut line = exchange.accept().await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.source, change.link, change.healthy), (Source::Kraken, Link::Silent, false));
    assert_eq!(change.at, Timestamp::parse(NOON).unwrap());
    line.send(ONLINE).await;
    let change = next_state(&mut prices).await;
    assert_eq!(
        (change.link, change.healthy, change.reason.as_str()),
        (Link::Silent, true, "connected, no price yet")
    );
    line.send(include_str!("../../payloads/kraken/subscribed.json")).await;
    clock.set("2026-11-20T12:00:01Z");
    line.send(include_str!("../../payloads/kraken/ticker_snapshot.json")).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy, change.reason.as_str()), (Link::Alive, true, "online"));
    assert_eq!(
        next_price(&mut prices).await,
        PriceObserved {
            source: Source::Kraken,
            bid: "83817.1".parse().unwrap(),
            ask: "83817.2".parse().unwrap(),
            source_at: Some(Timestamp::parse("2026-11-20T12:00:00.987654Z").unwrap()),
            received_at: Timestamp::parse("2026-11-20T12:00:01Z").unwrap(),
        }
    );
}

#[tokio::test]
async fn every_change_of_the_book_is_asked_for() {
    let exchange = Exchange::new().await;
    let (_prices, _) = start(&options(&exchange));
    let (_line, asked) = exchange.accept_asked().await;
    let params = serde_json::json!({
        "channel": "ticker", "symbol": ["BTC/EUR"], "event_trigger": "bbo", "snapshot": true,
    });
    assert_eq!((&asked["method"], &asked["params"]), (&"subscribe".into(), &params));
}

#[tokio::test]
async fn a_lost_stream_is_down_and_is_opened_and_subscribed_again() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let line = streaming(&exchange, &mut prices).await;
    drop(line);
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy), (Link::Down, true));
    assert!(change.reason.contains("1006") || change.reason.contains("reset"), "{}", change.reason);
    let mut line = exchange.accept().await;
    assert_eq!(next_state(&mut prices).await.link, Link::Silent);
    line.ticker("200", "201").await;
    assert_eq!(next_state(&mut prices).await.link, Link::Alive);
    assert_eq!(next_price(&mut prices).await.bid.to_string(), "200");
}

#[tokio::test]
async fn heartbeats_without_a_ticker_make_a_silent_channel_which_is_reopened() {
    let exchange = Exchange::new().await;
    let mut options = options(&exchange);
    options.kraken.channel_silent_ms_max = 60;
    options.kraken.channel_reopen_ms_max = 300;
    let (mut prices, _) = start(&options);
    let mut line = streaming(&exchange, &mut prices).await;
    line.send(HEARTBEAT).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy), (Link::Silent, true));
    assert!(change.reason.contains("no ticker message"), "{}", change.reason);
    line.send(HEARTBEAT).await;
    let change = next_state(&mut prices).await;
    assert_eq!(change.link, Link::Down);
    assert!(change.reason.contains("no ticker message"), "{}", change.reason);
    exchange.accept().await;
}

#[tokio::test]
async fn a_socket_without_any_message_is_pinged_and_then_given_up() {
    let exchange = Exchange::new().await;
    let mut options = options(&exchange);
    options.kraken.silence_ms_max = 200;
    let (mut prices, _) = start(&options);
    let mut line = streaming(&exchange, &mut prices).await;
    assert_eq!(line.read().await["method"], "ping");
    line.send(PONG).await;
    // Answered: it is kept, and pinged again. Not answered: it is given up.
    assert_eq!(line.read().await["method"], "ping");
    let change = next_state(&mut prices).await;
    assert_eq!(change.link, Link::Down);
    assert!(change.reason.contains("no message of any kind"), "{}", change.reason);
}

#[tokio::test]
async fn maintenance_and_books_that_make_no_sense_are_unhealthy_and_no_price() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = streaming(&exchange, &mut prices).await;
    line.send(MAINTENANCE).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy, change.reason.as_str()), (Link::Alive, false, "maintenance"));
    line.send(ONLINE).await;
    assert!(next_state(&mut prices).await.healthy);
    for (bid, ask, why) in [("102", "101", "crossed"), ("0", "101", "bid is 0"), ("100", "-1", "ask is -1")] {
        line.ticker(bid, ask).await;
        let change = next_state(&mut prices).await;
        assert_eq!((change.link, change.healthy), (Link::Alive, false), "{bid} {ask}");
        assert!(change.reason.contains(why), "{}", change.reason);
        line.ticker("100.5", "100.6").await;
        assert!(next_state(&mut prices).await.healthy);
        assert_eq!(next_price(&mut prices).await.ask.to_string(), "100.6");
    }
}

#[tokio::test]
async fn a_price_without_a_word_on_the_system_or_with_one_that_can_t_be_read_is_not_healthy() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = exchange.accept().await;
    assert!(!next_state(&mut prices).await.healthy);
    line.ticker("100", "101").await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy), (Link::Alive, false));
    assert!(change.reason.contains("no word"), "{}", change.reason);
    next_price(&mut prices).await;
    // Two entries: the good one hides nothing.
    line.send(r#"{"channel":"status","data":[{"system":"maintenance"},{"system":"online"}]}"#).await;
    line.send(ONLINE).await;
    assert!(next_state(&mut prices).await.healthy);
    line.send(r#"{"channel":"status","data":[{"system":"maintenance"},{"system":"online"}]}"#).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.healthy, change.reason.as_str()), (false, "maintenance"));
    line.send(ONLINE).await;
    assert!(next_state(&mut prices).await.healthy);
    line.send(r#"{"channel":"status","data":[]}"#).await;
    assert!(!next_state(&mut prices).await.healthy);
}

#[tokio::test]
async fn garbage_of_every_kind_is_survived() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = streaming(&exchange, &mut prices).await;
    line.send("{not json").await;
    line.send(r#"{"channel":"ohlc","data":[]}"#).await;
    line.send(r#"{"channel":"ticker","data":"surprise"}"#).await;
    line.send_binary(&[0, 159, 146, 150]).await;
    line.ticker("300", "301").await;
    assert_eq!(next_price(&mut prices).await.bid.to_string(), "300");
}

#[tokio::test]
async fn a_message_too_large_to_read_ends_the_socket_and_not_the_feed() {
    let exchange = Exchange::new().await;
    let mut options = options(&exchange);
    options.kraken.frame_bytes_max = 10_000;
    let (mut prices, _) = start(&options);
    let mut line = streaming(&exchange, &mut prices).await;
    line.send("x".repeat(20_000)).await;
    assert_eq!(next_state(&mut prices).await.link, Link::Down);
    exchange.accept().await;
}

#[tokio::test]
async fn a_refused_subscription_is_told() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = exchange.accept().await;
    assert_eq!(next_state(&mut prices).await.link, Link::Silent);
    line.send(include_str!("../../payloads/kraken/subscribe_refused.json")).await;
    let change = next_state(&mut prices).await;
    assert_eq!(change.link, Link::Down);
    assert!(change.reason.contains("Currency pair not supported"), "{}", change.reason);
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_price_and_holds_nothing_up() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = streaming(&exchange, &mut prices).await;
    for price in 1_000..3_000 {
        line.ticker(&price.to_string(), &price.to_string()).await;
    }
    // A state behind the prices shows that all of them were read.
    line.send(MAINTENANCE).await;
    let mut seen = Vec::new();
    loop {
        match within(prices.next()).await {
            PriceNews::Observed(price) => seen.push(price.bid.to_string()),
            PriceNews::State(change) => {
                assert!(!change.healthy);
                break;
            }
        }
    }
    assert_eq!(seen.last().map(String::as_str), Some("2999"));
}

#[tokio::test]
async fn rest_is_polled_while_the_stream_is_away_and_left_alone_when_it_is_back() {
    let exchange = Exchange::new().await;
    let site = Site::new(vec![Answer::Body(REST.into())]).await;
    let mut options = options(&exchange);
    options.kraken.rest_url = Some(format!("{}/kraken", site.url));
    let (mut prices, _) = start(&options);
    exchange.hang_up().await;
    let price = loop {
        match within(prices.next()).await {
            PriceNews::Observed(price) => break price,
            PriceNews::State(change) => assert_eq!(change.source, Source::Kraken),
        }
    };
    assert_eq!((price.source, price.source_at), (Source::Kraken, None));
    assert_eq!((price.bid.to_string(), price.ask.to_string()), ("83817.1".into(), "83817.2".into()));
    assert_eq!(site.asked()[0].path_and_query, "/kraken/0/public/Ticker?pair=XBTEUR");
    let mut line = exchange.accept().await;
    line.ticker("100", "101").await;
    let mut streamed = None;
    while streamed.as_deref() != Some("100") {
        if let PriceNews::Observed(price) = within(prices.next()).await {
            streamed = Some(price.bid.to_string());
        }
    }
    let asked = site.asked().len();
    // Two pauses of the poll pass; the stream lives, so nobody asks.
    for _ in 0..6 {
        line.send(HEARTBEAT).await;
        let _quiet = tokio::time::timeout(std::time::Duration::from_millis(500), prices.next()).await;
    }
    assert!(site.asked().len() <= asked + 1, "{} polls beside a live stream", site.asked().len() - asked);
}

#[tokio::test]
async fn with_stream_and_poll_away_the_source_is_down_and_says_both() {
    let exchange = Exchange::new().await;
    let site = Site::new(vec![Answer::Body(REST.into()), Answer::Status(503, None)]).await;
    let mut options = options(&exchange);
    options.kraken.rest_url = Some(site.url.clone());
    options.kraken.rest_poll_ms = 1_000;
    let (mut prices, _) = start(&options);
    exchange.hang_up().await;
    // First the poll stands in; then it fails as well.
    let mut stood_in = false;
    loop {
        if let PriceNews::State(change) = within(prices.next()).await {
            stood_in |= change.link == Link::Alive && change.reason.contains("polled, because");
            if change.reason.contains("polling fails: HTTP 503") {
                assert_ne!(change.link, Link::Alive);
                break;
            }
        }
    }
    assert!(stood_in);
}

#[tokio::test]
async fn refresh_reopens_a_silent_stream_and_leaves_a_live_one_alone() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = exchange.accept().await;
    assert_eq!(next_state(&mut prices).await.link, Link::Silent);
    prices.refresh();
    let change = next_state(&mut prices).await;
    assert_eq!(change.link, Link::Down);
    assert!(change.reason.ends_with("silent, and reopened on request"), "{}", change.reason);
    assert!(line.ended().await);
    let mut line = streaming(&exchange, &mut prices).await;
    prices.refresh();
    line.ticker("400", "401").await;
    assert_eq!(next_price(&mut prices).await.bid.to_string(), "400");
}

#[tokio::test]
async fn dropping_the_feed_closes_its_connections() {
    let exchange = Exchange::new().await;
    let (mut prices, _) = start(&options(&exchange));
    let mut line = streaming(&exchange, &mut prices).await;
    drop(prices);
    assert!(line.ended().await);
}

#[tokio::test]
async fn addresses_are_checked_before_anything_is_asked() {
    let clock: Arc<dyn Clock> = HandClock::at_noon();
    for url in ["", "ws.kraken.com/v2", "https://ws.kraken.com/v2", "ws://"] {
        let kraken = KrakenOptions { ws_url: url.into(), ..KrakenOptions::default() };
        let refused = Prices::start(&Options { kraken, coin_gecko: None, ..Options::default() }, &clock);
        assert!(matches!(refused, Err(InvalidSources::Url { .. })), "{url}");
    }
    for url in ["", "api.kraken.com", "ws://api.kraken.com"] {
        let kraken = KrakenOptions { rest_url: Some(url.into()), ..KrakenOptions::default() };
        let refused = Prices::start(&Options { kraken, coin_gecko: None, ..Options::default() }, &clock);
        assert!(matches!(refused, Err(InvalidSources::Url { .. })), "{url}");
    }
}
