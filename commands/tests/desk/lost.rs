//! Appends whose answer was lost on the way: they may be kept or not, and only the log knows.

use crate::desk::{Desk, HandClock, Running, limits, someone, start};
use crate::feed::{Feed, ingest};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::envelope::{Envelope, Failure, Outcome};
use stele_commands::stop::channel;
use stele_domain::codec;
use stele_domain::ids::CommandId;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::feeds::RelayNews;
use stele_domain::time::Timestamp;
use stele_domain::trading;
use stele_domain::trading::account::event::Event;
use stele_domain::trading::account::{Command, State};

fn moody() -> (Arc<Moody>, Desk) {
    let clock: Arc<HandClock> = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    (log.clone(), Desk::on(log, clock))
}

fn lease(ttl_ms: u64, at: Timestamp) -> Command {
    Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms, at }
}

fn set_limits(at: Timestamp) -> Command {
    Command::SetLimits {
        limits: Box::new(limits()),
        shown: None,
        effective_from: at,
        reason: "test".to_owned(),
        by: someone(),
        at,
    }
}

fn unanswered<T>(outcome: &Result<T, Failure<stele_domain::trading::account::Rejection>>) -> bool {
    matches!(outcome, Err(Failure::Log(LogError::Unreachable(_))))
}

/// The same command, decided at a later moment, as who tries again does it.
fn later(envelope: &Envelope<Command>, command: Command) -> Envelope<Command> {
    Envelope { command, ..envelope.clone() }
}

#[tokio::test]
async fn who_asks_again_gets_what_was_kept_and_not_what_would_be_decided_now() {
    let (log, desk) = moody();
    let first = desk.wish(lease(1_000, start()));
    log.mute(true);
    assert!(unanswered(&desk.account.handle(first.clone()).await));
    log.mute(false);
    let now = start().plus_millis(700);
    let outcome = desk.account.handle(later(&first, lease(1_000, now))).await.unwrap();
    let Outcome::Recorded { events, first, last, .. } = outcome else { panic!("{outcome:?}") };
    let [Event::LeaseTaken(taken)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((taken.epoch, taken.at), (1, start()), "what the log holds was decided first");
    assert_eq!((first, last), (Position(1), Position(1)));
    let until = desk.account.look(|state| state.lease().map(|lease| lease.until)).await.unwrap();
    assert_eq!(until, Some(start().plus_millis(1_000)), "the ledger believes what the log does not hold");
    assert_eq!(desk.history().await.len(), 1);
}

#[tokio::test]
async fn a_batch_is_answered_command_by_command_and_kept_once() {
    let (log, desk) = moody();
    desk.account.handle(desk.wish(lease(1_000, start()))).await.unwrap();
    let batch = vec![desk.wish(set_limits(start())), desk.wish(lease(2_000, start()))];
    log.mute(true);
    assert!(unanswered(&desk.account.handle_all(batch.clone()).await));
    log.mute(false);
    let answers = desk.account.handle_all(batch).await.unwrap();
    let types: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().events().iter().map(kind).collect::<Vec<_>>())
        .collect();
    assert_eq!(types, [vec!["limits"], vec!["lease"]]);
    assert_eq!(desk.history().await.len(), 3);
}

fn kind(event: &Event) -> &'static str {
    if matches!(event, Event::LimitsSet(_)) { "limits" } else { "lease" }
}

#[tokio::test]
async fn the_answer_is_given_once_and_a_redelivery_after_it_changes_nothing() {
    let (log, desk) = moody();
    let wish = desk.wish(set_limits(start()));
    log.mute(true);
    assert!(unanswered(&desk.account.handle(wish.clone()).await));
    log.mute(false);
    assert!(matches!(desk.account.handle(wish.clone()).await, Ok(Outcome::Recorded { .. })));
    assert!(matches!(desk.account.handle(wish).await, Ok(Outcome::AlreadySo)));
    assert_eq!(desk.history().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_also_when_a_read_after_it_fails() {
    // Whichever read it is that fails: that which finds the facts, or the one that makes sure of them.
    for which in 1.. {
        let (log, desk) = moody();
        desk.account.handle(desk.wish(lease(1_000, start()))).await.unwrap();
        let batch = vec![desk.wish(set_limits(start())), desk.wish(lease(2_000, start()))];
        log.mute(true);
        assert!(unanswered(&desk.account.handle_all(batch.clone()).await));
        log.mute(false);
        log.lose_read(which);
        let asked = desk.account.handle_all(batch.clone()).await;
        if log.will_lose_a_read() {
            assert!(which > 2, "the answer was given without asking the log once more");
            return;
        }
        assert!(unanswered(&asked), "read {which}");
        let answers = desk.account.handle_all(batch).await.unwrap();
        let recorded = answers.iter().filter(|answer| matches!(answer, Ok(Outcome::Recorded { .. }))).count();
        assert_eq!(recorded, 2, "what the log holds was given to nobody after read {which} failed");
        assert_eq!(desk.history().await.len(), 3);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_once_though_its_command_stands_in_a_batch_twice() {
    let (log, desk) = moody();
    let wish = desk.wish(set_limits(start()));
    log.mute(true);
    assert!(unanswered(&desk.account.handle(wish.clone()).await));
    log.mute(false);
    let answers = desk.account.handle_all(vec![wish.clone(), wish]).await.unwrap();
    assert!(matches!(answers[0], Ok(Outcome::Recorded { .. })), "{answers:?}");
    assert!(matches!(answers[1], Ok(Outcome::AlreadySo)), "who acts on facts would act twice");
}

#[tokio::test]
async fn what_was_not_kept_is_decided_anew() {
    let (log, desk) = moody();
    desk.account.handle(desk.wish(lease(1_000, start()))).await.unwrap();
    let wish = desk.wish(lease(1_000, start()));
    log.leave(true);
    assert!(unanswered(&desk.account.handle(wish.clone()).await));
    log.leave(false);
    let now = start().plus_millis(300);
    let outcome = desk.account.handle(later(&wish, lease(1_000, now))).await.unwrap();
    assert!(matches!(outcome.events(), [Event::LeaseTaken(taken)] if taken.at == now), "{outcome:?}");
    assert_eq!(desk.account.look(State::epoch).await.unwrap(), 2);
}

#[tokio::test]
async fn somebody_elses_command_in_between_does_not_hide_the_answer() {
    let (log, desk) = moody();
    let wish = desk.wish(lease(1_000, start()));
    log.mute(true);
    assert!(unanswered(&desk.account.handle(wish.clone()).await));
    log.mute(false);
    desk.account.handle(desk.wish(set_limits(start()))).await.unwrap();
    assert!(matches!(desk.account.handle(wish).await, Ok(Outcome::Recorded { last: Position(1), .. })));
    assert_eq!(desk.history().await.len(), 2);
}

#[tokio::test]
async fn an_offer_whose_fixing_got_no_answer_is_sent_and_only_once() {
    let (log, desk) = moody();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(100, desk.clock.now(), vec![]).await;
    log.mute(true);
    let order = desk.order("q-1");
    desk.command(order.clone()).await;
    desk.until_type("trading.SubmissionStarted").await;
    log.mute(false);
    desk.until_type("trading.SubmissionAccepted").await;
    assert_eq!(desk.venue.sent(), 1);
    desk.command(order).await;
    desk.command(desk.order("q-2")).await;
    let second = desk.order("q-2").command_id;
    desk.until(|event| accepted(event) == Some(second)).await;
    running.stop().await;
    assert_eq!(desk.venue.sent(), 2, "q-1 once and q-2 once");
    let started =
        desk.account_types().await.iter().filter(|name| **name == "trading.SubmissionStarted").count();
    assert_eq!(started, 2);
}

fn accepted(event: &stele_domain::event::Event) -> Option<CommandId> {
    let stele_domain::event::Event::Trading(trading::event::Event::Account(event)) = event else {
        return None;
    };
    if let Event::SubmissionAccepted(accepted) = event { Some(accepted.command_id) } else { None }
}

#[tokio::test]
async fn an_executor_waits_for_a_log_that_is_away_at_its_start() {
    let (log, desk) = moody();
    log.leave(true);
    let running = Running::of(desk.executor("desk-1", false));
    // It has asked in vain by the time it is let in.
    tokio::task::yield_now().await;
    log.leave(false);
    desk.until_type("trading.LeaseTaken").await;
    running.stop().await;
}

#[tokio::test]
async fn news_of_the_relays_connection_waits_for_a_log_that_is_away() {
    let (log, desk) = moody();
    desk.board.start(Service::Ingest, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    let (tell, feed) = Feed::new();
    let ingest = ingest(&desk, feed);
    let (stopper, stop) = channel();
    let task = tokio::spawn(ingest.run(stop));
    log.leave(true);
    let at = start();
    tell.try_send(RelayNews::Connected { at }).unwrap();
    tell.try_send(RelayNews::Disconnected { at, reason: "a blip".to_owned() }).unwrap();
    tell.try_send(RelayNews::Connected { at }).unwrap();
    while !tell.is_closed() && !task.is_finished() && log.asked_in_vain() < 3 {
        tokio::task::yield_now().await;
    }
    log.leave(false);
    // Whatever comes next brings the news along that has waited.
    tell.try_send(RelayNews::Disconnected { at, reason: "the end".to_owned() }).unwrap();
    desk.until(|event| {
        let words = codec::encode(event).unwrap();
        String::from_utf8(words).unwrap().contains("the end")
    })
    .await;
    stopper.stop();
    task.await.unwrap().unwrap();
    let history = desk.history().await;
    let relay = history.iter().map(|recorded| codec::type_of(&recorded.event));
    let relay: Vec<_> = relay.filter(|name| name.starts_with("intents.Relay")).collect();
    assert_eq!(
        relay,
        [
            // What a start says of the process before it.
            "intents.RelayDisconnected",
            "intents.RelayConnected",
            "intents.RelayDisconnected",
            "intents.RelayConnected",
            "intents.RelayDisconnected"
        ]
    );
}
