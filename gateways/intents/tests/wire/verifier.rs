//! Snapshots over real HTTP, against providers that answer by hand-made books.

use crate::support::{HandClock, account, token_id, within};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use stele_domain::money::Units;
use stele_domain::port::verifier::{
    SNAPSHOT_NONCES_MAX, Snapshot, SnapshotQuery, Verifier as _, VerifierError,
};
use stele_domain::time::Timestamp;
use stele_intents::verifier::{InvalidVerifier, NearVerifier, Options};
use tokio::net::TcpListener;

const NOON: &str = "2026-11-20T12:00:00Z";
const USED: &str = "bm9uY2Uy";
const UNKNOWN_BLOCK: &str = include_str!("../../payloads/verifier/error_unknown_block.json");

/// What a provider says, and what it was asked.
#[derive(Clone)]
struct Book {
    height: u64,
    hash: &'static str,
    block_at: &'static str,
    /// What views are answered with, by method.
    views: BTreeMap<&'static str, Value>,
    /// Answers given in place of the right ones, the first first.
    instead: Vec<Instead>,
    asked: Vec<Value>,
}

#[derive(Clone)]
enum Instead {
    Text(&'static str),
    Status(u16),
    Busy,
    Elsewhere,
    Huge,
    Hang,
    /// The right one all the same.
    Right,
}

type Shared = Arc<Mutex<Book>>;

fn book() -> Book {
    let views = BTreeMap::from([
        ("mt_batch_balance_of", json!(["100000", "57123456789012345678"])),
        ("current_salt", json!("252812b3")),
        ("fee", json!(1)),
        ("pa_is_paused", json!(false)),
        ("is_account_locked", json!(false)),
        ("has_public_key", json!(true)),
        ("is_nonce_used", json!(false)),
    ]);
    Book {
        height: 100,
        hash: "hash-100",
        block_at: "2026-11-20T11:59:59Z",
        views,
        instead: vec![],
        asked: vec![],
    }
}

async fn provider(book: Book) -> (String, Shared) {
    let shared = Arc::new(Mutex::new(book));
    let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&shared));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, shared)
}

async fn answer(State(book): State<Shared>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let instead = {
        let mut book = book.lock().unwrap();
        book.asked.push(request.clone());
        (!book.instead.is_empty()).then(|| book.instead.remove(0))
    };
    match instead {
        Some(Instead::Text(text)) => text.into_response(),
        Some(Instead::Status(status)) => (StatusCode::from_u16(status).unwrap(), "<html>").into_response(),
        Some(Instead::Busy) => {
            (StatusCode::TOO_MANY_REQUESTS, r#"{"error":"too many requests"}"#).into_response()
        }
        Some(Instead::Elsewhere) => Redirect::temporary("/elsewhere").into_response(),
        Some(Instead::Huge) => "x".repeat(200_000).into_response(),
        Some(Instead::Hang) => std::future::pending().await,
        Some(Instead::Right) | None => {
            right_answer(&book.lock().unwrap(), &request).to_string().into_response()
        }
    }
}

fn right_answer(book: &Book, request: &Value) -> Value {
    let result = if request["method"] == "block" {
        let nanos = Timestamp::parse(book.block_at).unwrap().micros() * 1_000;
        json!({ "header": { "height": book.height, "hash": book.hash, "timestamp_nanosec": nanos.to_string() } })
    } else {
        let params = &request["params"];
        let method = params["method_name"].as_str().unwrap();
        let view = match method {
            "is_nonce_used" if args(params)["nonce"] == USED => &Value::Bool(true),
            _ => &book.views[method],
        };
        let height = params["block_id"].as_u64().unwrap();
        let hash = if height == book.height { book.hash.to_owned() } else { format!("hash-{height}") };
        json!({ "result": view.to_string().as_bytes(), "logs": [], "block_height": height, "block_hash": hash })
    };
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })
}

fn args(params: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(params["args_base64"].as_str().unwrap()).unwrap()).unwrap()
}

fn options(urls: Vec<String>) -> Options {
    let mut options = Options::new(urls).unwrap();
    options.retry_ms = 1;
    options.request_ms_max = 2_000;
    options.answer_bytes_max = 100_000;
    options
}

fn query() -> SnapshotQuery {
    SnapshotQuery {
        account: account("maker.near"),
        tokens: vec![token_id("nep141:b.near"), token_id("nep141:a.near")],
        public_key: Some("ed25519:FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF".into()),
        nonces: vec!["bm9uY2Ux".into(), USED.into()],
    }
}

async fn look(options: &Options) -> Result<Snapshot, VerifierError> {
    let verifier = NearVerifier::new(options, Arc::new(HandClock::at(NOON))).unwrap();
    within(verifier.snapshot(query())).await
}

async fn look_at(books: Vec<Book>) -> Result<Snapshot, VerifierError> {
    let mut urls = Vec::new();
    for book in books {
        urls.push(provider(book).await.0);
    }
    look(&options(urls)).await
}

#[tokio::test]
async fn everything_is_read_at_one_final_block() {
    let (url, shared) = provider(book()).await;
    let snapshot = look(&options(vec![url])).await.unwrap();
    assert_eq!(
        snapshot,
        Snapshot {
            height: 100,
            block_hash: "hash-100".into(),
            block_at: Timestamp::parse("2026-11-20T11:59:59Z").unwrap(),
            balances: BTreeMap::from([
                (token_id("nep141:b.near"), Units::new(100_000)),
                (token_id("nep141:a.near"), Units::new(57_123_456_789_012_345_678)),
            ]),
            salt: "252812b3".into(),
            fee_pips: 1,
            contract_paused: false,
            account_locked: false,
            key_registered: Some(true),
            nonces_used: vec![false, true],
            providers: 1,
        }
    );
    let asked = shared.lock().unwrap().asked.clone();
    assert_eq!(asked[0]["params"], json!({ "finality": "final" }));
    let views = &asked[1..];
    assert_eq!(views.len(), 8);
    for view in views {
        let params = &view["params"];
        assert_eq!(
            (&params["block_id"], &params["account_id"]),
            (&json!(100), &json!("intents.near")),
            "{view}"
        );
    }
    let of = |method: &str| {
        let view = views.iter().find(|view| view["params"]["method_name"] == method).unwrap();
        args(&view["params"])
    };
    let tokens = json!(["nep141:b.near", "nep141:a.near"]);
    assert_eq!(of("mt_batch_balance_of"), json!({ "account_id": "maker.near", "token_ids": tokens }));
    assert_eq!(of("pa_is_paused"), json!({ "key": "intents" }));
    assert_eq!(of("is_nonce_used")["account_id"], "maker.near");
    assert_eq!(of("current_salt"), json!({}));
}

#[tokio::test]
async fn two_providers_are_asked_about_the_lower_of_their_blocks() {
    let ahead = Book { height: 103, hash: "hash-103", ..book() };
    let snapshot = look_at(vec![ahead, book()]).await.unwrap();
    assert_eq!((snapshot.height, snapshot.block_hash.as_str(), snapshot.providers), (100, "hash-100", 2));
}

#[tokio::test]
async fn providers_that_contradict_each_other_make_no_snapshot() {
    let mut other = book();
    other.views.insert("mt_batch_balance_of", json!(["100000", "1"]));
    let disagreement = look_at(vec![book(), other]).await.unwrap_err();
    let VerifierError::Disagree { height: 100, what } = &disagreement else { panic!("{disagreement:?}") };
    assert!(
        what.contains("balance of nep141:a.near") && what.contains("(#1)") && what.contains("(#2)"),
        "{what}"
    );
    let fork = look_at(vec![book(), Book { hash: "another-100", ..book() }]).await;
    assert!(matches!(fork, Err(VerifierError::Disagree { height: 100, .. })), "{fork:?}");
}

#[tokio::test]
async fn a_provider_that_is_away_is_left_out_unless_all_are_needed() {
    let (url, _) = provider(book()).await;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/secret-access-key", listener.local_addr().unwrap())
    };
    let mut options = options(vec![gone.clone(), url]);
    assert_eq!(look(&options).await.unwrap().providers, 1);
    options.providers_min = 2;
    assert!(matches!(look(&options).await, Err(VerifierError::Unavailable(_))));
    options.urls = vec![gone];
    let error = look(&options).await.unwrap_err();
    assert!(matches!(error, VerifierError::Unavailable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
}

#[tokio::test]
async fn a_provider_that_hangs_is_not_waited_for_unless_it_is_needed() {
    let hanging = Book { instead: vec![Instead::Hang; 20], ..book() };
    let (slow, asked) = provider(hanging).await;
    let (quick, _) = provider(book()).await;
    let mut options = options(vec![slow, quick]);
    options.request_ms_max = 60_000;
    options.snapshot_ms_max = 30_000;
    options.straggler_ms_max = 20;
    assert_eq!(look(&options).await.unwrap().providers, 1);
    assert!(asked.lock().unwrap().asked.iter().all(|request| request["method"] == "block"));
    options.providers_min = 2;
    options.snapshot_ms_max = 200;
    let late = look(&options).await.unwrap_err();
    assert_eq!(late, VerifierError::Unavailable("no snapshot within 200 ms".into()));
}

#[tokio::test]
async fn a_provider_that_hangs_after_it_named_its_block_is_not_waited_for_either() {
    let (quick, _) = provider(book()).await;
    let hanging = Book { instead: [vec![Instead::Right], vec![Instead::Hang; 20]].concat(), ..book() };
    let (slow, asked) = provider(hanging).await;
    let mut options = options(vec![slow, quick]);
    options.request_ms_max = 60_000;
    options.snapshot_ms_max = 30_000;
    options.straggler_ms_max = 1_000;
    assert_eq!(look(&options).await.unwrap().providers, 1);
    assert!(asked.lock().unwrap().asked.len() > 1, "it was asked for its views too");
}

#[tokio::test]
async fn a_block_that_is_too_old_is_no_news_and_one_at_the_limit_is() {
    let old = |block_at| Book { block_at, ..book() };
    let stale = look_at(vec![old("2026-11-20T11:59:29.999Z")]).await.unwrap_err();
    assert_eq!(stale, VerifierError::Stale { height: 100, behind_ms: 30_001 });
    assert_eq!(look_at(vec![old("2026-11-20T11:59:30Z")]).await.unwrap().height, 100);
    let fresh = Book { height: 200, hash: "hash-200", ..book() };
    let snapshot = look_at(vec![old("2026-11-20T11:00:00Z"), fresh]).await.unwrap();
    assert_eq!((snapshot.height, snapshot.providers), (200, 1), "the one that stopped drags nobody back");
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_what_may_not_is_not() {
    let mut passing = book();
    passing.instead = vec![Instead::Status(503), Instead::Text(UNKNOWN_BLOCK)];
    assert_eq!(look_at(vec![passing.clone()]).await.unwrap().providers, 1);
    passing.instead = vec![Instead::Busy];
    assert_eq!(look_at(vec![passing]).await.unwrap().providers, 1);
    let lasting = Book { instead: vec![Instead::Text(r#"{"error":"no such method"}"#)], ..book() };
    let (url, shared) = provider(lasting).await;
    let refused = look(&options(vec![url])).await.unwrap_err();
    assert!(
        matches!(&refused, VerifierError::Unreadable(said) if said.contains("no such method")),
        "{refused}"
    );
    assert_eq!(shared.lock().unwrap().asked.len(), 1);
}

#[tokio::test]
async fn attempts_are_limited() {
    let always = Book { instead: vec![Instead::Status(500); 10], ..book() };
    let (url, shared) = provider(always).await;
    let error = look(&options(vec![url])).await.unwrap_err();
    assert!(matches!(&error, VerifierError::Unavailable(said) if said.contains("500")), "{error}");
    assert_eq!(shared.lock().unwrap().asked.len(), 3);
}

#[tokio::test]
async fn misshapen_answers_are_never_guessed_at() {
    type Change = (&'static str, Value);
    let changes: [Change; 7] = [
        ("mt_batch_balance_of", json!(["1"])),
        ("mt_batch_balance_of", json!([1, 2])),
        ("current_salt", json!("salt")),
        ("fee", json!(-1)),
        ("fee", json!("1")),
        ("pa_is_paused", json!(null)),
        ("is_nonce_used", json!(0)),
    ];
    for (method, wrong) in changes {
        let mut book = book();
        book.views.insert(method, wrong.clone());
        let error = look_at(vec![book]).await.unwrap_err();
        assert!(matches!(error, VerifierError::Unreadable(_)), "{method} {wrong}: {error}");
    }
}

#[tokio::test]
async fn huge_answers_and_redirects_and_silence_are_not_waited_out() {
    let one = |instead| Book { instead: vec![instead], ..book() };
    let huge = look_at(vec![one(Instead::Huge)]).await.unwrap_err();
    assert!(matches!(&huge, VerifierError::Unreadable(said) if said.contains("100000 bytes")), "{huge}");
    let mut redirected = book();
    redirected.instead = vec![Instead::Elsewhere, Instead::Elsewhere, Instead::Elsewhere];
    let redirected = look_at(vec![redirected]).await.unwrap_err();
    assert!(matches!(&redirected, VerifierError::Unavailable(said) if said.contains("307")), "{redirected}");
    let (url, _) = provider(one(Instead::Hang)).await;
    let mut hanging = options(vec![url]);
    hanging.request_ms_max = 50;
    hanging.attempts_max = 1;
    assert!(matches!(look(&hanging).await, Err(VerifierError::Unavailable(_))));
    hanging.request_ms_max = 60_000;
    hanging.snapshot_ms_max = 50;
    let (url, _) = provider(one(Instead::Hang)).await;
    hanging.urls = vec![url];
    let late = look(&hanging).await.unwrap_err();
    assert_eq!(late, VerifierError::Unavailable("no snapshot within 50 ms".into()));
}

#[tokio::test]
async fn what_was_not_asked_about_is_not_asked_for() {
    let (url, shared) = provider(book()).await;
    let verifier = NearVerifier::new(&options(vec![url]), Arc::new(HandClock::at(NOON))).unwrap();
    let bare = SnapshotQuery { tokens: vec![], public_key: None, nonces: vec![], ..query() };
    let snapshot = within(verifier.snapshot(bare)).await.unwrap();
    assert_eq!((snapshot.balances.len(), snapshot.key_registered, snapshot.nonces_used.len()), (0, None, 0));
    assert_eq!(shared.lock().unwrap().asked.len(), 5);
    let many = SnapshotQuery { nonces: vec![String::new(); SNAPSHOT_NONCES_MAX + 1], ..query() };
    assert!(within(verifier.snapshot(many)).await.is_err());
    assert_eq!(shared.lock().unwrap().asked.len(), 5, "too many questions are not asked at all");
}

#[tokio::test]
async fn addresses_are_checked_before_anything_is_asked() {
    let refused = |urls: &[&str]| {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        NearVerifier::new(&options(urls), Arc::new(HandClock::at(NOON))).err().map(|error| error.to_string())
    };
    assert!(matches!(
        NearVerifier::new(&options(vec![]), Arc::new(HandClock::at(NOON))),
        Err(InvalidVerifier::Providers(0))
    ));
    for url in ["", "rpc", "ftp://rpc", "file:///tmp"] {
        assert!(refused(&[url]).is_some(), "{url}");
    }
    assert_eq!(refused(&["http://127.0.0.1:1", "https://rpc.example/key"]), None);
}
