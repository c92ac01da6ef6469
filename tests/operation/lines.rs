//! Log lines of a desk that trades: the trade-loop document's fields, and no secret.

use crate::scene::{Scene, Setup, private, selling};
use serde_json::Value;
use std::collections::BTreeSet;
use stele_api::dto::CreateKey;
use stele_domain::access::Role;
use stele_intents::nep413;
use stele_proto::api::v1::GetStatusRequest;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use stele_simulator::{Action, Fault, Outcome};

/// Fields of every line, in the words of the trade-loop document, and the process that wrote it.
const ALWAYS: [&str; 9] =
    ["level", "service", "component", "event", "namespace", "venue", "topic", "pair", "instance"];

/// A token that the relay is told, and no line may show.
const TOKEN: &str = "planted-partner-token-7f3a";

fn lines(words: &str) -> Vec<Value> {
    words
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn named<'l>(lines: &'l [Value], event: &str) -> &'l Value {
    let found = lines.iter().find(|line| line["event"] == event);
    found.unwrap_or_else(|| panic!("no line {event} among {:?}", names(lines)))
}

fn names(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["event"].as_str()).collect()
}

/// A desk that was refused, armed, traded, lost the relay and found it again, and was killed.
async fn lived() -> (Scene, String, String) {
    let mut scene = Scene::started(Setup::default()).await;
    let skipped = scene.asks(selling(Outcome::DeskWins));
    scene.decided(&skipped).await;
    scene.set_limits().await;
    scene.arm().await;
    let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.becomes(&quote, "settled").await;
    scene.does(Action::RelayDisconnect);
    scene
        .until("the relay is back", async || {
            let words = scene.desk.words();
            (words.matches("\"relay.connected\"").count() > 1).then_some(())
        })
        .await;
    scene.client.kill(stele_api::client::new_key(), "enough").await.expect("a kill");
    scene.desk.stop().await;
    let words = scene.desk.words();
    (scene, quote, words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_have_the_fields_of_the_trade_loop_document_and_tell_what_it_asks_for() {
    let (_scene, quote, words) = lived().await;
    let lines = lines(&words);
    for line in &lines {
        for field in ALWAYS {
            assert!(line.get(field).is_some(), "no {field} in {line}");
        }
        assert_eq!((&line["namespace"], &line["instance"]), (&"stele".into(), &"scenario".into()), "{line}");
    }
    for event in [
        "desk.starting",
        "desk.ready",
        "relay.connected",
        "relay.disconnected",
        "market.source_changed",
        "strategy.decided",
        "strategy.commanded",
        "executor.submitted",
        "control.changed",
        "control.killed",
        "desk.stopping",
    ] {
        named(&lines, event);
    }
    the_story_of_the_offer_can_be_followed(&lines, &quote);
    let skipped = lines.iter().find(|line| line["outcome"] == "skip").expect("a skipped quote");
    assert!(skipped["reason"].is_string() && skipped["count"].as_u64() >= Some(1), "{skipped}");
}

fn the_story_of_the_offer_can_be_followed(lines: &[Value], quote: &str) {
    let of_it = |event: &str| {
        let found = lines.iter().find(|line| line["event"] == event && line["quote_id"] == quote);
        found.unwrap_or_else(|| panic!("no {event} of {quote}"))
    };
    let decided = of_it("strategy.decided");
    let (commanded, submitted) = (of_it("strategy.commanded"), of_it("executor.submitted"));
    for field in ["decision_id", "correlation_id", "inventory_id", "gross_edge_pct"] {
        assert!(decided[field].is_string(), "no {field} in {decided}");
    }
    for field in ["price_freshness_ms", "position"] {
        assert!(decided[field].is_i64() || decided[field].is_u64(), "no {field} in {decided}");
    }
    for field in ["execution_id", "quote_hash", "command_id"] {
        assert!(submitted[field].is_string(), "no {field} in {submitted}");
    }
    for line in [decided, commanded, submitted] {
        assert_eq!(line["decision_id"], decided["decision_id"], "{line}");
        assert_eq!(line["correlation_id"], decided["correlation_id"], "{line}");
        assert_eq!((&line["venue"], &line["pair"]), (&"near-intents".into(), &"btc-eure".into()), "{line}");
        assert!(line["topic"].is_string(), "{line}");
    }
    assert_eq!(commanded["command_id"], submitted["command_id"]);
    let positions = [decided, commanded].map(|line| line["position"].as_u64());
    assert!(positions[0] < positions[1], "the command stands after its decision: {positions:?}");
}

/// An access key, fresh from the desk, that comes in by gRPC: whole, and with a letter too many.
async fn a_key_that_is_used(scene: &Scene, listen: &str) -> String {
    let wish = CreateKey {
        owner: "ann".to_owned(),
        role: Role::Viewer,
        label: "a test".to_owned(),
        actions: BTreeSet::new(),
        processes: BTreeSet::new(),
        expires_at: None,
        for_ms: None,
        reason: "a test".to_owned(),
    };
    let key = scene.client.create_key(stele_api::client::new_key(), &wish).await.expect("a key").answer.key;
    let mut client = TradingServiceClient::connect(format!("http://{listen}")).await.expect("a connection");
    for (shown, code) in [(key.clone(), tonic::Code::Ok), (format!("{key}x"), tonic::Code::Unauthenticated)] {
        let mut request = tonic::Request::new(GetStatusRequest::default());
        let bearer = format!("Bearer {shown}").parse().expect("a header");
        request.metadata_mut().insert("authorization", bearer);
        let answer = client.get_status(request).await;
        assert_eq!(answer.err().map_or(tonic::Code::Ok, |status| status.code()), code);
    }
    key
}

/// Every secret that a desk is given, in every form that a careless line could show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_shows_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    private(&file, TOKEN);
    let named = file.to_string_lossy().into_owned();
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let listen = free.expect("a free port").to_string();
    let setup = Setup::default()
        .with("relay.token_file", named)
        .with("api.listen", listen.clone())
        .with("telemetry.level", "trace");
    let mut scene = Scene::armed(setup).await;
    let shown_once = a_key_that_is_used(&scene, &listen).await;
    scene.breaks_once(Fault::RelayRejects { text: "no".to_owned() });
    scene.until_acted(|| selling(Outcome::DeskWins)).await;
    let acted = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.becomes(&acted, "settled").await;
    scene.desk.stop().await;
    let words = scene.desk.words();
    let key = nep413::text(&[7; 32]);
    let bare = key.trim_start_matches("ed25519:");
    // What stands between a key's id and its check is its secret, which may have a `_` of its own.
    let (unchecked, _) = shown_once.rsplit_once('_').expect("a check");
    let secret_part = unchecked.splitn(3, '_').nth(2).expect("a secret");
    assert_eq!(secret_part.len(), 43, "32 bytes in base64");
    for secret in [key.as_str(), bare, TOKEN, secret_part] {
        let shown = words.lines().find(|line| line.contains(secret));
        assert!(shown.is_none(), "a line shows {secret}: {shown:?}");
    }
    // The key as bytes, as a careless `Debug` writes them.
    assert!(!words.contains("7, 7, 7, 7, 7, 7, 7, 7"), "a line shows the bytes of the key");
}
