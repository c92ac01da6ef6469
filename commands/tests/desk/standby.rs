//! Two executors of one account: one has the lease, the other one waits for its end.

use crate::desk::{Desk, Running};
use stele_commands::executor::Standing;
use stele_commands::service::ServiceError;
use stele_domain::codec;
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::venue::Submission;
use stele_domain::trading::account::state::Arming;
use stele_domain::trading::account::{Command, State};
use stele_domain::trading::strategy::command::Running as Takes;
use tokio::sync::watch;

/// Another process on the same log.
fn beside(desk: &Desk) -> Desk {
    Desk::on(desk.log.clone(), desk.clock.clone())
}

/// A standby that runs, and what it says of itself.
fn stand_by(desk: &Desk) -> (Running, watch::Receiver<Standing>) {
    let executor = desk.executor("desk-2", true);
    let said = executor.standing.subscribe();
    (Running::of(executor), said)
}

async fn says(said: &mut watch::Receiver<Standing>, wanted: impl FnMut(&Standing) -> bool) {
    let heard = tokio::time::timeout(std::time::Duration::from_secs(10), said.wait_for(wanted));
    drop(heard.await.expect("it never said so").expect("it has ended"));
}

fn epoch_two(standing: &Standing) -> bool {
    *standing == Standing::Leading { epoch: 2 }
}

#[tokio::test]
async fn a_standby_waits_while_the_lease_holds_and_takes_it_disarmed_when_it_has_run_out() {
    let first = Desk::new();
    let running = first.execute().await;
    first.arm().await;
    let second = beside(&first);
    let (standby, mut said) = stand_by(&second);
    says(&mut said, |standing| matches!(standing, Standing::Standby { holder, .. } if holder == "desk-1"))
        .await;
    assert!(matches!(first.account.look(|s| s.arming().clone()).await.unwrap(), Arming::Armed(_)));

    running.crash().await;
    assert_eq!(first.account.look(State::epoch).await.unwrap(), 1, "the lease was taken before its end");
    first.clock.advance_ms(600_001);
    says(&mut said, epoch_two).await;
    assert_eq!(first.account.look(|s| s.arming().clone()).await.unwrap(), Arming::Disarmed);
    standby.stop().await;
}

#[tokio::test]
async fn an_executor_that_ends_in_good_order_gives_its_lease_back_and_another_one_takes_it_at_once() {
    let first = Desk::new();
    first.execute().await.stop().await;
    let lease = first.account.look(|state| state.lease().cloned()).await.unwrap().unwrap();
    assert_eq!((lease.epoch, lease.until), (1, first.clock.now()));
    // No time passes, and it may not stand by.
    let second = beside(&first);
    let executor = second.executor("desk-2", false);
    let mut said = executor.standing.subscribe();
    let running = Running::of(executor);
    says(&mut said, epoch_two).await;
    running.stop().await;
}

#[tokio::test]
async fn an_executor_whose_frame_may_be_on_its_way_keeps_its_lease_at_its_end() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(1, desk.clock.now(), vec![]).await;
    desk.venue.keeps_frames();
    desk.venue.answers(Submission::Unknown { reason: "no reply in 5000 ms".to_owned() });
    desk.command(desk.order("q-1")).await;
    desk.until_type("trading.SubmissionUncertain").await;
    let lease = || desk.account.look(|state| state.lease().cloned());
    let before = lease().await.unwrap().unwrap();
    running.stop().await;
    assert!(before.until > desk.clock.now());
    assert_eq!(lease().await.unwrap().unwrap().until, before.until);
}

#[tokio::test]
async fn an_executor_that_still_waits_for_a_reply_keeps_its_lease_at_its_end() {
    let desk = Desk::new();
    let running = desk.execute().await;
    desk.arm().await;
    desk.balances(1, desk.clock.now(), vec![]).await;
    // The frame has left, so that the fence would close; what becomes of it nobody says.
    desk.venue.falls_silent();
    desk.command(desk.order("q-1")).await;
    while desk.venue.sent() == 0 {
        tokio::task::yield_now().await;
    }
    let lease = || desk.account.look(|state| state.lease().cloned());
    let before = lease().await.unwrap().unwrap();
    running.stop().await;
    assert!(before.until > desk.clock.now());
    assert_eq!(lease().await.unwrap().unwrap().until, before.until);
}

#[tokio::test]
async fn a_standby_does_not_undo_the_pause_of_the_executor_that_works() {
    let first = Desk::new();
    let running = first.execute().await;
    let (service, reason, at) = (Service::Executor, "a test".to_owned(), first.clock.now());
    let switch = first.board.switch(Service::Executor).unwrap();
    switch.handle(first.wish(ServiceCommand::Pause { service, reason, at })).await.unwrap();
    let second = beside(&first);
    let (standby, mut said) = stand_by(&second);
    says(&mut said, |standing| matches!(standing, Standing::Standby { .. })).await;
    assert_eq!(first.board.running(Service::Executor).await, Takes::Paused);
    standby.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn an_executor_that_was_replaced_ends_where_it_may_not_stand_by() {
    let first = Desk::new();
    let running = first.execute().await;
    first.clock.advance_ms(600_001);
    take_over(&first).await;
    let ended = running.ended().await;
    assert!(matches!(&ended, ServiceError::Lease(words) if words.contains("epoch 2")), "{ended:?}");
}

#[tokio::test]
async fn an_executor_that_was_replaced_stands_by_where_it_may() {
    let first = Desk::new();
    let executor = first.executor("desk-1", true);
    let mut said = executor.standing.subscribe();
    let running = Running::of(executor);
    says(&mut said, |standing| *standing == Standing::Leading { epoch: 1 }).await;
    first.clock.advance_ms(600_001);
    take_over(&first).await;
    says(&mut said, |standing| matches!(standing, Standing::Standby { holder, .. } if holder == "desk-9"))
        .await;
    running.stop().await;
}

/// Somebody else takes the lease, if the first one does not renew it in time.
async fn take_over(desk: &Desk) {
    let other = beside(desk);
    loop {
        let at = desk.clock.now();
        let command = Command::TakeLease { holder: "desk-9".to_owned(), ttl_ms: 600_000, at };
        if other.account.handle(other.wish(command)).await.is_ok() {
            return;
        }
        // The first one was faster and renewed it: its time runs out again.
        desk.clock.advance_ms(600_001);
    }
}

#[tokio::test]
async fn a_standby_starts_the_service_on_the_log_only_when_it_has_the_lease() {
    let first = Desk::new();
    let running = first.execute().await;
    let second = beside(&first);
    let (standby, mut said) = stand_by(&second);
    says(&mut said, |standing| matches!(standing, Standing::Standby { .. })).await;
    let starts = async || {
        let history = first.history().await;
        history.iter().filter(|r| codec::type_of(&r.event) == "operations.ServiceStarted").count()
    };
    assert_eq!(starts().await, 1);
    running.crash().await;
    first.clock.advance_ms(600_001);
    says(&mut said, epoch_two).await;
    first
        .until(|event| {
            matches!(event, stele_domain::event::Event::Operations(
            stele_domain::operations::event::Event::Service(
            stele_domain::operations::service::event::Event::ServiceStarted(started)))
            if started.instance == "desk-2")
        })
        .await;
    standby.stop().await;
}
