//! Strict tables: the strategy pauses while they are away, and only that pause is undone.

use crate::desk::Desk;
use std::time::Duration;
use stele_commands::service::ServiceError;
use stele_commands::stop::{Stopper, channel};
use stele_commands::strict::{ACTOR, ACTOR_BESIDE, StrictTables, Tables};
use stele_domain::codec;
use stele_domain::operations::service::Command;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::trading::strategy::command::Running as Takes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The part, and the tables that it is told of.
struct Strict {
    tables: watch::Sender<Tables>,
    stopper: Stopper,
    task: JoinHandle<Result<(), ServiceError>>,
}

impl Strict {
    fn over(desk: &Desk) -> Self {
        Self::named(desk, ACTOR)
    }

    fn named(desk: &Desk, actor: &'static str) -> Self {
        let (tables, told) = watch::channel(Tables::Kept);
        let (stopper, stop) = channel();
        let part = StrictTables {
            log: desk.log.clone(),
            switch: desk.board.switch(Service::Strategy).unwrap().clone(),
            tables: told,
            clock: desk.clock.clone(),
            actor,
        };
        Self { tables, stopper, task: tokio::spawn(part.run(stop)) }
    }

    fn away(&self) {
        self.tables.send_replace(Tables::Away { why: "PostgreSQL does not answer".to_owned() });
    }

    fn back(&self) {
        self.tables.send_replace(Tables::Kept);
    }

    async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }
}

async fn desk() -> Desk {
    let desk = Desk::new();
    desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    desk
}

async fn by_a_person(desk: &Desk, command: Command) {
    let switch = desk.board.switch(Service::Strategy).unwrap();
    switch.handle(desk.wish(command)).await.unwrap();
}

fn pause(desk: &Desk) -> Command {
    let (service, reason, at) = (Service::Strategy, "I want to look".to_owned(), desk.clock.now());
    Command::Pause { service, reason, at }
}

async fn until(desk: &Desk, event_type: &str, count: usize) {
    let there = async || {
        let history = desk.history().await;
        history.iter().filter(|r| codec::type_of(&r.event) == event_type).count() >= count
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !there().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("as many of them");
}

#[tokio::test]
async fn the_strategy_is_paused_with_the_reason_while_the_tables_are_away_and_goes_on_after() {
    let desk = desk().await;
    let strict = Strict::over(&desk);
    strict.away();
    let paused = desk.until_type("operations.ServicePaused").await;
    assert_eq!(paused.meta.actor.as_str(), ACTOR);
    let words = String::from_utf8(codec::encode(&paused.event).unwrap()).unwrap();
    assert!(words.contains("PostgreSQL does not answer"), "{words}");
    assert_eq!(desk.board.running(Service::Strategy).await, Takes::Paused);
    strict.back();
    desk.until_type("operations.ServiceResumed").await;
    assert_eq!(desk.board.running(Service::Strategy).await, Takes::Running);
    strict.stop().await;
}

#[tokio::test]
async fn a_persons_pause_before_or_meanwhile_is_not_undone() {
    for before in [true, false] {
        let desk = desk().await;
        let strict = Strict::over(&desk);
        if before {
            by_a_person(&desk, pause(&desk)).await;
            strict.away();
        } else {
            strict.away();
            until(&desk, "operations.ServicePaused", 1).await;
            by_a_person(&desk, pause(&desk)).await;
        }
        strict.back();
        // Away and back once more: had it wanted to resume, it would have by then.
        strict.away();
        strict.back();
        strict.stop().await;
        assert_eq!(desk.board.running(Service::Strategy).await, Takes::Paused, "before: {before}");
        let types: Vec<_> = desk.history().await.iter().map(|r| codec::type_of(&r.event)).collect();
        assert!(!types.contains(&"operations.ServiceResumed"), "{types:?}");
    }
}

#[tokio::test]
async fn a_strategy_that_is_started_anew_meanwhile_stays_paused_until_the_tables_are_kept_again() {
    let desk = desk().await;
    let strict = Strict::over(&desk);
    strict.away();
    until(&desk, "operations.ServicePaused", 1).await;
    for _ in 0..100 {
        desk.clock.advance_ms(1);
        desk.board.start(Service::Strategy, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    }
    assert_eq!(desk.board.running(Service::Strategy).await, Takes::Paused);
    strict.back();
    desk.until_type("operations.ServiceResumed").await;
    assert_eq!(desk.board.running(Service::Strategy).await, Takes::Running);
    strict.stop().await;
}

#[tokio::test]
async fn a_pause_that_a_former_process_left_behind_is_undone_when_the_tables_are_kept() {
    let desk = desk().await;
    let strict = Strict::over(&desk);
    strict.away();
    until(&desk, "operations.ServicePaused", 1).await;
    strict.stop().await;
    assert_eq!(desk.board.running(Service::Strategy).await, Takes::Paused);
    let next = Strict::over(&desk);
    desk.until_type("operations.ServiceResumed").await;
    next.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_made_anew_in_time_pauses_nobody() {
    let desk = desk().await;
    let strict = Strict::over(&desk);
    for _ in 0..50 {
        strict.away();
        tokio::task::yield_now().await;
        strict.back();
        tokio::task::yield_now().await;
    }
    strict.stop().await;
    let types: Vec<_> = desk.history().await.iter().map(|r| codec::type_of(&r.event)).collect();
    assert_eq!(types, ["operations.ServiceStarted"]);
}

#[tokio::test]
async fn two_processes_that_see_different_things_don_t_undo_each_other_s_pauses() {
    let desk = desk().await;
    let decides = Strict::named(&desk, ACTOR_BESIDE);
    decides.away();
    until(&desk, "operations.ServicePaused", 1).await;
    // Whoever keeps the tables has them, and looks at once whether there is a pause to undo.
    let keeps = Strict::over(&desk);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let switch = desk.board.switch(Service::Strategy).unwrap();
    assert!(!switch.look(stele_domain::operations::service::State::takes_work).await.unwrap());
    keeps.stop().await;
    decides.back();
    until(&desk, "operations.ServiceResumed", 1).await;
    decides.stop().await;
    let actors: Vec<_> = desk.history().await.iter().map(|record| record.meta.actor.to_string()).collect();
    assert_eq!(actors[1..], [ACTOR_BESIDE, ACTOR_BESIDE]);
}
