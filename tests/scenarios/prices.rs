//! Rows 4 to 6: price sources that fail, lag, lie and disagree.

use crate::scene::{Scene, Setup, Story, selling, text};
use serde_json::Value;
use stele_simulator::{Action, Fault, Outcome, ScriptedQuote};

/// Oldest usable price in these scenarios, in milliseconds.
const OLD_MS: i64 = 1_500;

fn quote() -> ScriptedQuote {
    selling(Outcome::NobodyTakes)
}

/// Sources whose prices grow too old within two seconds.
fn impatient() -> Setup {
    Setup::default().with("market.primary_age_ms_max", OLD_MS)
}

/// Waits until the newest reference price is so.
async fn priced(scene: &Scene, so: impl Fn(&Value) -> bool) -> Value {
    scene
        .until("a reference price", async || {
            let newest = scene.rows("reference_prices", &[]).await.into_iter().next()?;
            so(&newest).then_some(newest)
        })
        .await
}

/// Asks until a decision rests on the fallback, and checks that it says so and pays for it.
async fn acts_on_the_fallback(scene: &Scene) -> Story {
    priced(scene, |price| text(price, "status") == "fallback").await;
    let story = scene
        .until("a decision on the fallback", async || {
            let story = scene.decided(&scene.asks(quote())).await;
            (text(story.decision(), "price_source") == "coin_gecko").then_some(story)
        })
        .await;
    assert!(story.acted(), "{}", story.brief());
    assert!(story.decision()["margin"]["fallback"].as_i64() > Some(0), "{}", story.decision()["margin"]);
    let seen = story.0.decisions[0].price.as_ref().expect("the price that it saw");
    assert_eq!(text(seen, "status"), "fallback");
    story
}

/// Asks until a decision rests on Kraken again.
async fn recovers(scene: &Scene) {
    scene.world.clear_faults(None);
    scene
        .until("a decision on the primary", async || {
            let story = scene.decided(&scene.asks(quote())).await;
            (story.acted() && text(story.decision(), "price_source") == "kraken").then_some(())
        })
        .await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_without_kraken_the_fallback_prices_and_every_decision_says_so() {
    let scene = Scene::armed(impatient()).await;
    scene.breaks(Fault::KrakenRefuses);
    scene.breaks(Fault::KrakenRestDown);
    scene.does(Action::KrakenDisconnect);
    let story = acts_on_the_fallback(&scene).await;
    let source = scene.rows("price_sources", &[]).await.into_iter().find(|row| row["source"] == "kraken");
    assert_eq!(text(&source.expect("kraken's state"), "link"), "down");
    let id = text(story.decision(), "quote_id").to_owned();
    assert_eq!(scene.becomes(&id, "accepted").await.reservation(), "held");
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_while_only_the_stream_is_gone_kraken_s_own_rest_prices() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks(Fault::KrakenRefuses);
    scene.does(Action::KrakenDisconnect);
    let polled =
        |row: &Value| row["source"] == "kraken" && text(row, "reason").starts_with("polled, because");
    let source = scene.row("price_sources", &[], polled).await;
    assert_eq!(text(&source, "link"), "alive");
    let since = scene.rows("reference_prices", &[]).await.first().and_then(|row| row["position"].as_u64());
    priced(&scene, |price| text(price, "status") == "primary" && price["position"].as_u64() > since).await;
    let story = scene.decided(&scene.asks(quote())).await;
    assert!(story.acted() && text(story.decision(), "price_source") == "kraken", "{}", story.brief());
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_heartbeats_without_prices_are_a_silent_channel_and_not_a_healthy_one() {
    let scene = Scene::armed(impatient().with("market.kraken.channel_silent_ms_max", 1_000)).await;
    scene.breaks(Fault::KrakenHeartbeatsOnly);
    scene.breaks(Fault::KrakenRestDown);
    acts_on_the_fallback(&scene).await;
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_kraken_in_maintenance_is_not_believed() {
    let scene = Scene::armed(impatient()).await;
    scene.breaks(Fault::KrakenMaintenance);
    scene.breaks(Fault::KrakenRestDown);
    acts_on_the_fallback(&scene).await;
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_a_crossed_and_a_zero_book_and_garbage_are_not_believed() {
    let scene = Scene::armed(impatient()).await;
    scene.breaks(Fault::KrakenRestDown);
    for nonsense in [Fault::KrakenCrossedBook, Fault::KrakenZeroBook, Fault::KrakenGarbage] {
        let fault = scene.breaks(nonsense);
        // The market has to move for Kraken to speak.
        scene.does(Action::FixPrice { price_e8: None });
        acts_on_the_fallback(&scene).await;
        scene.world.clear_faults(Some(fault));
        priced(&scene, |price| text(price, "status") == "primary").await;
    }
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_04_a_fallback_that_the_policy_forbids_blocks() {
    let scene = Scene::armed(impatient().with("market.fallback_allowed", false)).await;
    scene.breaks(Fault::KrakenRefuses);
    scene.breaks(Fault::KrakenRestDown);
    scene.does(Action::KrakenDisconnect);
    scene.until_refused(quote, "fallback_forbidden").await.is_refused_for("fallback_forbidden");
    scene.alert("price_blocked", true).await;
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_a_check_that_is_limited_slow_broken_empty_or_old_is_left_out_and_kraken_prices() {
    let scene = Scene::armed(Setup::default().with("market.fallback_age_ms_max", 2_000)).await;
    let faults = [
        Fault::CoingeckoRateLimits { retry_after_seconds: 1 },
        Fault::CoingeckoErrors,
        Fault::CoingeckoMissing,
        Fault::CoingeckoNull,
        Fault::CoingeckoSlow { by_ms: 60_000 },
        Fault::CoingeckoStale { age_seconds: 600 },
    ];
    for fault in faults {
        let armed = scene.breaks(fault.clone());
        let price = priced(&scene, |price| !why_unused(price, "coin_gecko").is_empty()).await;
        assert_eq!(text(&price, "status"), "primary", "{fault:?}");
        let story = scene.decided(&scene.asks(quote())).await;
        assert!(
            story.acted() && text(story.decision(), "price_source") == "kraken",
            "{fault:?}: {}",
            story.brief()
        );
        scene.world.clear_faults(Some(armed));
        priced(&scene, |price| why_unused(price, "coin_gecko").is_empty()).await;
    }
    scene.at_most_once().await;
}

/// Why a source was not used for a price; empty when it was.
fn why_unused(price: &Value, source: &str) -> String {
    let sources = price["sources"].as_array().cloned().unwrap_or_default();
    sources.iter().find(|part| part["source"] == source).map_or("", |part| text(part, "why")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_with_both_sources_stale_nothing_is_commanded() {
    let scene = Scene::armed(impatient().with("market.fallback_age_ms_max", OLD_MS)).await;
    scene.breaks(Fault::KrakenHeartbeatsOnly);
    scene.breaks(Fault::KrakenRestDown);
    scene.breaks(Fault::CoingeckoStale { age_seconds: 600 });
    let story = scene.until_refused(quote, "price_stale").await;
    story.is_refused_for("price_stale");
    assert_eq!(story.decision()["price_source"], Value::Null, "a blocked price came from nobody");
    scene.alert("price_blocked", true).await;
    recovers(&scene).await;
    scene.alert("price_blocked", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_05_a_price_that_is_older_than_the_limits_allow_is_stale_at_the_decision() {
    let setup =
        Setup::default().with("market.primary_age_ms_max", 60_000).with("market.fallback_allowed", false);
    let scene = Scene::armed(setup.limited(|limits| limits.price_age_ms_max = 1_000)).await;
    scene.breaks(Fault::KrakenHeartbeatsOnly);
    scene.breaks(Fault::KrakenRestDown);
    let story = scene.until_refused(quote, "price_stale").await;
    story.is_refused_for("price_stale");
    assert!(story.decision()["price_freshness_ms"].as_i64() > Some(1_000), "{}", story.decision());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_06_sources_that_differ_beyond_tolerance_block() {
    let scene = Scene::armed(Setup::default()).await;
    for bps in [300, -300] {
        let fault = scene.breaks(Fault::CoingeckoDeviates { bps });
        scene.until_refused(quote, "price_conflict").await.is_refused_for("price_conflict");
        let price = priced(&scene, |price| text(price, "block") == "price_conflict").await;
        assert!(price["disagreement_bps"].as_i64() > Some(100), "{price}");
        scene.alert("price_blocked", true).await;
        scene.world.clear_faults(Some(fault));
        scene.alert("price_blocked", false).await;
    }
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_06_a_depeg_that_was_seen_blocks_on_while_its_source_is_silent() {
    let scene = Scene::armed(Setup::default().with("market.fallback_age_ms_max", 2_000)).await;
    scene.breaks(Fault::EurePegOff { bps: -300 });
    scene.until_refused(quote, "peg_out_of_band").await.is_refused_for("peg_out_of_band");
    // EURe is well again in the world, and nobody tells the desk: the last word is the depeg.
    let silent = scene.breaks(Fault::CoingeckoErrors);
    let price = priced(&scene, |price| why_unused(price, "peg").starts_with("older than 2000 ms")).await;
    assert_eq!(text(&price, "block"), "peg_out_of_band", "{price}");
    scene.decided(&scene.asks(quote())).await.is_refused_for("peg_out_of_band");
    scene.world.clear_faults(Some(silent));
    recovers(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_06_a_peg_out_of_its_band_blocks_whether_parity_is_assumed_or_observed() {
    for basis in ["assumed_parity", "observed"] {
        let scene = Scene::armed(Setup::default().with("market.basis", basis)).await;
        scene.breaks(Fault::EurePegOff { bps: -300 });
        scene.until_refused(quote, "peg_out_of_band").await.is_refused_for("peg_out_of_band");
        scene.alert("price_blocked", true).await;
        recovers(&scene).await;
    }
}
