//! Further replies, from the socket to the account: kept once, told after the answer before them, and never the end of
//! an offer.

use crate::desk::{Desk, HandClock, start};
use crate::feed::{Feed, ingest, replies};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::stop::channel;
use stele_commands::streams;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{CommandId, CorrelationId, QuoteHash};
use stele_domain::intents;
use stele_domain::intents::relay::event::ReplyReported;
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::feeds::{RelayNews, RelayWord, ReplyNotice, ReplyWord};
use stele_domain::port::venue::Submission;
use stele_domain::trading;
use stele_domain::trading::account::event::{Event as AccountEvent, ReplyContradicted};
use stele_domain::treasury::inventory::event::NonceSeen;
use tokio::sync::mpsc;

/// What the relay says of the offer on this quote.
fn said(desk: &Desk, quote: &str, word: ReplyWord) -> ReplyNotice {
    let order = desk.order(quote);
    let reply = match word {
        ReplyWord::Accepted => "\"OK\"",
        ReplyWord::Rejected => "\"insufficient balance\"",
    };
    ReplyNotice {
        quote_id: order.quote_id,
        quote_hash: QuoteHash::try_from(format!("hash-{}", order.command_id)).unwrap(),
        word,
        late: false,
        reply: reply.to_owned(),
    }
}

fn frame(notice: ReplyNotice, raw: &str) -> RelayNews {
    let bytes = u64::try_from(raw.len()).unwrap();
    RelayNews::Frame { raw: raw.to_owned(), bytes, received_at: start(), word: RelayWord::Reply(notice) }
}

/// Puts what the relay says on the log, as the ingest service does.
async fn report(desk: &Desk, quote: &str, word: ReplyWord) {
    let ReplyNotice { quote_id, quote_hash, word, late, reply } = said(desk, quote, word);
    let received_at = desk.clock.now();
    let fact = ReplyReported { quote_id, quote_hash, word, late, reply, received_at };
    let event = intents::event::Event::Relay(intents::relay::Event::ReplyReported(fact));
    desk.append(streams::relay().unwrap(), Event::Intents(event)).await;
}

fn contradicted(event: &Event) -> Option<&ReplyContradicted> {
    let Event::Trading(trading::event::Event::Account(AccountEvent::ReplyContradicted(fact))) = event else {
        return None;
    };
    Some(fact)
}

/// What the account holds of contradictions, in order.
async fn contradictions(desk: &Desk) -> Vec<(CommandId, ReplyWord, String)> {
    let history = desk.history().await;
    let facts = history.iter().filter_map(|recorded| contradicted(&recorded.event));
    facts.map(|fact| (fact.command_id, fact.before, fact.reply.clone())).collect()
}

async fn until_contradicted(desk: &Desk, quote: &str) -> Recorded {
    let command_id = desk.order(quote).command_id;
    desk.until(|event| contradicted(event).is_some_and(|fact| fact.command_id == command_id)).await
}

/// A desk that trades.
async fn trading() -> (Desk, crate::desk::Running) {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    (desk, running)
}

#[tokio::test]
async fn a_contradicting_reply_leaves_the_coin_reserved_until_a_block_shows_what_became_of_the_offer() {
    let (desk, running) = trading().await;
    let order = desk.order("q-1");
    desk.command(order.clone()).await;
    desk.until_type("trading.SubmissionAccepted").await;
    report(&desk, "q-1", ReplyWord::Rejected).await;
    let recorded = until_contradicted(&desk, "q-1").await;
    let fact = contradicted(&recorded.event).unwrap();
    assert_eq!((fact.before, fact.reply.as_str()), (ReplyWord::Accepted, "\"insufficient balance\""));
    assert!(recorded.meta.causation_id.is_some(), "it follows from what the relay said");
    let (reserved, uncertain) =
        desk.account.look(|state| (state.reserved(&order.give.token), state.uncertain())).await.unwrap();
    assert_eq!((reserved, uncertain), (order.give.amount, 1));

    let used = vec![NonceSeen { command_id: order.command_id, used: true }];
    desk.balances(101, desk.clock.now(), used).await;
    desk.until_type("trading.ReservationReleased").await;
    let types = desk.account_types().await;
    let ended = &types[types.len() - 3..];
    assert_eq!(
        ended,
        ["trading.ReplyContradicted", "trading.SubmissionSettled", "trading.ReservationReleased"]
    );
    assert_eq!(desk.venue.sent(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_reply_that_agrees_or_is_of_no_offer_changes_nothing() {
    let (desk, running) = trading().await;
    for quote in ["q-1", "q-2"] {
        desk.command(desk.order(quote)).await;
    }
    let second = desk.order("q-2").command_id;
    desk.until(|event| accepted(event) == Some(second)).await;
    report(&desk, "q-1", ReplyWord::Accepted).await;
    report(&desk, "never offered", ReplyWord::Rejected).await;
    report(&desk, "q-2", ReplyWord::Rejected).await;
    until_contradicted(&desk, "q-2").await;
    assert_eq!(contradictions(&desk).await.len(), 1);
    let accepted = desk.account_types().await;
    assert_eq!(accepted.iter().filter(|name| **name == "trading.SubmissionAccepted").count(), 2);
    running.stop().await;
}

fn accepted(event: &Event) -> Option<CommandId> {
    let Event::Trading(trading::event::Event::Account(AccountEvent::SubmissionAccepted(fact))) = event else {
        return None;
    };
    Some(fact.command_id)
}

#[tokio::test]
async fn a_reply_that_comes_after_the_desk_gave_up_is_the_answer_and_the_next_one_may_contradict_it() {
    let (desk, running) = trading().await;
    desk.venue.answers(Submission::Unknown { reason: "no reply within 5000 ms".to_owned() });
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionUncertain").await;
    report(&desk, "q-1", ReplyWord::Rejected).await;
    desk.until_type("trading.SubmissionRejected").await;
    report(&desk, "q-1", ReplyWord::Accepted).await;
    until_contradicted(&desk, "q-1").await;
    let told = contradictions(&desk).await;
    assert_eq!(told, [(desk.order("q-1").command_id, ReplyWord::Rejected, "\"OK\"".to_owned())]);
    running.stop().await;
}

#[tokio::test]
async fn a_reply_that_overtakes_the_record_of_the_answer_before_it_waits_for_it() {
    let (desk, running) = trading().await;
    // The closed fence holds the first offer where its answer is not on the log yet; the second goes on.
    let closed = desk.fence.close().await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionStarted").await;
    report(&desk, "q-1", ReplyWord::Rejected).await;
    report(&desk, "q-1", ReplyWord::Accepted).await;
    // The executor reads in order: when it has taken up this one, it has seen them.
    desk.command(desk.order("q-2")).await;
    let second = desk.order("q-2").command_id;
    desk.until(|event| started(event) == Some(second)).await;
    assert!(!desk.account_types().await.contains(&"trading.SubmissionRejected"));
    drop(closed);
    until_contradicted(&desk, "q-1").await;
    let told = contradictions(&desk).await;
    let first = desk.order("q-1").command_id;
    assert_eq!(told, [(first, ReplyWord::Accepted, "\"insufficient balance\"".to_owned())]);
    running.stop().await;
}

fn started(event: &Event) -> Option<CommandId> {
    let Event::Trading(trading::event::Event::Account(AccountEvent::SubmissionStarted(fact))) = event else {
        return None;
    };
    Some(fact.command_id)
}

#[tokio::test]
async fn a_restart_neither_loses_nor_repeats_a_further_reply() {
    let (desk, running) = trading().await;
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionAccepted").await;
    running.crash().await;
    // Said while nobody listened.
    report(&desk, "q-1", ReplyWord::Rejected).await;
    let running = desk.execute().await;
    until_contradicted(&desk, "q-1").await;
    running.crash().await;
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(101, desk.clock.now(), vec![]).await;
    desk.command(desk.order("q-2")).await;
    let second = desk.order("q-2").command_id;
    desk.until(|event| accepted(event) == Some(second)).await;
    assert_eq!(contradictions(&desk).await.len(), 1);
    assert_eq!(desk.venue.sent(), 2, "each offer once");
    running.stop().await;
}

#[tokio::test]
async fn a_further_reply_that_still_waited_when_the_process_died_is_found_by_looking_back() {
    let (desk, running) = trading().await;
    let _closed = desk.fence.close().await.unwrap();
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionStarted").await;
    report(&desk, "q-1", ReplyWord::Rejected).await;
    // The place where orders go on is behind the reply now.
    desk.command(desk.order("q-2")).await;
    let second = desk.order("q-2").command_id;
    desk.until(|event| started(event) == Some(second)).await;
    running.crash().await;
    let running = desk.execute().await;
    desk.until_type("trading.SubmissionRejected").await;
    running.stop().await;
    let types = desk.account_types().await;
    let of_replies = ["trading.SubmissionUncertain", "trading.SubmissionRejected"];
    let told: Vec<_> = types.into_iter().filter(|name| of_replies.contains(name)).collect();
    assert_eq!(
        told,
        ["trading.SubmissionUncertain", "trading.SubmissionUncertain", "trading.SubmissionRejected"],
        "both offers are unknown after the crash, and of one the relay had spoken"
    );
}

fn reply(event: &Event) -> Option<&ReplyReported> {
    let Event::Intents(intents::event::Event::Relay(intents::relay::Event::ReplyReported(fact))) = event
    else {
        return None;
    };
    Some(fact)
}

/// The facts that further replies became.
async fn reported(desk: &Desk) -> Vec<(Recorded, ReplyReported)> {
    let history = desk.history().await.into_iter();
    let facts = history.filter_map(|recorded| {
        let fact = reply(&recorded.event)?.clone();
        Some((recorded, fact))
    });
    facts.collect()
}

/// Says of `quotes` that they were refused, and waits for that of the last.
async fn told(desk: &Desk, tell: &mpsc::Sender<RelayNews>, quotes: &[&str]) {
    for quote in quotes {
        tell.send(frame(said(desk, quote, ReplyWord::Rejected), quote)).await.unwrap();
    }
    let last = said(desk, quotes[quotes.len() - 1], ReplyWord::Rejected).quote_hash;
    desk.until(|event| reply(event).is_some_and(|fact| fact.quote_hash == last)).await;
}

#[tokio::test]
async fn a_frame_that_is_read_twice_is_one_fact_of_its_quotes_story_also_while_the_ingest_is_paused() {
    let desk = Desk::new();
    desk.board.start(Service::Ingest, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    let at = desk.clock.now();
    let pause = ServiceCommand::Pause { service: Service::Ingest, reason: "test".to_owned(), at };
    desk.board.switch(Service::Ingest).unwrap().handle(desk.wish(pause)).await.unwrap();
    let (tell, feed) = Feed::new();
    let (stopper, stop) = channel();
    let task = tokio::spawn(ingest(&desk, feed).run(stop));
    told(&desk, &tell, &["q-1", "q-1", "q-2"]).await;
    stopper.stop();
    task.await.unwrap().unwrap();
    let facts = reported(&desk).await;
    let quotes: Vec<_> = facts.iter().map(|(_, fact)| fact.quote_id.as_str()).collect();
    assert_eq!(quotes, ["q-1", "q-2"]);
    for (recorded, fact) in facts {
        assert_eq!(recorded.meta.correlation_id, CorrelationId::of_quote(&fact.quote_id));
        assert_eq!((fact.received_at, fact.reply.as_str()), (start(), "\"insufficient balance\""));
    }
}

#[tokio::test]
async fn a_further_reply_waits_for_a_log_that_is_away() {
    let clock = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    let (tell, feed) = Feed::new();
    let (stopper, stop) = channel();
    let task = tokio::spawn(replies(&desk, feed).run(stop));
    log.leave(true);
    tell.send(frame(said(&desk, "q-1", ReplyWord::Rejected), "q-1")).await.unwrap();
    while log.asked_in_vain() < 2 {
        tokio::task::yield_now().await;
    }
    log.leave(false);
    // Nothing more is said: it comes by itself.
    desk.until_type("intents.ReplyReported").await;
    stopper.stop();
    task.await.unwrap().unwrap();
    assert_eq!(reported(&desk).await.len(), 1);
}

#[tokio::test]
async fn an_executors_own_connection_keeps_further_replies_and_nothing_else() {
    let desk = Desk::new();
    let (tell, feed) = Feed::new();
    let (stopper, stop) = channel();
    let task = tokio::spawn(replies(&desk, feed).run(stop));
    let at = start();
    tell.send(RelayNews::Connected { at }).await.unwrap();
    let garbage = RelayWord::Unreadable("garbage".to_owned());
    tell.send(RelayNews::Frame { raw: "{".to_owned(), bytes: 1, received_at: at, word: garbage })
        .await
        .unwrap();
    told(&desk, &tell, &["q-1"]).await;
    stopper.stop();
    task.await.unwrap().unwrap();
    assert_eq!(desk.history().await.len(), 1);
    let (recorded, _) = reported(&desk).await.pop().unwrap();
    assert_eq!(recorded.meta.actor.as_str(), "service:executor");
}
