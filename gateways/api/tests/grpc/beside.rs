//! The service beside, as the doors guard it: who asks is known before the message is read, slow senders and readers hold
//! nothing for long, nobody takes every place, and persons have a pace. The router without a door, so that time can be
//! moved.

use crate::desk::Desk;
use crate::desk::neighbour::{ASKED_BYTES_MAX, PREFIX};
use crate::served::{codes, soon};
use axum::body::Body;
use axum::http::{Request, Response, Version};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::time::Duration;
use stele_api::{Pace, RateOptions, Visitor};
use stele_commands::stop;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use tonic::{Code, Status};
use tower::ServiceExt;

/// Somebody of this name and role, elsewhere.
fn visitor(name: &str, role: Role) -> Visitor {
    let (stopper, stop) = stop::channel();
    // A lost stopper is a stop.
    std::mem::forget(stopper);
    let origin = Origin { key_id: Some("k1".to_owned()), address: "192.0.2.1".to_owned() };
    let actor = Actor::try_from(name.to_owned()).unwrap();
    Visitor { caller: Caller { actor, role, scope: Scope::default(), origin }, stop }
}

fn process(name: &str) -> Visitor {
    visitor(&format!("service:{name}"), Role::Service)
}

async fn called(desk: &Desk, method: &str, from: Visitor, body: Body) -> Response<Body> {
    let request = Request::post(format!("{PREFIX}{method}"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .extension(from)
        .body(body)
        .unwrap();
    soon(desk.router().oneshot(request)).await.unwrap()
}

fn refused(response: &Response<Body>) -> Option<(Code, String)> {
    let status = Status::from_header_map(response.headers())?;
    (status.code() != Code::Ok).then(|| codes(&status))
}

fn said(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

fn message(bytes: usize) -> Body {
    Body::from(vec![0; bytes])
}

/// These bytes, and then nothing for ever.
fn never_ending(begun: usize) -> Body {
    let nothing = stream::pending::<Result<Bytes, Infallible>>();
    Body::from_stream(stream::iter([Ok(Bytes::from(vec![0; begun]))]).chain(nothing))
}

#[tokio::test]
async fn who_may_not_hears_it_before_their_message_is_there() {
    let desk = Desk::open().await;
    for (method, from) in [
        ("Append", visitor("person:ann", Role::Admin)),
        ("Page", visitor("person:eve", Role::Viewer)),
        ("Live", visitor("person:eve", Role::Viewer)),
    ] {
        // Time does not pass here: a message that is waited for would never be given up.
        let no = called(&desk, method, from, never_ending(10)).await;
        assert_eq!(refused(&no).map(|(code, _)| code), Some(Code::PermissionDenied), "{method}");
    }
    let no = called(&desk, "Else", process("strat"), never_ending(10)).await;
    assert_eq!(refused(&no), Some(said(Code::Unimplemented, "unknown-route")));
}

#[tokio::test]
async fn a_message_that_never_comes_is_given_up_and_a_long_one_is_not_kept() {
    let desk = Desk::open().await;
    tokio::time::pause();
    for method in ["Append", "Page", "Live"] {
        let late = called(&desk, method, process("strat"), never_ending(70_000)).await;
        assert_eq!(refused(&late), Some(said(Code::DeadlineExceeded, "body-too-slow")), "{method}");
        let long = called(&desk, method, process("strat"), never_ending(ASKED_BYTES_MAX + 6)).await;
        assert_eq!(refused(&long), Some(said(Code::ResourceExhausted, "body-too-large")), "{method}");
    }
    let whole = called(&desk, "Append", process("strat"), message(ASKED_BYTES_MAX + 5)).await;
    let answer = soon(whole.into_body().collect()).await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-asked-bytes"], (ASKED_BYTES_MAX + 5).to_string().as_str());
}

#[tokio::test]
async fn slow_senders_of_one_process_hold_no_more_than_its_share_of_the_bytes() {
    let desk = Desk::open().await;
    tokio::time::pause();
    let mut senders = tokio::task::JoinSet::new();
    // Each 16 places of 64 KiB.
    for _ in 0..60 {
        let router = desk.router();
        senders.spawn(async move {
            let request = Request::post(format!("{PREFIX}Append"))
                .extension(process("strat"))
                .body(never_ending(ASKED_BYTES_MAX))
                .unwrap();
            router.oneshot(request).await.unwrap()
        });
    }
    let first = senders.join_next().await.unwrap().unwrap();
    assert_eq!(refused(&first), Some(said(Code::ResourceExhausted, "too-many-at-once")));
    let other = called(&desk, "Append", process("exec"), message(10)).await;
    assert_eq!(refused(&other), None, "others find room");
    while senders.join_next().await.is_some() {}
    let again = called(&desk, "Append", process("strat"), message(ASKED_BYTES_MAX)).await;
    assert_eq!(refused(&again), None, "what was given up holds nothing");
}

/// As many answers as one caller may leave unread, and how the next one is refused.
async fn unread(desk: &Desk, method: &str, from: &Visitor) -> (Vec<Response<Body>>, (Code, String)) {
    let mut open = vec![];
    loop {
        let answer = called(desk, method, from.clone(), message(10)).await;
        if let Some(no) = refused(&answer) {
            return (open, no);
        }
        open.push(answer);
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_give_their_places_back() {
    let desk = Desk::open().await;
    tokio::time::pause();
    let (auditor, process) = (visitor("person:ann", Role::Auditor), process("front"));
    for (method, from, places) in
        [("Live", &process, 128), ("Page", &process, 256), ("Live", &auditor, 32), ("Page", &auditor, 4)]
    {
        let (mut open, no) = unread(&desk, method, from).await;
        assert_eq!(no, said(Code::ResourceExhausted, "too-many-at-once"), "{method}");
        assert_eq!(open.len(), places, "{method}");
        let other = visitor("service:other", from.caller.role);
        assert_eq!(refused(&called(&desk, method, other, message(10)).await), None, "others find room");
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(refused(&called(&desk, method, from.clone(), message(10)).await), None, "{method}");
        // The reader who comes back is told that it is not whole.
        let back = soon(open.remove(0).into_body().collect()).await.unwrap();
        let status = Status::from_header_map(back.trailers().expect("an end")).unwrap();
        assert_eq!(codes(&status), (Code::Unavailable, "stalled".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn persons_have_a_pace_and_processes_have_none() {
    let pace = Pace::new(1, 20);
    let desk = Desk::ready_paced(RateOptions { reads: pace, writes: pace, strangers: pace }).await;
    let read = async |from: Visitor| {
        let answer = called(&desk, "Page", from, message(10)).await;
        let no = refused(&answer);
        soon(answer.into_body().collect()).await.unwrap();
        no
    };
    let mut noes = vec![];
    for _ in 0..30 {
        noes.extend(read(visitor("person:ann", Role::Auditor)).await);
        assert_eq!(read(process("front")).await, None);
    }
    assert!(noes.len() >= 8 && noes.iter().all(|no| no.1 == "rate-limited"), "{noes:?}");
}
