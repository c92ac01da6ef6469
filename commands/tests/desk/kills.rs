//! Kills that come from another process: they count as done when the executor has given its word.

use crate::desk::{Desk, HandClock, Running, limits, start};
use crate::door::{Door, caller, root, wish};
use crate::moody::Moody;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::control::{Done, Refused, Wish};
use stele_domain::access::{Action, Role};
use stele_domain::ids::CommandId;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::venue::SEND_MS_MAX;
use stele_domain::trading::account::{Command, State};
use stele_domain::trading::limits::{CLOCK_SKEW_MS_MAX, Limits};
use uuid::Uuid;

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
    let just_over = there.control.kill(wish(root(), "smoke again")).await.unwrap();
    assert!(!just_over.fenced, "its clock may be behind, and a frame on its way: {just_over:?}");
    here.desk.clock.advance_ms(i64::try_from(CLOCK_SKEW_MS_MAX + SEND_MS_MAX).unwrap());
    let lapsed = there.control.kill(wish(root(), "smoke again")).await.unwrap();
    assert!(lapsed.fenced, "{lapsed:?}");
}

/// An armed desk on a log that has its moods.
async fn moody() -> (Arc<Moody>, Door, Running) {
    let clock = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    let running = door.desk.execute().await;
    door.desk.arm().await;
    (log, door, running)
}

/// Whether a frame could leave now.
async fn a_frame_may_leave(door: &Door) -> bool {
    tokio::time::timeout(Duration::from_millis(100), door.desk.fence.permit()).await.is_ok()
}

#[tokio::test]
async fn a_kill_that_the_log_does_not_take_keeps_the_fence_shut_and_stands_as_soon_as_there_is_room() {
    let (log, door, running) = moody().await;
    log.fill(true);
    let refused = door.control.kill(wish(root(), "smoke")).await.unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, Refused::Unavailable(_)), "{said}");
    assert!(said.contains("not on the log yet") && said.contains("no frame leaves this process"), "{said}");
    assert!(!a_frame_may_leave(&door).await, "the kill was asked for");
    let again = door.control.kill(wish(root(), "smoke, I said")).await.unwrap_err();
    assert!(again.to_string().contains("no frame leaves this process"), "{again}");
    log.fill(false);
    door.desk.until_type("trading.Killed").await;
    drop(door.desk.fence.permit().await);
    assert!(door.desk.account.look(|state| state.arming().is_killed()).await.unwrap());
    let killed = door.of_type("trading.Killed").await;
    assert_eq!(killed.len(), 1);
    assert_eq!(killed[0].meta.actor, root().actor);
    running.stop().await;
}

#[tokio::test]
async fn a_kill_whose_asker_hangs_up_is_kept_all_the_same() {
    let (log, door, running) = moody().await;
    log.fill(true);
    tokio::select! {
        biased;
        answer = door.control.kill(wish(root(), "smoke")) => panic!("it took no time: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    while a_frame_may_leave(&door).await {}
    log.fill(false);
    door.desk.until_type("trading.Killed").await;
    drop(door.desk.fence.permit().await);
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_never_answers_does_not_keep_the_answer_to_a_kill_back() {
    let (log, door, running) = moody().await;
    log.deafen(true);
    let asked = tokio::time::timeout(Duration::from_secs(10), door.control.kill(wish(root(), "smoke")));
    let refused = asked.await.expect("an answer").unwrap_err();
    assert!(refused.to_string().contains("does not answer"), "{refused}");
    assert!(!a_frame_may_leave(&door).await);
    log.deafen(false);
    door.desk.until_type("trading.Killed").await;
    running.stop().await;
}

#[tokio::test]
async fn a_kill_with_an_id_that_was_used_before_stops_all_the_same() {
    let (here, running, _) = two_processes().await;
    let used = wish(root(), "open offers");
    here.control
        .set_limits(used.clone(), Limits { open_offers_max: 9, ..limits() }, None, None)
        .await
        .unwrap();
    let kill = Wish { digest: "another".to_owned(), reason: "smoke".to_owned(), ..used };
    let proof = here.control.kill(kill).await.unwrap();
    assert!(matches!(proof.done, Done::Recorded(_)), "{proof:?}");
    assert!(here.desk.account.look(|state| state.arming().is_killed()).await.unwrap());
    let refused = here.of_type("operations.CommandRefused").await;
    assert!(format!("{:?}", refused.last().unwrap().event).contains("id_reused"), "{refused:?}");
    running.stop().await;
}

/// The rule that said no.
fn code(refused: &Result<Done, Refused>) -> &str {
    if let Err(Refused::Rule { code, .. }) = refused { code } else { "no rule" }
}

#[tokio::test]
async fn a_trader_disarms_and_does_not_undo_a_kill() {
    let (here, running, _) = two_processes().await;
    here.control.kill(wish(root(), "smoke")).await.unwrap();
    let tom = || wish(caller(Role::Trader, "tom"), "looks fine to me");
    let refused = here.control.disarm(tom()).await;
    assert!(matches!(refused, Err(Refused::Forbidden { action: Action::Kill, .. })), "{refused:?}");
    assert!(here.desk.account.look(|state| state.arming().is_killed()).await.unwrap());
    let olga = wish(caller(Role::Operator, "olga"), "looked at it");
    assert!(matches!(here.control.disarm(olga).await, Ok(Done::Recorded(_))));
    here.desk.arm().await;
    assert!(matches!(here.control.disarm(tom()).await, Ok(Done::Recorded(_))));
    running.stop().await;
}

#[tokio::test]
async fn where_two_are_asked_for_it_takes_two_operators_to_stand_down() {
    let door = Door::two_people().await;
    door.control.kill(wish(root(), "smoke")).await.unwrap();
    let olga = || wish(caller(Role::Operator, "olga"), "looked at it");
    let first = door.control.disarm(olga()).await;
    let Ok(Done::ApprovalNeeded(waits)) = first else { panic!("one word is not enough: {first:?}") };
    assert_eq!(door.control.disarm(olga()).await, Ok(Done::ApprovalNeeded(waits.clone())));
    let own = door.control.approve(olga(), waits.request_id, waits.limits_hash.clone()).await;
    assert_eq!(code(&own), "same_person");
    assert!(door.desk.account.look(|state| state.arming().is_killed()).await.unwrap());
    let otto = wish(caller(Role::Operator, "otto"), "so did I");
    assert!(matches!(door.control.disarm(otto).await, Ok(Done::Recorded(_))));
    assert!(!door.desk.account.look(|state| state.arming().is_killed()).await.unwrap());
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
    let (request_id, by, makers) = (CommandId(Uuid::now_v7()), root().actor, BTreeSet::new());
    let stand_down = Command::StandDown { request_id, reason, by, makers, at };
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
