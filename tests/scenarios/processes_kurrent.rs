//! A desk in several processes with the KurrentDB protocol between them, by the official client: what holds over our own
//! wire holds over this one. Neither can append to several streams at once, and no rule of safety misses it.

use crate::crashes::Trading;
use crate::scene::certificates::World;
use crate::scene::{Fleet, Member, Scene, Setup, run_to_end, selling, text};
use secrecy::SecretString;
use stele_api::client::new_key;
use stele_api::dto::Arming;
use stele_domain::ids::{EventId, derived};
use stele_domain::port::event_log::{Direction, EventLog, Expected, LogError, NewRecord, Revision, StreamId};
use stele_eventstore::{Address, EventStoreLog};
use stele_remote_log::{Options, RemoteLog, Trust};
use stele_simulator::Outcome;

/// Exit code of a configuration that can't be.
const USAGE: Option<i32> = Some(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_over_the_kurrentdb_protocol_trades_and_waits_for_an_owner_that_is_gone() {
    let mut fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    let story = fleet.scene.becomes(&first, "settled").await;
    assert_eq!(
        (story.decisions(), story.commands(), story.reservation()),
        (1, 1, "released"),
        "{}",
        story.brief()
    );
    fleet.restart(Member::Front).await;
    fleet.restart(Member::Owner).await;
    for member in [Member::Strategy, Member::Executor] {
        assert!(fleet.member(member).runs(), "{member:?} has ended:\n{}", fleet.last_words());
    }
    let next = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&next, "settled").await;
    assert_eq!(fleet.scene.account().await.arming, Arming::Armed, "nobody had a new lease");
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_over_the_kurrentdb_protocol_stops_the_executor_of_another_process() {
    let fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    let traffic = Trading::begin(&fleet.scene);
    fleet.scene.until("trading", async || (fleet.scene.offers() >= 5).then_some(())).await;
    let killed = fleet.scene.client.kill(new_key(), "a scenario").await.expect("a kill").answer;
    assert!(killed.fenced, "{killed:?}\n{}", fleet.last_words());
    let sent = fleet.scene.offers();
    let decided = async || {
        let skipped = fleet.scene.client.status().await.ok()?.counters?.skipped;
        (skipped.get("killed").copied().unwrap_or(0) >= 10).then_some(())
    };
    fleet.scene.until("ten requests were decided after the kill", decided).await;
    traffic.end();
    assert_eq!(fleet.scene.offers(), sent, "a frame came after the kill");
    // What only an embedded log can tell is refused in words, and nothing else suffers from it.
    let refused = fleet.scene.client.log_stat().await.expect_err("numbers of a log that counts by itself");
    assert!(refused.to_string().contains("KurrentDB"), "{refused}");
    assert!(fleet.scene.client.checkpoint().await.is_err());
    fleet.scene.at_most_once().await;
}

/// Appends that the roles of a desk make, to streams of another account, pair or service: each is refused in words.
pub async fn refused_elsewhere(log: &dyn EventLog) {
    for (name, event_type) in [
        ("account-other.near", "trading.LeaseTaken"),
        ("account-other.near", "trading.Killed"),
        ("strategy-eth-eure", "trading.Decided"),
        ("price-eth-eure", "market.PriceObserved"),
        ("relay-elsewhere", "intents.ReplyReported"),
    ] {
        let stream = StreamId::new(name).expect("a name");
        let record = NewRecord {
            event_id: EventId(derived("scenario", &[name, event_type])),
            event_type: event_type.into(),
            data: (*b"{}").into(),
            metadata: (*b"{}").into(),
        };
        let refused = log.append(&stream, Expected::NoStream, vec![record]).await.expect_err("a no");
        assert!(matches!(refused, LogError::Denied(_)), "{name}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_appends_to_no_stream_of_another_desk_over_either_wire() {
    let fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    fleet
        .make_key("every", "service", &["market", "ingest", "inventory", "strategy", "executor", "api"])
        .await;
    let key = std::fs::read_to_string(fleet.scene.file("every.key")).expect("a key");
    let key = SecretString::from(key.trim().to_owned());
    let [own, kurrent] = &fleet.wires;
    let trust = Trust::default();
    let options = Options { url: own.clone(), key: Some(key.clone()), plain_key: false, trust };
    let own = RemoteLog::new(&options).expect("a log");
    let kurrent =
        EventStoreLog::new(&Address::read(kurrent, Some(&key)).expect("an address")).expect("a log");
    // A key that was made a moment ago comes to the door by the log.
    fleet.scene.until("the key is known", async || own.head().await.ok()).await;
    refused_elsewhere(&own).await;
    refused_elsewhere(&kurrent).await;
    let attempts = async || {
        let kept = fleet.scene.events("access.Attempted").await;
        let told = |attempt: &serde_json::Value| text(attempt, "detail").contains("account-other.near");
        (kept.iter().filter(|attempt| told(attempt)).count() >= 1).then_some(())
    };
    fleet.scene.until("the attempts are kept", attempts).await;
    let other = StreamId::new("account-other.near").expect("a name");
    let read = own.read_stream(&other, Revision(0), Direction::Forward, 1).await.expect("a page");
    assert!(read.is_empty(), "something was kept: {read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kurrentdb_door_takes_no_private_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let papers = World::new();
    let (certificate, key) = (papers.path("desk.pem"), papers.path("desk.key"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).expect("permissions");
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let setup = Setup::default()
        .with("kurrent.listen", "127.0.0.1:0")
        .with("kurrent.tls_certificate_file", text(&certificate))
        .with("kurrent.tls_key_file", text(&key));
    let scene = Scene::prepared(setup).await;
    let refused = run_to_end(&["serve", "--config", &text(scene.desk.config())]).await;
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), USAGE, "{words}");
    for part in ["kurrent.tls_key_file", "desk.key", "640", "chmod 600"] {
        assert!(words.contains(part), "{words}");
    }
}
