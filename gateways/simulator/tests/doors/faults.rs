//! Each thing that can be made to go wrong goes wrong in just that way, and the rest goes on.

use crate::support::{
    Client, DESK, OK, SAT, TOKEN, Terms, WEI, dial, now_ms, options, refused_with, salt, start, until, view,
};
use serde_json::{Value, json};
use std::time::Instant;
use stele_simulator::{Action, EURE, Fault, Garbage, Handle, NBTC, Outcome, Running, Scope, ScriptedQuote};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error as WsError;

const TENTH_BTC: u128 = 10_000_000;
const GIVES: u128 = 5_880 * 1_000_000_000_000_000_000;

fn sell(outcome: Outcome) -> ScriptedQuote {
    ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, outcome)
}

fn output() -> Value {
    json!({ "amount_out": GIVES.to_string() })
}

fn offer(running: &Running, random: u8) -> Terms {
    Terms { random, ..Terms::trade(salt(running), NBTC, TENTH_BTC, EURE, GIVES) }
}

fn once(handle: &Handle, fault: Fault) {
    handle.fault(fault, Scope::Count(1)).unwrap();
}

async fn sats(running: &Running) -> Value {
    view(running, "mt_balance_of", json!({ "account_id": DESK, "token_id": NBTC })).await
}

/// Reads until the connection is over, and says whether a closing frame came.
async fn over(client: &mut Client) -> Option<u16> {
    loop {
        match client.next_message().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_disconnect_ends_without_a_closing_frame_and_the_next_connection_works() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let old = desk.subscribe("quote").await;
    running.handle().act(Action::RelayDisconnect).unwrap();
    assert_eq!(over(&mut desk).await, None);
    let mut again = Client::relay(&running).await;
    let new = again.subscribe("quote").await;
    assert_ne!(old, new, "subscriptions don't survive a connection");
    running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    again.event(&new).await;
}

#[tokio::test]
async fn a_close_carries_its_code() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    desk.subscribe("quote").await;
    running.handle().act(Action::RelayClose { code: 1012, reason: "restart".to_owned() }).unwrap();
    assert_eq!(over(&mut desk).await, Some(1012));
}

#[tokio::test]
async fn a_half_open_connection_answers_nothing_takes_nothing_and_ends_in_its_time() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    running.handle().act(Action::RelaySilence { for_ms: 300 }).unwrap();
    let from = Instant::now();
    desk.request("subscribe", json!(["quote_status"])).await;
    desk.send_message(Message::Ping(vec![1].into())).await;
    running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    let next = desk.next_message().await;
    assert!(matches!(next, None | Some(Err(_))), "nothing but the end: {next:?}");
    assert!(from.elapsed().as_millis() >= 300);
    assert!(!desk.has(|frame| frame["params"]["subscription"] == quotes));
    let journal = running.handle().journal(1, 1_000, None);
    let last = journal.entries.iter().rfind(|entry| entry.text.is_some()).unwrap();
    assert!(last.text.as_ref().unwrap().contains("result"), "what was sent in the silence is not read");
}

#[tokio::test]
async fn the_door_refuses_or_drops_as_often_as_it_was_told_to() {
    let running = start(options()).await;
    let url = running.endpoints().relay_ws;
    running.handle().fault(Fault::RelayRefusesWith { status: 403 }, Scope::Count(2)).unwrap();
    assert_eq!(refused_with(dial(&url, Some(TOKEN)).await), 403);
    assert_eq!(refused_with(dial(&url, Some(TOKEN)).await), 403);
    once(&running.handle(), Fault::RelayDropsNew);
    let mut dropped = dial(&url, Some(TOKEN)).await.unwrap();
    assert_eq!(over(&mut dropped).await, None);
    Client::relay(&running).await.subscribe("quote").await;
}

#[tokio::test]
async fn garbage_arrives_as_it_is_and_the_stream_goes_on() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let kinds = [
        Garbage::InvalidJson,
        Garbage::Binary,
        Garbage::Huge,
        Garbage::UnknownMethod,
        Garbage::WrongTypes,
        Garbage::Deep,
    ];
    for garbage in kinds {
        running.handle().act(Action::RelayGarbage { garbage }).unwrap();
        let message = desk.next_message().await.unwrap().unwrap();
        let text = message.to_text().unwrap_or_default();
        let as_told = match garbage {
            Garbage::InvalidJson | Garbage::Deep => serde_json::from_str::<Value>(text).is_err(),
            Garbage::Binary => matches!(message, Message::Binary(_)),
            Garbage::Huge => text.len() > 4 * 1024 * 1024,
            Garbage::UnknownMethod => text.contains("rebalance"),
            Garbage::WrongTypes => text.contains("\"min_deadline_ms\":\"soon\""),
        };
        assert!(as_told, "{garbage:?}");
    }
    running.handle().act(Action::RelaySend { text: "hello".to_owned() }).unwrap();
    assert_eq!(desk.next_message().await.unwrap().unwrap().to_text().unwrap(), "hello");
    running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    desk.event(&quotes).await;
}

#[tokio::test]
async fn a_quote_is_repeated_word_for_word_or_with_other_data_under_its_id() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    assert!(running.handle().act(Action::RepeatQuote { altered: false }).is_err(), "nothing to repeat yet");
    running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let first = desk.event(&quotes).await;
    running.handle().act(Action::RepeatQuote { altered: false }).unwrap();
    assert_eq!(desk.event(&quotes).await, first);
    running.handle().act(Action::RepeatQuote { altered: true }).unwrap();
    let other = desk.event(&quotes).await;
    assert_eq!(other["data"]["quote_id"], first["data"]["quote_id"]);
    assert_ne!(other["data"]["exact_amount_in"], first["data"]["exact_amount_in"]);
    assert_eq!(running.handle().summary().auctions.quotes, 1);
}

#[tokio::test]
async fn a_scripted_rejection_has_its_text_and_the_offer_is_not_in_the_auction() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    once(&running.handle(), Fault::RelayRejects { text: "solver is suspended".to_owned() });
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let (reply, _) = desk.respond(&id, output(), &offer(&running, 1)).await;
    assert_eq!(reply["error"]["message"], "solver is suspended");
    let handle = running.handle();
    until(async || (handle.summary().auctions.closed_without_offer == 1).then_some(())).await;
}

#[tokio::test]
async fn a_swallowed_reply_settles_all_the_same_when_the_response_was_processed() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    once(&running.handle(), Fault::RelaySwallowsReply { processed: true });
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let (signed, hash) = offer(&running, 1).sign();
    let response = json!([{ "quote_id": id, "quote_output": output(), "signed_data": signed }]);
    let sent = desk.request("quote_response", response).await;
    assert_eq!(desk.event(&statuses).await["data"]["quote_hash"], hash);
    assert!(!desk.has(|frame| frame["id"] == sent));
    let summary = running.handle().summary();
    assert_eq!((summary.auctions.replies_swallowed, summary.auctions.settled), (1, 1));
    let page = running.handle().journal(1, 1_000, None);
    let verdicts: Vec<_> = page.entries.iter().filter_map(|entry| entry.verdict.as_deref()).collect();
    assert!(verdicts.contains(&"accepted, reply swallowed"), "{verdicts:?}");
}

#[tokio::test]
async fn a_swallowed_reply_to_an_unprocessed_response_settles_nothing_and_is_still_counted() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    once(&running.handle(), Fault::RelaySwallowsReply { processed: false });
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let (signed, _) = offer(&running, 1).sign();
    let response = json!([{ "quote_id": id, "quote_output": output(), "signed_data": signed }]);
    let sent = desk.request("quote_response", response).await;
    let handle = running.handle();
    until(async || (handle.summary().auctions.closed_without_offer == 1).then_some(())).await;
    desk.subscribe("quote").await;
    assert!(!desk.has(|frame| frame["id"] == sent), "a later request is answered, this one never");
    let journal = handle.summary().journal;
    assert_eq!((journal.verdicts["not_processed"], journal.distinct_nonces), (1, 1));
}

/// Answers an open auction, and waits for so many replies; their words, and what the journal says of the response.
async fn answered_as_often(running: &Running, desk: &mut Client, replies: usize) -> (Vec<Value>, String) {
    let id = running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    let (signed, _) = offer(running, 1).sign();
    let response = json!([{ "quote_id": id, "quote_output": output(), "signed_data": signed }]);
    let sent = desk.request("quote_response", response).await;
    let mut told = Vec::new();
    while told.len() < replies {
        told.push(desk.find(|frame| frame["id"] == sent).await);
    }
    // The journal may judge a response a moment after the reply to it is out.
    let judged = async || {
        let page = running.handle().journal(1, 1_000, None);
        let mut of_it = page.entries.into_iter().filter(|entry| {
            entry.text.as_ref().is_some_and(|text| text.contains("quote_response") && text.contains(&id))
        });
        of_it.find_map(|entry| entry.verdict)
    };
    (told, until(judged).await)
}

#[tokio::test]
async fn a_contradicting_relay_takes_back_its_yes_and_its_no() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    once(&running.handle(), Fault::RelayContradicts { after_ms: 20 });
    let (told, verdict) = answered_as_often(&running, &mut desk, 2).await;
    assert_eq!((&told[0]["result"], told[1]["error"].is_null()), (&json!(OK), false), "{told:?}");
    assert_eq!(verdict, "accepted, reply contradicted");

    once(&running.handle(), Fault::RelayRejects { text: "solver is suspended".to_owned() });
    once(&running.handle(), Fault::RelayContradicts { after_ms: 0 });
    let (told, _) = answered_as_often(&running, &mut desk, 2).await;
    assert_eq!((told[0]["error"].is_null(), &told[1]["result"]), (false, &json!(OK)), "{told:?}");
    assert_eq!(running.handle().summary().auctions.replies_doubled, 2);
}

#[tokio::test]
async fn a_repeated_reply_has_the_same_words_and_a_late_one_comes_while_the_offer_is_in_the_auction() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    once(&running.handle(), Fault::RelayRepeatsReply { after_ms: 0 });
    let (told, verdict) = answered_as_often(&running, &mut desk, 2).await;
    assert_eq!(told[0], told[1]);
    assert_eq!(verdict, "accepted, reply repeated");

    once(&running.handle(), Fault::RelayRepliesLate { by_ms: 100 });
    let began = Instant::now();
    let (told, verdict) = answered_as_often(&running, &mut desk, 1).await;
    assert_eq!((told[0]["result"].as_str(), verdict.as_str()), (Some(OK), "accepted, reply late"));
    assert!(began.elapsed() >= std::time::Duration::from_millis(100));
    let auctions = running.handle().summary().auctions;
    assert_eq!((auctions.replies_late, auctions.replies_doubled), (1, 1));
}

#[tokio::test]
async fn a_swallowed_status_leaves_the_trade_to_be_found_on_chain() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    once(&running.handle(), Fault::RelaySwallowsStatus);
    let terms = offer(&running, 1);
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    desk.respond(&id, output(), &terms).await;
    until(async || (sats(&running).await == (SAT + TENTH_BTC).to_string()).then_some(())).await;
    let handle = running.handle();
    until(async || (handle.summary().auctions.statuses_swallowed == 1).then_some(())).await;
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let (_, second) = desk.respond(&id, output(), &offer(&running, 2)).await;
    assert_eq!(desk.event(&statuses).await["data"]["quote_hash"], second, "the first never came");
}

#[tokio::test]
async fn an_accepted_offer_that_is_never_settled_leaves_everything_as_it_was() {
    let running = start(options()).await;
    let handle = running.handle();
    let mut desk = Client::relay(&running).await;
    once(&handle, Fault::NeverSettles);
    let id = handle.quote(sell(Outcome::DeskWins)).unwrap();
    assert_eq!(desk.respond(&id, output(), &offer(&running, 1)).await.0["result"], OK);
    until(async || (handle.summary().auctions.never_settled == 1).then_some(())).await;
    let id = handle.quote(sell(Outcome::NobodyTakes)).unwrap();
    assert_eq!(desk.respond(&id, output(), &offer(&running, 2)).await.0["result"], OK);
    until(async || (handle.summary().auctions.not_taken == 1).then_some(())).await;
    assert_eq!(handle.summary().balances[DESK][NBTC], SAT.to_string());
}

#[tokio::test]
async fn a_settlement_that_fails_on_chain_is_told_on_the_extended_stream_only() {
    let running = start(options()).await;
    let handle = running.handle();
    let mut desk = Client::relay(&running).await;
    let plain = desk.subscribe("quote_status").await;
    let extended = desk.subscribe("quote_status_extended").await;
    let failing = [Outcome::SettlementFails, Outcome::DeskWins];
    for (round, outcome) in (1..).zip(failing) {
        if outcome == Outcome::DeskWins {
            once(&handle, Fault::SettlementFails);
        }
        let id = handle.quote(sell(outcome)).unwrap();
        let (_, hash) = desk.respond(&id, output(), &offer(&running, round)).await;
        assert_eq!(desk.event(&extended).await["data"]["event_type"], "quote_ready_to_settle");
        let failed = desk.event(&extended).await;
        assert_eq!(failed["data"]["event_type"], "quote_settle_failed");
        assert_eq!(failed["data"]["quote_hash"], hash);
    }
    assert!(!desk.has(|frame| frame["params"]["subscription"] == plain));
    assert_eq!(handle.summary().auctions.settle_failed, 2);
    assert_eq!(handle.summary().balances[DESK][EURE], WEI.to_string());
}

#[tokio::test]
async fn a_late_settlement_comes_late_and_one_after_the_deadline_fails() {
    let running = start(options()).await;
    let handle = running.handle();
    let mut desk = Client::relay(&running).await;
    let extended = desk.subscribe("quote_status_extended").await;
    once(&handle, Fault::SettlesLate { by_ms: 300 });
    let from = Instant::now();
    let id = handle.quote(sell(Outcome::DeskWins)).unwrap();
    desk.respond(&id, output(), &offer(&running, 1)).await;
    desk.event(&extended).await;
    assert!(from.elapsed().as_millis() >= 300);
    assert_eq!(desk.event(&extended).await["data"]["event_type"], "quote_settle_successful");

    let short = sell(Outcome::SettlesLate { by_ms: 400 }).with("min_deadline_ms", 100);
    let id = handle.quote(short).unwrap();
    let terms = Terms { deadline_ms: now_ms() + 200, ..offer(&running, 2) };
    assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK);
    desk.event(&extended).await;
    assert_eq!(desk.event(&extended).await["data"]["event_type"], "quote_settle_failed");
}

#[tokio::test]
async fn a_salt_invalidated_between_acceptance_and_settlement_fails_the_settlement() {
    let running = start(options()).await;
    let handle = running.handle();
    let mut desk = Client::relay(&running).await;
    let extended = desk.subscribe("quote_status_extended").await;
    let id = handle.quote(sell(Outcome::DeskWins).with("min_wait_ms", 200)).unwrap();
    assert_eq!(desk.respond(&id, output(), &offer(&running, 1)).await.0["result"], OK);
    handle.act(Action::RotateSalt { invalidate_old: true }).unwrap();
    desk.event(&extended).await;
    assert_eq!(desk.event(&extended).await["data"]["event_type"], "quote_settle_failed");
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_and_the_others_are_not() {
    let mut tight = options();
    tight.relay.waiting_frames_max = 4;
    let running = start(tight).await;
    let mut idle = Client::relay(&running).await;
    idle.subscribe("quote").await;
    let handle = running.handle();
    // More than the socket's buffers and the queue hold, without the reader ever looking.
    let big = sell(Outcome::NobodyTakes).with("note", "x".repeat(900_000));
    let flood = async || {
        handle.quote(big.clone()).unwrap();
        (handle.summary().auctions.slow_readers > 0).then_some(())
    };
    until(flood).await;
    until(async || (handle.summary().relay_connections == 0).then_some(())).await;
    let mut desk = Client::relay(&running).await;
    desk.subscribe("quote").await;
}

#[tokio::test]
async fn stopping_ends_every_connection() {
    let running = start(options()).await;
    let mut relay = Client::relay(&running).await;
    let mut kraken = Client::kraken(&running).await;
    relay.subscribe("quote").await;
    kraken.next().await;
    let addr = running.addr();
    running.shutdown().await;
    assert_eq!(over(&mut relay).await, None);
    assert_eq!(over(&mut kraken).await, None);
    let refused = dial(&format!("ws://{addr}/ws"), Some(TOKEN)).await;
    assert!(matches!(refused.map(|_| ()), Err(WsError::Io(_))));
}
