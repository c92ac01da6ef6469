//! What is for everybody, and what everybody could do with it: seats, memory and time have bounds without a key too. The
//! router without a door, so that time can be moved.

use crate::served::{Served, codes, soon};
use axum::body::Body;
use axum::http::{Request, Response, Version};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use prost::Message;
use std::convert::Infallible;
use std::time::Duration;
use stele_api::Visitor;
use stele_commands::stop;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_proto::api::v1 as pb;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb::v1;
use tower::ServiceExt;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const TAIL: &str = "/stele.api.v1.LogService/Tail";

/// Somebody at this address, at a door that never closes.
fn at(address: &str) -> Visitor {
    let (stopper, stop) = stop::channel();
    // A lost stopper is a stop.
    std::mem::forget(stopper);
    let origin = Origin { key_id: None, address: address.to_owned() };
    let actor = Actor::try_from("person:ann".to_owned()).unwrap();
    Visitor { caller: Caller { actor, role: Role::Auditor, scope: Scope::default(), origin }, stop }
}

async fn called(served: &Served, path: &str, from: &str, body: Body) -> Response<Body> {
    let request = Request::post(path)
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .extension(at(from))
        .body(body)
        .unwrap();
    served.desk.router().oneshot(request).await.unwrap()
}

fn refused(response: &Response<Body>) -> Option<(Code, String)> {
    let status = Status::from_header_map(response.headers())?;
    (status.code() != Code::Ok).then(|| codes(&status))
}

fn framed(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&body);
    Bytes::from(frame)
}

fn health() -> Bytes {
    framed(&HealthCheckRequest { service: String::new() })
}

fn question() -> Bytes {
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    framed(&v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) })
}

/// These bytes, and then nothing for ever.
fn never_ending(begun: Bytes) -> Body {
    let nothing = stream::pending::<Result<Bytes, Infallible>>();
    Body::from_stream(stream::iter([Ok(begun)]).chain(nothing))
}

#[tokio::test]
async fn a_question_after_the_health_that_never_comes_is_given_up_and_a_long_one_refused() {
    let served = Served::ready().await;
    tokio::time::pause();
    for path in [CHECK, WATCH] {
        let late = soon(called(&served, path, "192.0.2.1", never_ending(Bytes::new()))).await;
        assert_eq!(refused(&late), Some((Code::DeadlineExceeded, "body-too-slow".to_owned())), "{path}");
        let long = framed(&HealthCheckRequest { service: "x".repeat(2_000) });
        let long = called(&served, path, "192.0.2.1", never_ending(long)).await;
        assert_eq!(refused(&long), Some((Code::ResourceExhausted, "body-too-large".to_owned())), "{path}");
    }
    let asked = called(&served, CHECK, "192.0.2.1", Body::from(health())).await;
    assert_eq!(refused(&asked), None);
}

#[tokio::test]
async fn no_address_takes_every_seat_of_those_who_watch_the_health() {
    let served = Served::ready().await;
    let mut watches = vec![];
    let no = loop {
        let watch = called(&served, WATCH, "192.0.2.1", Body::from(health())).await;
        if let Some(no) = refused(&watch) {
            break no;
        }
        watches.push(watch);
    };
    assert_eq!((no, watches.len()), ((Code::ResourceExhausted, "too-many-at-once".to_owned()), 4));
    let orchestrator = called(&served, WATCH, "192.0.2.2", Body::from(health())).await;
    assert_eq!(refused(&orchestrator), None, "others find room");
    watches.pop();
    let again = async {
        while refused(&called(&served, WATCH, "192.0.2.1", Body::from(health())).await).is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

/// As many conversations as one address may have, and how the next one is refused.
async fn conversations(
    served: &Served,
    from: &str,
    body: impl Fn() -> Body,
) -> (Vec<Response<Body>>, (Code, String)) {
    let mut open = vec![];
    loop {
        let conversation = called(served, REFLECTION, from, body()).await;
        if let Some(no) = refused(&conversation) {
            return (open, no);
        }
        open.push(conversation);
    }
}

#[tokio::test]
async fn conversations_about_the_definitions_end_after_a_minute_whatever_is_said_or_read() {
    let served = Served::ready().await;
    tokio::time::pause();
    let silent = || never_ending(Bytes::new());
    // Questions without end, whose answers nobody reads.
    let endless = || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(question())));
    for (from, body) in [("192.0.2.1", &silent as &dyn Fn() -> Body), ("192.0.2.3", &endless)] {
        let (open, no) = conversations(&served, from, body).await;
        assert_eq!((no, open.len()), ((Code::ResourceExhausted, "too-many-at-once".to_owned()), 8));
        let other = called(&served, REFLECTION, "192.0.2.2", Body::from(question())).await;
        assert_eq!(refused(&other), None, "others find room");
        tokio::time::sleep(Duration::from_secs(61)).await;
        let later = called(&served, REFLECTION, from, Body::from(question())).await;
        assert_eq!(refused(&later), None, "their seats are free again");
    }
}

#[tokio::test]
async fn a_large_question_after_the_definitions_is_refused_before_it_is_kept() {
    let served = Served::ready().await;
    // The head of a message of 4 MiB less one byte, and nothing after it.
    let head = Bytes::from_static(&[0, 0x00, 0x3f, 0xff, 0xff]);
    let conversation = called(&served, REFLECTION, "192.0.2.1", never_ending(head)).await;
    let ended = soon(conversation.into_body().collect()).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn whoever_asks_for_the_definitions_again_and_again_is_told_to_wait() {
    let served = Served::ready().await;
    let no = soon(async {
        loop {
            let conversation = called(&served, REFLECTION, "192.0.2.1", Body::from(question())).await;
            match refused(&conversation) {
                Some((_, code)) if code == "rate-limited" => return code,
                Some(other) => panic!("{other:?}"),
                None => drop(conversation.into_body().collect().await.unwrap()),
            }
        }
    });
    assert_eq!(no.await, "rate-limited");
    let health = called(&served, CHECK, "192.0.2.1", Body::from(health())).await;
    assert_eq!(refused(&health), None, "a probe is never too fast");
}

#[tokio::test]
async fn a_tail_that_nobody_reads_gives_its_seat_back() {
    let served = Served::ready().await;
    tokio::time::pause();
    let tail = || framed(&pb::TailRequest { from_position: Some(1), follow: true, ..Default::default() });
    let mut unread = vec![];
    let no = loop {
        let tailing = called(&served, TAIL, "192.0.2.1", Body::from(tail())).await;
        if let Some(no) = refused(&tailing) {
            break no;
        }
        unread.push(tailing);
        assert!(unread.len() < 64, "one caller has the whole room");
    };
    assert_eq!(no, (Code::ResourceExhausted, "too-many-at-once".to_owned()));
    tokio::time::sleep(Duration::from_secs(45)).await;
    let later = called(&served, TAIL, "192.0.2.1", Body::from(tail())).await;
    assert_eq!(refused(&later), None);
    // The reader who comes back is told that it is not whole.
    let back = soon(unread.remove(0).into_body().collect()).await.unwrap();
    let status = Status::from_header_map(back.trailers().expect("an end")).unwrap();
    assert_eq!(codes(&status), (Code::Unavailable, "stalled".to_owned()));
}
