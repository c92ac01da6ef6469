//! Offers over the relay's connection: sent once, answered by id, and unknown when nobody answers.

use super::{NOON, Peer, connected, next_disconnection, next_quote, nothing, permit, start};
use crate::support::{HandClock, offer, terms, within};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::feeds::{RelayFeed as _, RelayNews};
use stele_domain::port::venue::{CannotOffer, Offer, Submission, Venue as _};
use stele_intents::key::{KeyError, KeySource, SigningKey};
use stele_intents::relay;
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[tokio::test]
async fn an_offer_is_sent_once_and_its_reply_found_by_id() {
    let mut peer = Peer::new().await;
    let (venue, _feed, mut line) = connected(&mut peer).await;
    let (one, two) = (offer(&venue, 1), offer(&venue, 2));
    let far_end = async {
        let first = line.read().await;
        let second = line.read().await;
        assert_eq!(
            (&first["method"], &second["method"]),
            (&json!("quote_response"), &json!("quote_response"))
        );
        // Answered in the other order.
        line.reply(&second, "error", json!({ "code": -32000, "message": "insufficient balance" })).await;
        line.reply(&first, "result", json!("OK")).await;
        (first, second)
    };
    let submissions = async { tokio::join!(venue.submit(one, nothing()), venue.submit(two, nothing())) };
    let ((first, second), (accepted, refused)) = within(async { tokio::join!(far_end, submissions) }).await;
    assert_eq!(first["params"][0]["quote_id"], "quote-1");
    assert_eq!(second["params"][0]["quote_id"], "quote-2");
    assert_eq!(accepted, Submission::Accepted { reply: "\"OK\"".into() });
    let reply = r#"{"code":-32000,"message":"insufficient balance"}"#.to_owned();
    assert_eq!(refused, Submission::Refused { reply, late: false });
}

#[tokio::test]
async fn the_permit_ends_when_the_frame_is_out_and_not_with_the_reply() {
    let mut peer = Peer::new().await;
    let (venue, _feed, mut line) = connected(&mut peer).await;
    let offer = offer(&venue, 1);
    let (permit, dropped) = permit();
    let far_end = async {
        let asked = line.read().await;
        // The frame is here, and the client's task has moved on once it answers a ping.
        within(line.0.send(Message::Ping(Bytes::new()))).await.unwrap();
        while !matches!(within(line.0.next()).await.unwrap().unwrap(), Message::Pong(_)) {}
        let out = dropped.load(Ordering::SeqCst);
        line.reply(&asked, "error", json!("quote not found or already finished")).await;
        out
    };
    let (out, submission) = within(async { tokio::join!(far_end, venue.submit(offer, permit)) }).await;
    assert!(out, "the permit was still held while the reply was awaited");
    assert!(matches!(submission, Submission::Refused { late: true, .. }), "{submission:?}");
}

#[tokio::test]
async fn a_connection_lost_before_the_reply_leaves_the_outcome_unknown_and_nothing_is_sent_again() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, mut line) = connected(&mut peer).await;
    let (permit, dropped) = permit();
    let far_end = async {
        line.read().await;
        drop(line);
    };
    let ((), submission) =
        within(async { tokio::join!(far_end, venue.submit(offer(&venue, 1), permit)) }).await;
    assert!(matches!(submission, Submission::Unknown { .. }), "{submission:?}");
    assert!(dropped.load(Ordering::SeqCst));
    next_disconnection(&mut feed).await;
    let mut line = peer.accept_and_grant("sub-2").await;
    let far_end = async {
        let asked = line.read().await;
        line.reply(&asked, "result", json!("OK")).await;
        asked
    };
    let (asked, _accepted) =
        within(async { tokio::join!(far_end, venue.submit(offer(&venue, 2), nothing())) }).await;
    assert_eq!(
        asked["params"][0]["quote_id"], "quote-2",
        "the first frame on the new connection is the next offer's"
    );
}

#[tokio::test]
async fn while_there_is_no_connection_nothing_is_sent_and_the_permit_is_given_back() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, _) = start(peer.options());
    drop(within(peer.listener.accept()).await.unwrap());
    next_disconnection(&mut feed).await;
    let (permit, dropped) = permit();
    let submission = within(venue.submit(offer(&venue, 1), permit)).await;
    assert!(matches!(submission, Submission::NotSent { .. }), "{submission:?}");
    assert!(dropped.load(Ordering::SeqCst));
    let mut line = peer.accept_and_grant("sub-1").await;
    line.quote("sub-1", "the first thing that follows").await;
}

#[tokio::test]
async fn a_frame_whose_moment_has_passed_is_not_sent_and_the_connection_lives_on() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, clock) = start(peer.options());
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    // From the very moment on: a microsecond before it, it would have been sent.
    let late = Offer { send_before: clock.now(), ..offer(&venue, 1) };
    let (permit, dropped) = permit();
    let submission = within(venue.submit(late, permit)).await;
    assert!(
        matches!(&submission, Submission::NotSent { reason } if reason.starts_with("too late")),
        "{submission:?}"
    );
    assert!(dropped.load(Ordering::SeqCst));
    let far_end = async {
        let asked = line.read().await;
        line.reply(&asked, "result", json!("OK")).await;
        asked
    };
    let in_time = Offer { send_before: clock.now().plus_millis(1), ..offer(&venue, 2) };
    let (asked, accepted) = within(async { tokio::join!(far_end, venue.submit(in_time, nothing())) }).await;
    assert_eq!(asked["params"][0]["quote_id"], "quote-2", "the first frame is that of the next offer");
    assert!(matches!(accepted, Submission::Accepted { .. }), "{accepted:?}");
}

#[tokio::test]
async fn an_offer_that_waited_in_line_is_too_late_when_its_turn_comes() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, clock) = start(peer.options());
    let line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    let offers: Vec<_> = (1..=8).map(|n| offer(&venue, n)).collect();
    // All of them are handed over before the connection's task has looked at one; then their moment passes.
    let mut waiting: Vec<_> = offers.iter().map(|offer| venue.submit(offer.clone(), nothing())).collect();
    for submission in &mut waiting {
        assert!(submission.now_or_never().is_none());
    }
    clock.set("2031-01-01T00:00:00Z");
    for submission in waiting {
        let submission = within(submission).await;
        assert!(matches!(submission, Submission::NotSent { .. }), "{submission:?}");
    }
    drop(line);
}

#[tokio::test]
async fn without_a_key_everything_but_offering_works() {
    let mut peer = Peer::new().await;
    let key = SigningKey::load(&KeySource::Env("STELE_TEST_NEVER_SET".into()));
    assert!(matches!(key, Err(KeyError::Unset { .. })));
    let clock = Arc::new(HandClock::at(NOON));
    let (venue, mut feed) = relay::connect(peer.options(), key, clock).unwrap();
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    line.quote("sub-1", "read all the same").await;
    assert_eq!(next_quote(&mut feed).await, "read all the same");
    let why = "environment variable STELE_TEST_NEVER_SET is not set to text".to_owned();
    assert_eq!(venue.public_key(), Err(CannotOffer::NoKey(why.clone())));
    assert_eq!(venue.prepare(&terms(1)), Err(CannotOffer::NoKey(why)));
    let prepared_elsewhere = {
        let (other, _feed, _) = start(peer.options());
        offer(&other, 1)
    };
    let submission = venue.submit(prepared_elsewhere, nothing()).await;
    assert!(
        matches!(&submission, Submission::NotSent { reason } if reason.contains("no signing key")),
        "{submission:?}"
    );
}
