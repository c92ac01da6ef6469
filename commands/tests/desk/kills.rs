//! Kills that come from another process: they count as done when the executor has given its word.

use crate::desk::{Desk, Running};
use crate::door::{Door, root, wish};
use std::time::Duration;
use stele_domain::port::clock::Clock as _;
use stele_domain::trading::account::event::DisarmCause;
use stele_domain::trading::account::{Command, State};

/// A door whose desk has an armed executor behind it, and a door of another process beside it.
async fn two_processes() -> (Door, Running, Door) {
    let here = Door::behind(Desk::new());
    let running = here.desk.execute().await;
    here.desk.arm().await;
    let there = here.beside();
    (here, running, there)
}

#[tokio::test]
async fn a_kill_from_another_process_is_proved_by_the_executors_word() {
    let (here, running, there) = two_processes().await;
    let proof = there.control.kill(wish(root(), "smoke")).await.unwrap();
    assert!(proof.fenced, "{proof:?}");
    let types = here.desk.account_types().await;
    let killed = types.iter().position(|name| *name == "trading.Killed").unwrap();
    assert!(types[killed..].contains(&"trading.KillConfirmed"), "{types:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_frame_that_is_being_written_keeps_the_word_back() {
    let (here, running, there) = two_processes().await;
    let frame = here.desk.fence.permit().await;
    let proof = there.control.kill(wish(root(), "smoke")).await.unwrap();
    assert!(!proof.fenced, "a frame is on its way out: {proof:?}");
    drop(frame);
    here.desk.until_type("trading.KillConfirmed").await;
    let again = there.control.kill(wish(root(), "smoke again")).await.unwrap();
    assert!(again.fenced, "{again:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_kill_while_no_lease_holds_needs_nobodys_word() {
    let (here, running, there) = two_processes().await;
    running.crash().await;
    let silent = there.control.kill(wish(root(), "smoke")).await.unwrap();
    assert!(!silent.fenced, "the lease holds and nobody answers for it: {silent:?}");
    here.desk.clock.advance_ms(600_001);
    let lapsed = there.control.kill(wish(root(), "smoke again")).await.unwrap();
    assert!(lapsed.fenced, "{lapsed:?}");
}

#[tokio::test]
async fn an_executor_that_comes_up_in_a_killed_account_gives_its_word_too() {
    let (here, running, there) = two_processes().await;
    running.crash().await;
    there.control.kill(wish(root(), "smoke")).await.unwrap();
    let running = here.desk.execute().await;
    here.desk.until_type("trading.KillConfirmed").await;
    let proof = there.control.kill(wish(root(), "smoke again")).await.unwrap();
    assert!(proof.fenced, "{proof:?}");
    running.stop().await;
}

#[tokio::test]
async fn every_kill_gets_a_word_of_its_own() {
    let (here, running, there) = two_processes().await;
    assert!(there.control.kill(wish(root(), "smoke")).await.unwrap().fenced);
    let (reason, at) = ("looked at it".to_owned(), here.desk.clock.now());
    let stand_down = Command::Disarm { cause: DisarmCause::Operator, reason, at };
    here.desk.account.handle(here.desk.wish(stand_down)).await.unwrap();
    assert!(!here.desk.account.look(State::kill_confirmed).await.unwrap());
    assert!(there.control.kill(wish(root(), "smoke once more")).await.unwrap().fenced);
    let words =
        here.desk.account_types().await.iter().filter(|name| **name == "trading.KillConfirmed").count();
    assert_eq!(words, 2);
    running.stop().await;
}

#[tokio::test]
async fn a_kill_in_the_executors_own_process_needs_only_its_fence() {
    let (here, running, _) = two_processes().await;
    let began = std::time::Instant::now();
    assert!(here.control.kill(wish(root(), "smoke")).await.unwrap().fenced);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    running.stop().await;
}
