//! Bad requests: each is refused in one way, with the part that is wrong named.

use crate::desk::{Desk, Network, PATIENCE};
use crate::raw::{get, json, send, send_to};
use stele_api::client::{Client, ClientError, new_key};
use stele_api::dto::Arming;
use stele_domain::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

#[tokio::test]
async fn a_field_that_is_unknown_missing_or_wrong_is_named() {
    let desk = Desk::ready().await;
    let arm = async |body: &str| json(&desk.path, "POST", "/v1/account/arm", body).await;
    let answer = arm(r#"{"reason":"opening","mode":"full","for_ms":1000,"for":"10m"}"#).await;
    answer.names(400, "for");
    answer_says(&answer.body, "unknown field `for`");
    arm(r#"{"reason":"opening","mode":"sideways","for_ms":1000}"#).await.names(400, "mode");
    arm(r#"{"reason":"opening","mode":"full","until":"tomorrow"}"#).await.names(400, "until");
    arm(r#"{"reason":"opening","mode":"full","for_ms":-1}"#).await.names(400, "for_ms");
    answer_says(&arm(r#"{"reason":"opening","for_ms":1000}"#).await.body, "missing field `mode`");
    arm(r#"{"reason":"opening","mode":"full"}"#).await.names(400, "for_ms");
    let both = r#"{"reason":"opening","mode":"full","for_ms":1000,"until":"2026-11-20T18:00:00Z"}"#;
    arm(both).await.names(400, "until");
    arm(r#"["opening","full",1000]"#).await.names(400, "body");
    answer_says(
        &arm(r#"{"reason":"a","reason":"b","mode":"full","for_ms":1}"#).await.body,
        "duplicate field",
    );
    assert_eq!(desk.client.account().await.unwrap().account.arming, Arming::Disarmed);
}

fn answer_says(body: &str, words: &str) {
    assert!(body.contains(words), "{body} does not say {words}");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let desk = Desk::ready().await;
    for body in ["{", "not json", "\u{0}\u{1}", r#"{"reason":"a"} trailing"#, "null"] {
        let answer = json(&desk.path, "POST", "/v1/account/disarm", body).await;
        answer.problem(400, "bad-request");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    json(&desk.path, "POST", "/v1/account/disarm", &deep).await.problem(400, "bad-request");
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let desk = Desk::ready().await;
    for headers in [&["content-type: text/plain"][..], &[]] {
        let answer = send(&desk.path, "POST", "/v1/account/disarm", headers, br#"{"reason":"lunch"}"#).await;
        answer.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_body_is_taken_up_to_256_kib() {
    let desk = Desk::ready().await;
    let body = |bytes: usize| {
        let frame = r#"{"reason":""}"#.len();
        format!(r#"{{"reason":"{}"}}"#, "x".repeat(bytes - frame))
    };
    let fits = json(&desk.path, "POST", "/v1/account/disarm", &body(256 * 1024)).await;
    assert_eq!(fits.status, 200, "{}", fits.body);
    json(&desk.path, "POST", "/v1/account/disarm", &body(256 * 1024 + 1))
        .await
        .problem(413, "body-too-large");
    json(&desk.path, "POST", "/v1/account/disarm", &body(10 * 1024 * 1024))
        .await
        .problem(413, "body-too-large");
}

#[tokio::test]
async fn an_unknown_route_service_or_method_is_a_problem() {
    let desk = Desk::ready().await;
    get(&desk.path, "/v1/nothing").await.problem(404, "unknown-route");
    let reason = r#"{"reason":"because"}"#;
    json(&desk.path, "POST", "/v1/services/kitchen/pause", reason).await.problem(404, "unknown-service");
    let answer = send(&desk.path, "DELETE", "/v1/account/arm", &[], b"").await;
    answer.problem(405, "method-not-allowed");
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
    get(&desk.path, "/v1/trace/%ff").await.problem(400, "bad-request");
}

#[tokio::test]
async fn a_key_that_is_no_uuid_is_named() {
    let desk = Desk::ready().await;
    let headers = ["content-type: application/json", "idempotency-key: monday"];
    let answer = send(&desk.path, "POST", "/v1/account/disarm", &headers, br#"{"reason":"lunch"}"#).await;
    answer.names(400, "Idempotency-Key");
}

#[tokio::test]
async fn parameters_that_are_unknown_doubled_or_out_of_bounds_are_named() {
    let desk = Desk::ready().await;
    get(&desk.path, "/v1/status?color=red").await.names(400, "color");
    get(&desk.path, "/v1/log/events?limit=0").await.names(400, "limit");
    get(&desk.path, "/v1/log/events?limit=1001").await.names(400, "limit");
    get(&desk.path, "/v1/log/events?limit=5&limit=6").await.names(400, "limit");
    get(&desk.path, "/v1/log/events?from=first").await.names(400, "from");
    get(&desk.path, "/v1/log/events?stream=nodash").await.names(400, "stream");
    get(&desk.path, "/v1/log/events?stream=account-a&category=quote").await.names(400, "stream");
    get(&desk.path, "/v1/log/events/0").await.names(400, "position");
    get(&desk.path, "/v1/tables/account?order=up").await.names(400, "order");
    get(&desk.path, "/v1/tables/account?colour=red").await.names(400, "colour");
    get(&desk.path, "/v1/tables/account?open_reservations=many").await.names(400, "open_reservations");
    get(&desk.path, "/v1/tables/account?after=xyz").await.names(400, "after");
}

#[tokio::test]
async fn nonsense_on_the_wire_ends_that_connection_and_no_other() {
    let desk = Desk::ready().await;
    let mut stream = UnixStream::connect(&desk.path).await.unwrap();
    stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(Client::unix(&desk.path).live().await.unwrap().status, "live");
}

#[tokio::test]
async fn reads_that_wait_do_not_keep_a_kill_waiting() {
    let desk = Desk::ready().await;
    desk.current().await.tables().await.unwrap();
    let hold = desk.runner.hold().await;
    desk.client.disarm(new_key(), "nothing to read").await.unwrap();
    desk.client.pause(new_key(), "market", "something to wait for").await.unwrap();
    let waiting = desk.current().await;
    let reads: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn({
                let waiting = waiting.clone();
                async move { waiting.tables().await }
            })
        })
        .collect();
    let full = async { while desk.client.account().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, full).await.expect("every seat is taken");
    let no = desk.client.account().await.unwrap_err();
    assert_eq!((no.code(), no.is_transient()), (Some("busy"), true));
    // Probes and wishes have room of their own.
    assert_eq!(desk.client.live().await.unwrap().status, "live");
    assert!(desk.client.kill(new_key(), "something is wrong").await.unwrap().answer.fenced);
    drop(hold);
    for read in reads {
        // On a slow machine their five seconds may be over by now.
        let outcome = read.await.unwrap();
        let code = outcome.as_ref().err().and_then(ClientError::code);
        assert!(outcome.is_ok() || code == Some("projection-behind"), "{outcome:?}");
    }
}

/// A wish whose body the desk waits for: it has said so.
async fn half_sent(desk: &Network, key: &str, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(desk.address).await.unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: desk\r\ncontent-type: application/json\r\n{key}\r\n\
         expect: 100-continue\r\ncontent-length: 20\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("a word").unwrap();
    assert_eq!(std::str::from_utf8(&first), Ok("HTTP/1.1 100 Continue\r\n\r\n"));
    stream
}

#[tokio::test]
async fn whoever_sends_half_a_wish_keeps_no_kill_and_no_disarm_out() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let trader = desk.key("tom", Role::Trader).await.header();
    let operator = desk.key("ann", Role::Operator).await.header();
    let mut half = vec![];
    for _ in 0..40 {
        half.push(half_sent(&net, &trader, "/v1/account/disarm").await);
        half.push(half_sent(&net, &operator, "/v1/account/kill").await);
    }
    let headers = ["content-type: application/json", &operator];
    for target in ["/v1/account/kill", "/v1/account/disarm"] {
        let answer = send_to(net.address, "POST", target, &headers, b"{}").await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    }
    assert!(desk.client.kill(new_key(), "something is wrong").await.unwrap().answer.fenced);
    // A trader disarms, and does not undo a kill.
    desk.client.disarm(new_key(), "looked at it").await.unwrap();
    // Nor is there memory for any number of them: one caller has 64.
    for _ in 40..64 {
        half.push(half_sent(&net, &trader, "/v1/account/disarm").await);
    }
    let headers = ["content-type: application/json", &trader];
    let no = send_to(net.address, "POST", "/v1/account/disarm", &headers, b"{}").await;
    no.problem(429, "too-many-at-once");
    // What was half sent is carried out when the rest of it comes.
    let mut one = half.swap_remove(0);
    one.write_all(br#"{"reason":"it came"}"#).await.unwrap();
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(PATIENCE, one.read(&mut answer)).await.expect("an answer").unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("HTTP/1.1 200"), "{answer:?}");
}
