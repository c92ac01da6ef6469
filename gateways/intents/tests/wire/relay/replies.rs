//! Replies that nobody waits for: a second answer to an offer, one that comes too late, and what is neither.

use super::{NOON, Peer, connected, next_disconnection, next_quote, next_unreadable, nothing, start};
use crate::support::{offer, within};
use serde_json::{Value, json};
use stele_domain::port::feeds::{RelayFeed as _, RelayNews, RelayWord, ReplyNotice, ReplyWord};
use stele_domain::port::venue::{Offer, Submission, Venue as _};
use stele_domain::time::Timestamp;
use stele_intents::relay::{RelayStream, RelayVenue};

/// A further reply, and the frame that it came in.
async fn next_reply(feed: &mut RelayStream) -> (ReplyNotice, String) {
    let news = within(feed.next()).await;
    let RelayNews::Frame { raw, received_at, word: RelayWord::Reply(notice), .. } = news else {
        panic!("{news:?}")
    };
    assert_eq!(received_at, Timestamp::parse(NOON).unwrap(), "stamped by the socket reader");
    (notice, raw)
}

fn said(of: &Offer, word: ReplyWord, late: bool, reply: &str) -> ReplyNotice {
    ReplyNotice {
        quote_id: of.quote_id.clone(),
        quote_hash: of.prepared.quote_hash.clone(),
        word,
        late,
        reply: reply.to_owned(),
    }
}

/// Offers, and answers with the first of these; gives what was asked.
async fn answered(venue: &RelayVenue, line: &mut super::Line, of: Offer, answer: (&str, Value)) -> Value {
    let far_end = async {
        let asked = line.read().await;
        line.reply(&asked, answer.0, answer.1).await;
        asked
    };
    let (asked, submission) = within(async { tokio::join!(far_end, venue.submit(of, nothing())) }).await;
    match answer.0 {
        "result" => assert_eq!(submission, Submission::Accepted { reply: "\"OK\"".into() }),
        _ => assert!(matches!(submission, Submission::Refused { .. }), "{submission:?}"),
    }
    asked
}

#[tokio::test]
async fn a_second_answer_is_told_with_the_offers_hash_and_the_word_of_it() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, mut line) = connected(&mut peer).await;
    let (one, two) = (offer(&venue, 1), offer(&venue, 2));
    let first = answered(&venue, &mut line, one.clone(), ("result", json!("OK"))).await;
    let second = answered(&venue, &mut line, two.clone(), ("error", json!("insufficient balance"))).await;

    line.reply(&first, "error", json!("quote not found or already finished")).await;
    let (notice, raw) = next_reply(&mut feed).await;
    assert_eq!(notice, said(&one, ReplyWord::Rejected, true, r#""quote not found or already finished""#));
    assert!(raw.contains("already finished") && raw.contains("jsonrpc"), "the frame is passed on: {raw}");

    line.reply(&second, "result", json!("OK")).await;
    assert_eq!(next_reply(&mut feed).await.0, said(&two, ReplyWord::Accepted, false, "\"OK\""));
}

#[tokio::test]
async fn each_repeated_answer_is_told_and_the_stream_goes_on() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, mut line) = connected(&mut peer).await;
    let one = offer(&venue, 1);
    let asked = answered(&venue, &mut line, one.clone(), ("result", json!("OK"))).await;
    for _ in 0..2 {
        line.reply(&asked, "result", json!("OK")).await;
        assert_eq!(next_reply(&mut feed).await.0, said(&one, ReplyWord::Accepted, false, "\"OK\""));
    }
    line.quote("sub-1", "and on it goes").await;
    assert_eq!(next_quote(&mut feed).await, "and on it goes");
}

#[tokio::test]
async fn without_a_reply_the_outcome_is_unknown_and_a_late_one_is_told_as_what_it_is() {
    let mut peer = Peer::new().await;
    let mut options = peer.options();
    options.reply_ms_max = 50;
    let (venue, mut feed, _) = start(options);
    let mut line = peer.accept_and_grant("sub-1").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    let (one, two) = (offer(&venue, 1), offer(&venue, 2));
    let (submission, first) =
        within(async { tokio::join!(venue.submit(one.clone(), nothing()), line.read()) }).await;
    assert_eq!(submission, Submission::Unknown { reason: "no reply within 50 ms".into() });
    line.reply(&first, "result", json!("OK")).await;
    assert_eq!(next_reply(&mut feed).await.0, said(&one, ReplyWord::Accepted, false, "\"OK\""));

    // The next offer takes away what nobody waits for, and the name of the offer stays.
    let (_, second) = within(async { tokio::join!(venue.submit(two.clone(), nothing()), line.read()) }).await;
    line.reply(&second, "error", json!("expired")).await;
    assert_eq!(next_reply(&mut feed).await.0, said(&two, ReplyWord::Rejected, true, "\"expired\""));
    line.reply(&first, "error", json!("expired")).await;
    assert_eq!(next_reply(&mut feed).await.0, said(&one, ReplyWord::Rejected, true, "\"expired\""));
}

#[tokio::test]
async fn a_reply_to_an_offer_of_a_lost_connection_is_known_on_the_next_one() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, mut line) = connected(&mut peer).await;
    let one = offer(&venue, 1);
    let far_end = async {
        let asked = line.read().await;
        drop(line);
        asked
    };
    let (asked, submission) =
        within(async { tokio::join!(far_end, venue.submit(one.clone(), nothing())) }).await;
    assert!(matches!(submission, Submission::Unknown { .. }), "{submission:?}");
    next_disconnection(&mut feed).await;
    let mut line = peer.accept_and_grant("sub-2").await;
    assert!(matches!(within(feed.next()).await, RelayNews::Connected { .. }));
    line.reply(&asked, "result", json!("OK")).await;
    assert_eq!(next_reply(&mut feed).await.0, said(&one, ReplyWord::Accepted, false, "\"OK\""));
}

#[tokio::test]
async fn a_second_reply_that_is_neither_yes_nor_no_and_one_to_no_offer_are_kept_as_unreadable() {
    let mut peer = Peer::new().await;
    let (venue, mut feed, mut line) = connected(&mut peer).await;
    let one = offer(&venue, 1);
    let hash = one.prepared.quote_hash.clone();
    let asked = answered(&venue, &mut line, one, ("result", json!("OK"))).await;
    line.reply(&asked, "result", json!({ "queued": true })).await;
    let (raw, _, reason) = next_unreadable(&mut feed).await;
    assert!(raw.contains("queued") && reason.contains(hash.as_str()), "{reason}");
    line.reply(&json!({ "id": 4_711 }), "result", json!("OK")).await;
    let (_, _, reason) = next_unreadable(&mut feed).await;
    assert!(reason.contains("request 4711, which is not open"), "{reason}");
}
