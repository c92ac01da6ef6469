//! The one command path: said twice is done once, and whoever comes second decides on what the first wrote.

use crate::desk::{Desk, HandClock, limits, someone, start};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::envelope::{Failure, Outcome};
use stele_commands::ledger::Ledger;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::{Account, Command};

fn lease(holder: &str, at: Timestamp) -> Command {
    Command::TakeLease { holder: holder.to_owned(), ttl_ms: 1_000, at }
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

#[tokio::test]
async fn a_repeated_command_gets_the_first_answer() {
    let desk = Desk::new();
    let mut wish = desk.wish(lease("desk-1", start()));
    wish.digest = Some("a".to_owned());
    let first = desk.account.handle(wish.clone()).await.unwrap();
    let again = desk.account.handle(wish).await.unwrap();
    assert_eq!(again, Outcome::Repeated { last: first.last().unwrap() });
    assert_eq!(desk.history().await.len(), 1);
}

#[tokio::test]
async fn the_same_id_with_another_body_is_refused() {
    let desk = Desk::new();
    let mut wish = desk.wish(lease("desk-1", start()));
    wish.digest = Some("a".to_owned());
    desk.account.handle(wish.clone()).await.unwrap();
    wish.digest = Some("b".to_owned());
    assert!(matches!(desk.account.handle(wish).await, Err(Failure::IdReused(_))));
}

#[tokio::test]
async fn a_repeat_is_recognised_by_a_process_that_comes_later() {
    let desk = Desk::new();
    let mut wish = desk.wish(lease("desk-1", start()));
    wish.digest = Some("a".to_owned());
    desk.account.handle(wish.clone()).await.unwrap();
    let later: Ledger<Account> = Ledger::new(desk.log.clone(), Desk::account_stream());
    assert!(matches!(later.handle(wish).await, Ok(Outcome::Repeated { .. })));
}

#[tokio::test]
async fn two_ledgers_on_one_stream_meet_at_the_log() {
    let desk = Desk::new();
    let other: Ledger<Account> = Ledger::new(desk.log.clone(), Desk::account_stream());
    desk.account.handle(desk.wish(lease("desk-1", start()))).await.unwrap();
    assert_eq!(other.look(stele_domain::trading::account::State::epoch).await.unwrap(), 1);
    // The first ledger has not seen this one; its own next command must not be decided on what it remembers.
    other.handle(desk.wish(lease("desk-1", start()))).await.unwrap();
    desk.account.handle(desk.wish(lease("desk-1", start()))).await.unwrap();
    assert_eq!(desk.account.look(stele_domain::trading::account::State::epoch).await.unwrap(), 3);
}

#[tokio::test]
async fn a_batch_is_decided_in_order_and_kept_in_one_append() {
    let desk = Desk::new();
    let wishes = vec![
        desk.wish(lease("desk-1", start())),
        desk.wish(lease("desk-2", start())),
        desk.wish(set_limits(start())),
        desk.wish(set_limits(start())),
    ];
    let answers = desk.account.handle_all(wishes).await.unwrap();
    assert!(matches!(answers[0], Ok(Outcome::Recorded { first: Position(1), .. })));
    assert!(matches!(answers[1], Err(Failure::Rejected(_))), "desk-1 holds the lease");
    assert!(matches!(answers[2], Ok(Outcome::Recorded { first: Position(2), .. })));
    assert_eq!(answers[3].as_ref().unwrap(), &Outcome::AlreadySo);
    assert_eq!(desk.history().await.len(), 2);
}

#[tokio::test]
async fn what_a_full_log_did_not_keep_is_not_remembered() {
    let clock: Arc<HandClock> = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    desk.account.handle(desk.wish(lease("desk-1", start()))).await.unwrap();
    log.fill(true);
    let wishes = vec![desk.wish(set_limits(start())), desk.wish(lease("desk-1", start()))];
    assert!(matches!(desk.account.handle_all(wishes).await, Err(Failure::Log(LogError::Full))));
    log.fill(false);
    let (epoch, limits) =
        desk.account.look(|state| (state.epoch(), state.newest_limits().is_some())).await.unwrap();
    assert_eq!((epoch, limits), (1, false));
    desk.account.handle(desk.wish(set_limits(desk.clock.now()))).await.unwrap();
    assert_eq!(desk.history().await.len(), 2);
}

#[tokio::test]
async fn a_batch_that_was_given_up_on_half_way_is_not_remembered() {
    let clock: Arc<HandClock> = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let desk = Desk::on(log.clone(), clock);
    desk.account.handle(desk.wish(lease("desk-1", start()))).await.unwrap();
    log.deafen(true);
    let wishes = vec![desk.wish(set_limits(start())), desk.wish(lease("desk-1", start()))];
    let abandoned =
        tokio::time::timeout(std::time::Duration::from_millis(20), desk.account.handle_all(wishes));
    assert!(abandoned.await.is_err());
    log.deafen(false);
    let (epoch, limits) =
        desk.account.look(|state| (state.epoch(), state.newest_limits().is_some())).await.unwrap();
    assert_eq!((epoch, limits), (1, false));
}
