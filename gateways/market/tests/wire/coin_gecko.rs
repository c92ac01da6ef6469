//! CoinGecko: what it is asked, what it answers, and how long it is left alone.

use crate::support::{Answer, Exchange, HandClock, Site, next_price, next_state};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::market::reference::event::{Link, Source};
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::PriceFeed as _;
use stele_domain::time::Timestamp;
use stele_market::{ApiKey, CoinGeckoOptions, InvalidSources, KrakenOptions, Options, Plan, Prices};

const BITCOIN: &str = include_str!("../../payloads/coin_gecko/bitcoin.json");
const EURE: &str = include_str!("../../payloads/coin_gecko/eure.json");

/// CoinGecko at this site, and a Kraken that never answers its handshake.
async fn start(site: &Site, change: impl FnOnce(&mut Options)) -> (Prices, Exchange) {
    let exchange = Exchange::new().await;
    let kraken = KrakenOptions { ws_url: exchange.url(), rest_url: None, ..KrakenOptions::default() };
    let coin_gecko = CoinGeckoOptions {
        url: format!("{}/api/v3/", site.url),
        backoff_ms_min: 1,
        backoff_ms_max: 10,
        ..CoinGeckoOptions::bitcoin()
    };
    let mut options = Options { kraken, coin_gecko: Some(coin_gecko), ..Options::default() };
    change(&mut options);
    let clock: Arc<dyn Clock> = HandClock::at_noon();
    (Prices::start(&options, &clock).unwrap(), exchange)
}

#[tokio::test]
async fn the_price_carries_the_sources_own_time() {
    let site = Site::new(vec![Answer::Body(BITCOIN.into())]).await;
    let (mut prices, _kraken) = start(&site, |_| {}).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.source, change.link, change.healthy), (Source::CoinGecko, Link::Alive, true));
    let price = next_price(&mut prices).await;
    assert_eq!((price.source, price.bid), (Source::CoinGecko, price.ask));
    assert_eq!(price.bid.to_string(), "83790.12345678901");
    assert_eq!(price.source_at, Some(Timestamp::from_millis(1_795_176_000_000)));
    let asked = &site.asked()[0];
    assert_eq!(
        asked.path_and_query,
        "/api/v3/simple/price?ids=bitcoin&vs_currencies=eur&include_last_updated_at=true&precision=full"
    );
    assert!(asked.headers.keys().all(|name| !name.as_str().contains("api-key")));
}

#[tokio::test]
async fn too_many_requests_is_told_and_the_pause_is_kept_even_when_somebody_is_in_a_hurry() {
    let site = Site::new(vec![Answer::Status(429, Some("2")), Answer::Body(BITCOIN.into())]).await;
    let (mut prices, _kraken) = start(&site, |_| {}).await;
    let change = next_state(&mut prices).await;
    assert_eq!((change.link, change.healthy), (Link::Silent, false));
    assert_eq!(change.reason, "HTTP 429 Too Many Requests, asks for 2 s");
    prices.refresh();
    assert!(next_state(&mut prices).await.healthy);
    next_price(&mut prices).await;
    let asked = site.asked();
    let pause = asked[1].at.duration_since(asked[0].at);
    assert!(pause >= Duration::from_millis(1_990), "asked again after {pause:?}");
}

#[tokio::test]
async fn an_answer_without_a_price_is_silence_and_no_answer_is_down() {
    let answers = vec![
        Answer::Status(500, None),
        Answer::Hang,
        Answer::Body("{}".into()),
        Answer::Body(r#"{"bitcoin":{"eur":null,"last_updated_at":1}}"#.into()),
        Answer::Body(BITCOIN.into()),
    ];
    let site = Site::new(answers).await;
    let (mut prices, _kraken) = start(&site, |options| {
        options.coin_gecko.as_mut().unwrap().request_ms_max = 100;
    })
    .await;
    let states = [
        (Link::Silent, false, "HTTP 500"),
        (Link::Down, false, "timed out"),
        (Link::Silent, false, "no bitcoin"),
        (Link::Alive, true, "priced"),
    ];
    for (link, healthy, why) in states {
        let change = next_state(&mut prices).await;
        assert_eq!((change.link, change.healthy), (link, healthy), "{}", change.reason);
        assert!(change.reason.contains(why), "{}", change.reason);
    }
    next_price(&mut prices).await;
}

#[tokio::test]
async fn an_old_price_is_passed_on_with_its_age_for_the_core_to_judge() {
    let old = r#"{"bitcoin":{"eur":1,"last_updated_at":1700000000}}"#;
    let site = Site::new(vec![Answer::Body(old.into())]).await;
    let (mut prices, _kraken) = start(&site, |_| {}).await;
    next_state(&mut prices).await;
    assert_eq!(next_price(&mut prices).await.source_at, Some(Timestamp::from_millis(1_700_000_000_000)));
}

#[tokio::test]
async fn refresh_asks_now_and_not_at_the_next_turn() {
    let site = Site::new(vec![Answer::Body(BITCOIN.into())]).await;
    let (mut prices, _kraken) = start(&site, |options| {
        options.coin_gecko.as_mut().unwrap().poll_ms = 3_600_000;
    })
    .await;
    next_state(&mut prices).await;
    next_price(&mut prices).await;
    site.answer_from_now_on(Answer::Body(BITCOIN.replace("83790", "90000")));
    prices.refresh();
    assert_eq!(next_price(&mut prices).await.bid.to_string(), "90000.12345678901");
}

#[tokio::test]
async fn the_peg_is_a_source_of_its_own() {
    let site = Site::new(vec![Answer::Body(EURE.into())]).await;
    let (mut prices, _kraken) = start(&site, |options| {
        options.peg = Some(CoinGeckoOptions {
            url: options.coin_gecko.take().unwrap().url,
            ..CoinGeckoOptions::eure()
        });
    })
    .await;
    assert_eq!(next_state(&mut prices).await.source, Source::Peg);
    let price = next_price(&mut prices).await;
    assert_eq!((price.source, price.bid.to_string().as_str()), (Source::Peg, "0.9991873224"));
}

#[tokio::test]
async fn the_key_goes_into_the_header_of_its_plan_and_nowhere_else() {
    // A variable that is always set; its value plays the key.
    let (env, value) = ("PATH".to_owned(), std::env::var("PATH").unwrap());
    for (plan, header) in [(Plan::Demo, "x-cg-demo-api-key"), (Plan::Pro, "x-cg-pro-api-key")] {
        let site = Site::new(vec![Answer::Body(BITCOIN.into())]).await;
        let (mut prices, _kraken) = start(&site, |options| {
            options.coin_gecko.as_mut().unwrap().key = Some(ApiKey { plan, env: env.clone() });
        })
        .await;
        next_state(&mut prices).await;
        let asked = &site.asked()[0];
        assert_eq!(asked.headers[header], value.trim());
        assert_eq!(asked.headers.values().filter(|sent| *sent == value.trim()).count(), 1);
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_told_at_the_start() {
    let key = Some(ApiKey { plan: Plan::Demo, env: "STELE_TEST_NEVER_SET".into() });
    let coin_gecko = Some(CoinGeckoOptions { key, ..CoinGeckoOptions::bitcoin() });
    let clock: Arc<dyn Clock> = HandClock::at_noon();
    let refused = Prices::start(&Options { coin_gecko, ..Options::default() }, &clock).unwrap_err();
    assert!(matches!(&refused, InvalidSources::NoKey { env } if env == "STELE_TEST_NEVER_SET"), "{refused}");
}
