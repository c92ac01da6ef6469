//! Rows 1 to 3: the relay goes, comes back, and says what no relay should say.

use crate::scene::{Scene, Setup, selling, text};
use serde_json::{Value, json};
use stele_simulator::{Action, Door, EURE, Fault, Garbage, NBTC, Outcome};

/// Subscription ids that the relay granted, oldest first.
fn granted(scene: &Scene) -> Vec<String> {
    let replies = scene.relay_said("\"result\"").into_iter();
    let results = replies
        .filter_map(|text| serde_json::from_str::<Value>(&text).ok()?["result"].as_str().map(str::to_owned));
    results.filter(|id| id != "OK").collect()
}

async fn is_connected(scene: &Scene, connects: u64) {
    scene
        .row("relay_state", &[], |row| row["connected"] == true && row["connects"].as_u64() >= Some(connects))
        .await;
}

/// The words of the newest disconnection on the log. It was too short to call a person.
async fn why_disconnected(scene: &Scene) -> String {
    let raised = scene.rows("alert_history", &[]).await.into_iter().find(|step| step["kind"] == "relay_down");
    assert_eq!(raised, None, "a reconnect that took a moment raised an alert");
    let gone = scene.events("intents.RelayDisconnected").await;
    gone.first().map(|gone| text(gone, "reason").to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_a_closed_relay_is_reconnected_with_new_subscriptions_and_stale_ids_are_ignored() {
    let scene = Scene::armed(Setup::default()).await;
    let open = scene.asks(selling(Outcome::NobodyTakes).with("min_deadline_ms", 60_000));
    scene.becomes(&open, "accepted").await;
    let before = granted(&scene);

    scene.does(Action::RelayDisconnect);
    is_connected(&scene, 2).await;
    let why = why_disconnected(&scene).await;
    assert!(why.contains("closed without a close frame") || why.contains("reading failed"), "{why}");
    let fresh = granted(&scene).split_off(before.len());
    assert_eq!(fresh.len(), before.len(), "{fresh:?}");
    assert!(fresh.iter().all(|id| !before.contains(id)), "{fresh:?} repeats {before:?}");

    // News under a subscription of the former connection.
    let stale = stale_quote(&before[0]);
    scene.does(Action::RelaySend { text: stale });
    let next = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&next, "settled").await;
    assert!(
        scene.rows("quotes", &[("quote_id", STALE_ID)]).await.is_empty(),
        "a stale subscription was believed"
    );

    let held = scene.story(&open, "told", |_| true).await;
    held.ended("accepted", "held", &["started", "accepted"]);
    scene.at_most_once().await;
}

const STALE_ID: &str = "00000000-0000-4000-8000-00000000057a";

fn stale_quote(subscription: &str) -> String {
    let data = json!({
        "quote_id": STALE_ID, "defuse_asset_identifier_in": EURE, "defuse_asset_identifier_out": NBTC,
        "exact_amount_in": "100000000000000000000", "min_deadline_ms": 5_000,
    });
    let params = json!({ "subscription": subscription, "data": data });
    json!({ "jsonrpc": "2.0", "method": "event", "params": params }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_a_relay_that_closes_in_good_order_is_reconnected_too() {
    let scene = Scene::armed(Setup::default()).await;
    scene.does(Action::RelayClose { code: 1012, reason: "restarting".to_owned() });
    is_connected(&scene, 2).await;
    let why = why_disconnected(&scene).await;
    assert!(why.contains("restarting") || why.contains("1012") || why.contains("service restart"), "{why}");
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_a_half_open_connection_is_found_by_its_silence() {
    let setup = Setup::default().with("relay.silence_ms_max", 1_000).with("relay.pong_ms_max", 300);
    let scene = Scene::armed(setup).await;
    let open = scene.asks(selling(Outcome::NobodyTakes).with("min_deadline_ms", 60_000));
    scene.becomes(&open, "accepted").await;

    scene.does(Action::RelaySilence { for_ms: 600_000 });
    scene.row("relay_state", &[], |row| row["connects"].as_u64() >= Some(2)).await;
    let why = why_disconnected(&scene).await;
    assert!(why.contains("silent"), "{why}");
    let next = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&next, "settled").await;
    assert_eq!(scene.story(&open, "told", |_| true).await.reservation(), "held");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_01_a_reconnect_storm_is_met_with_growing_waits_and_one_alert() {
    const DROPPED: usize = 8;
    let setup = Setup::default().with("relay.backoff_ms_min", 20).with("relay.backoff_ms_max", 640);
    let scene = Scene::armed(setup).await;
    let open = scene.asks(selling(Outcome::NobodyTakes).with("min_deadline_ms", 60_000));
    scene.becomes(&open, "accepted").await;

    scene.breaks(Fault::RelayDropsNew);
    scene.does(Action::RelayDisconnect);
    scene.alert("relay_down", true).await;
    let refused = |scene: &Scene| scene.journal(Door::Relay).iter().filter(|entry| is_drop(entry)).count();
    scene.until("a storm", async || (refused(&scene) >= DROPPED).then_some(())).await;
    assert!(!scene.tables(|seen| seen.relays[0].connected).await);
    assert_eq!(scene.story(&open, "told", |_| true).await.reservation(), "held");
    scene.world.clear_faults(None);
    is_connected(&scene, 2).await;

    let drops: Vec<_> =
        scene.journal(Door::Relay).into_iter().filter(is_drop).map(|entry| entry.at).collect();
    let took = |of: &[stele_domain::time::Timestamp]| of[of.len() - 1].millis_since(of[0]);
    // With jitter a single wait may be short; the second half of the storm is slower than the first all the same.
    let half = DROPPED / 2;
    assert!(took(&drops[half..DROPPED]) > took(&drops[..half]), "the waits do not grow: {drops:?}");
    scene.alert("relay_down", false).await;
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    scene.at_most_once().await;
}

fn is_drop(entry: &stele_simulator::Entry) -> bool {
    entry.note.as_deref() == Some("new connection dropped")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_02_garbage_is_counted_and_kept_and_the_stream_goes_on() {
    let scene = Scene::armed(Setup::default()).await;
    let kinds = [
        Garbage::InvalidJson,
        Garbage::Binary,
        Garbage::Huge,
        Garbage::UnknownMethod,
        Garbage::WrongTypes,
        Garbage::Deep,
    ];
    for (before, garbage) in kinds.into_iter().enumerate() {
        scene.does(Action::RelayGarbage { garbage });
        let rows = scene
            .until("the frame is kept", async || {
                let rows = scene.rows("rejected_frames", &[]).await;
                (rows.len() > before).then_some(rows)
            })
            .await;
        assert!(
            !text(&rows[0], "why").is_empty() && !text(&rows[0], "frame").is_empty(),
            "{garbage:?}: {}",
            rows[0]
        );
    }
    let state = scene.row("relay_state", &[], |row| row["connected"] == true).await;
    assert_eq!((&state["connects"], &state["frames_rejected"]), (&json!(1), &json!(kinds.len())));
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await.ended(
        "settled",
        "released",
        &["started", "accepted", "settled", "released"],
    );
    assert!(scene.desk_runs_on().await);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_03_a_quiet_pair_on_a_healthy_connection_is_no_outage() {
    let setup = Setup::default().with("relay.silence_ms_max", 1_000).with("relay.pong_ms_max", 5_000);
    let scene = Scene::armed(setup).await;
    // Two rounds of silence, each answered by a pong.
    let pings = |scene: &Scene| {
        scene.journal(Door::Relay).iter().filter(|entry| entry.note.as_deref() == Some("ping")).count()
    };
    scene.until("the relay was pinged twice", async || (pings(&scene) >= 2).then_some(())).await;
    let status = scene.client.status().await.expect("a status");
    let seen = status.from_tables().expect("tables");
    assert!(seen.relays[0].connected && seen.relays[0].connects == 1, "{seen:?}");
    assert_eq!(seen.relays[0].pair_silent_since, seen.relays[0].since, "{seen:?}");
    assert!(status.alerts.is_empty(), "{:?}", status.alerts);
    assert_eq!(seen.counters.quotes, 0);
    let ingest =
        status.services.iter().find(|service| service.service == "ingest").expect("the ingest service");
    assert_eq!((ingest.reads, &ingest.blocked), (stele_api::dto::Reads::Authoritative, &None), "{ingest:?}");
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    let heard = scene.tables(|seen| seen.relays[0].pair_silent_since).await;
    assert!(heard > seen.relays[0].pair_silent_since, "{heard:?}");
    scene.at_most_once().await;
}
