//! Rows 16, 19 and 21: balances that can't be read, are old, disagree or drop; news that is missed; clocks that differ.

use crate::scene::{ACCOUNT, BTC_UNITS, Scene, Setup, moment, selling, text};
use serde_json::Value;
use stele_api::dto::Arming;
use stele_simulator::{Action, Balance, Fault, NBTC, Outcome, Provider, ScriptedQuote};

fn quote() -> ScriptedQuote {
    selling(Outcome::NobodyTakes)
}

/// Balances that are too old after three seconds.
fn impatient() -> Setup {
    Setup::default().limited(|limits| limits.inventory_age_ms_max = 3_000)
}

/// While balances can't be read, decisions are refused for it, an incident is on record and an alert is raised; when
/// they can be read again all of that is over.
async fn is_stale_until_cleared(scene: &Scene, why: &str) {
    scene.until_refused(quote, "inventory_stale").await.is_refused_for("inventory_stale");
    let incident = scene.row("inventory_incidents", &[], |row| text(row, "kind") == "unavailable").await;
    assert!(text(&incident, "detail").contains(why), "{incident}");
    scene.alert("inventory_stale", true).await;
    scene.world.clear_faults(None);
    scene.alert("inventory_stale", false).await;
    scene.until_acted(quote).await;
    assert_eq!(scene.account().await.arming, Arming::Armed);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_while_no_provider_answers_decisions_are_refused_for_stale_balances() {
    let scene = Scene::armed(impatient()).await;
    for provider in [Provider::First, Provider::Second] {
        scene.breaks(Fault::NearDown { provider });
    }
    is_stale_until_cleared(&scene, "can't be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_a_block_that_does_not_move_makes_balances_stale() {
    let scene = Scene::armed(impatient().with("verifier.block_age_ms_max", 3_000)).await;
    for provider in [Provider::First, Provider::Second] {
        scene.breaks(Fault::NearStale { provider });
    }
    is_stale_until_cleared(&scene, " ms old").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_providers_that_disagree_make_balances_stale() {
    let scene = Scene::armed(impatient().with_two_providers()).await;
    scene.breaks(Fault::NearDisagrees { provider: Provider::Second });
    is_stale_until_cleared(&scene, "providers disagree").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_one_provider_that_is_down_or_answers_with_an_error_is_not_needed() {
    let scene = Scene::armed(impatient()).await;
    let first = Provider::First;
    let faults = [
        Fault::NearDown { provider: first },
        Fault::NearErrors { provider: first, cause: "NO_SYNCED_BLOCKS".to_owned() },
    ];
    for fault in faults {
        let armed = scene.breaks(fault);
        let seen = newest_height(&scene).await;
        scene.row("inventory", &[], |row| row["height"].as_u64() > seen.map(|height| height + 5)).await;
        scene.until_acted(quote).await;
        scene.world.clear_faults(Some(armed));
    }
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_one_provider_that_is_slow_is_not_waited_for() {
    let scene = Scene::armed(impatient()).await;
    scene.breaks(Fault::NearSlow { provider: Provider::First, by_ms: 600_000 });
    let seen = newest_height(&scene).await;
    scene.row("inventory", &[], |row| row["height"].as_u64() > seen.map(|height| height + 20)).await;
    scene.until_acted(quote).await;
    let incidents = scene.rows("inventory_incidents", &[]).await;
    assert_eq!(incidents, Vec::<Value>::new(), "a slow provider beside a quick one is nobody's incident");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_while_every_provider_is_slow_decisions_are_refused_for_stale_balances() {
    let setup = impatient().with("verifier.request_ms_max", 1_000).with("verifier.snapshot_ms_max", 2_000);
    let scene = Scene::armed(setup).await;
    for provider in [Provider::First, Provider::Second] {
        scene.breaks(Fault::NearSlow { provider, by_ms: 600_000 });
    }
    is_stale_until_cleared(&scene, "can't be read").await;
}

async fn newest_height(scene: &Scene) -> Option<u64> {
    scene.rows("inventory", &[]).await.first().and_then(|row| row["height"].as_u64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_16_a_balance_that_drops_unexpectedly_disarms_and_raises_an_alert() {
    let scene = Scene::armed(Setup::default()).await;
    let less = vec![Balance::new(NBTC, BTC_UNITS / 2)];
    scene.does(Action::SetBalances { account: ACCOUNT.to_owned(), balances: less });
    scene.alert("unexpected_drop", true).await;
    let incident = scene.row("inventory_incidents", &[], |row| text(row, "kind") == "drop").await;
    assert_eq!((text(&incident, "token"), text(&incident, "observed")), (NBTC, "5000000"), "{incident}");
    scene.until("disarmed", async || (scene.account().await.arming == Arming::Disarmed).then_some(())).await;
    let told = |row: &Value| text(row, "detail").contains("was expected");
    scene.row("arming_history", &[("step", "disarmed")], told).await;
    let id = scene.asks(quote());
    scene.decided(&id).await.is_refused_for("disarmed");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_a_settlement_that_nobody_told_of_is_found_by_its_nonce() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::RelaySwallowsStatus);
    let id = scene.asks(selling(Outcome::DeskWins));
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "accepted", "settled", "released"]);
    assert_eq!(story.result()["tx_hash"], Value::Null, "nobody named the transaction");
    assert!(story.command().is_some_and(|command| command.proof.is_some()), "{}", story.brief());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_a_settlement_during_a_disconnection_is_found_before_the_relay_is_back() {
    let scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 1_000 }));
    scene.becomes(&id, "accepted").await;
    scene.breaks(Fault::RelayRefusesWith { status: 503 });
    scene.does(Action::RelayDisconnect);
    scene.becomes(&id, "settled").await;
    assert!(!scene.tables(|seen| seen.relays[0].connected).await);
    scene.world.clear_faults(None);
    scene.row("relay_state", &[], |row| row["connected"] == true).await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_news_of_a_settlement_that_comes_again_changes_nothing() {
    let scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::DeskWins));
    let hash = text(scene.becomes(&id, "settled").await.result(), "quote_hash").to_owned();
    let told = scene
        .until("the relay's news", async || {
            scene.relay_said(&hash).into_iter().find(|text| text.contains("tx_hash"))
        })
        .await;
    for _ in 0..3 {
        scene.does(Action::RelaySend { text: told.clone() });
    }
    // What comes later on the same connection has been settled, so the repeats were read.
    let later = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&later, "settled").await;
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "accepted", "settled", "released"]);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_21_a_clock_that_is_five_seconds_off_in_either_direction_refuses_to_sign() {
    let scene = Scene::armed(Setup::default().limited(|limits| limits.clock_skew_ms_max = 2_500)).await;
    for by_ms in [5_000, -5_000] {
        set_apart(&scene, by_ms).await;
        scene.until_refused(quote, "clock_skew").await.is_refused_for("clock_skew");
        set_apart(&scene, 0).await;
        scene.until_acted(quote).await;
    }
    scene.at_most_once().await;
}

/// Sets the world's clock apart from ours, and waits until a block that the desk has read bears it.
async fn set_apart(scene: &Scene, by_ms: i64) {
    scene.does(Action::SkewClock { by_ms });
    let apart = |row: &Value| moment(row, "block_at").millis_since(moment(row, "observed_at")) - by_ms;
    scene
        .until("balances under the new time", async || {
            scene.rows("inventory", &[]).await.first().filter(|row| apart(row).abs() < 2_500).map(|_| ())
        })
        .await;
}
