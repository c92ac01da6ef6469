//! Answers that nobody reads: what they hold is let go all the same. The router without a door, so that time can be
//! moved; the bodies are held and not looked at, as HTTP/2 does with a reader who gives no room.

use crate::desk::{Desk, PATIENCE};
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use std::time::Duration;
use stele_api::Visitor;
use stele_commands::stop::{self, Stopper};
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use tower::ServiceExt;

/// A person somewhere in the network, at a door that stays open as long as the other half is kept.
fn person(name: &str) -> (Visitor, Stopper) {
    let (stopper, stop) = stop::channel();
    let origin = Origin { key_id: None, address: "192.0.2.7".to_owned() };
    let actor = Actor::try_from(format!("person:{name}")).unwrap();
    (
        Visitor { caller: Caller { actor, role: Role::Auditor, scope: Scope::default(), origin }, stop },
        stopper,
    )
}

async fn asked(desk: &Desk, visitor: &Visitor, target: &str) -> Response<Body> {
    let request = Request::get(target).extension(visitor.clone()).body(Body::empty()).unwrap();
    desk.router().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let rest = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("an end");
    String::from_utf8(rest.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_proof_that_nobody_reads_lets_the_projections_go_on_after_a_minute() {
    let desk = Desk::ready().await;
    desk.current().await.tables().await.unwrap();
    let (auditor, _door) = person("ann");
    let proof = asked(&desk, &auditor, "/v1/proof").await;
    assert_eq!(proof.status(), 200);
    assert_eq!(asked(&desk, &auditor, "/v1/proof").await.status(), 503, "one at a time");
    tokio::time::pause();
    tokio::time::timeout(Duration::from_secs(61), desk.runner.hold()).await.expect("they go on");
    let told = text(proof).await;
    assert!(told.lines().last().unwrap().contains("not read within 60 s"), "{told}");
    // The next one may be asked for.
    let again = text(asked(&desk, &auditor, "/v1/proof").await).await;
    assert!(again.lines().last().unwrap().contains("\"end\""), "{again}");
}

#[tokio::test]
async fn whoever_listens_and_reads_nothing_gives_their_seat_back() {
    let desk = Desk::ready().await;
    let (ann, _door) = person("ann");
    let (bob, _other_door) = person("bob");
    tokio::time::pause();
    let mut unread = vec![];
    let no = loop {
        let follow = asked(&desk, &ann, "/v1/log/follow?from=1").await;
        if follow.status() != 200 {
            break follow;
        }
        unread.push(follow);
        assert!(unread.len() < 64, "she has the whole room");
    };
    assert_eq!(no.status(), 429);
    assert!(text(no).await.contains("too-many-at-once"));
    assert_eq!(asked(&desk, &bob, "/v1/log/follow").await.status(), 200, "others find room");
    // What is ready lies there; a heartbeat after five seconds is what waits, and for half a minute.
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!(asked(&desk, &ann, "/v1/log/follow").await.status(), 200);
    // The reader who comes back sees that it is not whole.
    let cut = tokio::time::timeout(PATIENCE, unread.remove(0).into_body().collect()).await;
    assert!(cut.expect("it has an end").is_err(), "an end in good order would hide what was not told");
}

#[tokio::test]
async fn live_events_that_nobody_reads_are_cut_and_those_that_are_read_go_on() {
    let desk = Desk::ready().await;
    let (ann, _door) = person("ann");
    tokio::time::pause();
    let unread = asked(&desk, &ann, "/v1/stream").await;
    let mut read = asked(&desk, &ann, "/v1/stream").await.into_body();
    let mut heartbeats = 0;
    while heartbeats < 12 {
        let frame = read.frame().await.expect("it goes on").unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        heartbeats += usize::from(text.contains("event: heartbeat"));
    }
    let rest = tokio::time::timeout(PATIENCE, unread.into_body().collect()).await.expect("it has an end");
    assert!(rest.is_err(), "a minute of heartbeats was not taken");
}
