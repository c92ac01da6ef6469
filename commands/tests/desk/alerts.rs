//! The alert watch: what waits for a person is cleared by one, and raised anew for whatever comes next.

use crate::desk::{Desk, HandClock, start, token};
use crate::door::{Door, caller, root, wish};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::alerts::AlertWatch;
use stele_commands::control::{Done, Refused};
use stele_commands::service::ServiceError;
use stele_commands::stop::{Stopper, channel};
use stele_commands::streams;
use stele_domain::access::Role;
use stele_domain::event::Event;
use stele_domain::money::Units;
use stele_domain::operations::alert::event::Kind;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{Position, StreamId};
use stele_domain::treasury;
use stele_domain::treasury::inventory::event::{Drift, DriftDetected};
use tokio::task::JoinHandle;

/// A watch that runs.
struct Watch {
    stopper: Stopper,
    task: JoinHandle<Result<(), ServiceError>>,
}

impl Watch {
    fn over(desk: &Desk) -> Self {
        let service = AlertWatch {
            log: desk.log.clone(),
            watched: vec![inventory()],
            clock: desk.clock.clone(),
            inventory_age_ms_max: 60_000,
        };
        let (stopper, stop) = channel();
        Self { stopper, task: tokio::spawn(service.run(stop)) }
    }

    async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }
}

fn inventory() -> StreamId {
    streams::inventory(&"solver.near".to_owned().try_into().unwrap()).unwrap()
}

async fn drift(desk: &Desk, height: u64) -> Position {
    drift_of(desk, inventory(), height).await
}

async fn drift_of(desk: &Desk, stream: StreamId, height: u64) -> Position {
    let fact = DriftDetected {
        token: token(crate::desk::EURE),
        drift: Drift::Credit,
        expected: Units::new(1),
        observed: Units::new(2),
        height,
        at: desk.clock.now(),
    };
    let event = treasury::event::Event::Inventory(treasury::inventory::Event::DriftDetected(fact));
    desk.append(stream, Event::Treasury(event)).await
}

/// Waits until so many alerts were raised, and says for which facts.
async fn raised(door: &Door, count: usize) -> Vec<Option<Position>> {
    let search = async {
        let mut follow = door.desk.log.follow(Position::START, stele_domain::port::event_log::Filter::all());
        loop {
            let all = door.of_type("operations.AlertRaised").await;
            if all.len() >= count {
                return all;
            }
            follow.next(1_000).await.unwrap();
        }
    };
    let all = tokio::time::timeout(std::time::Duration::from_secs(10), search).await.expect("never raised");
    let causes = all.into_iter().map(|recorded| {
        if let Event::Operations(stele_domain::operations::event::Event::Alert(
            stele_domain::operations::alert::Event::AlertRaised(fact),
        )) = recorded.event
        {
            fact.cause
        } else {
            None
        }
    });
    causes.collect()
}

#[tokio::test]
async fn an_unmatched_credit_waits_for_a_person_and_the_next_one_is_raised_anew() {
    let door = Door::new();
    let watch = Watch::over(&door.desk);
    let first = drift(&door.desk, 100).await;
    assert_eq!(raised(&door, 1).await, [Some(first)]);
    // Nobody has looked yet, and another one comes.
    let second = drift(&door.desk, 101).await;
    assert_eq!(raised(&door, 2).await, [Some(first), Some(second)]);
    let looked = wish(caller(Role::Operator, "olga"), "both are our own deposits");
    let cleared = door.control.clear_alert(looked.clone(), Kind::UnmatchedCredit).await;
    assert!(matches!(cleared, Ok(Done::Recorded(_))), "{cleared:?}");
    let third = drift(&door.desk, 102).await;
    assert_eq!(raised(&door, 3).await, [Some(first), Some(second), Some(third)]);
    watch.stop().await;
    assert!(matches!(door.control.clear_alert(looked, Kind::UnmatchedCredit).await, Ok(Done::Repeated(_))));
}

#[tokio::test]
async fn a_restart_does_not_raise_again_what_a_person_has_looked_at() {
    let door = Door::new();
    let watch = Watch::over(&door.desk);
    let first = drift(&door.desk, 100).await;
    raised(&door, 1).await;
    door.control.clear_alert(wish(root(), "our own deposit"), Kind::UnmatchedCredit).await.unwrap();
    watch.stop().await;
    let watch = Watch::over(&door.desk);
    let second = drift(&door.desk, 101).await;
    assert_eq!(raised(&door, 2).await, [Some(first), Some(second)]);
    watch.stop().await;
}

#[tokio::test]
async fn an_alert_is_cleared_by_who_runs_the_services_with_a_reason_and_only_when_it_waits_for_them() {
    let door = Door::new();
    let watch = Watch::over(&door.desk);
    drift(&door.desk, 100).await;
    raised(&door, 1).await;
    watch.stop().await;
    let clear = |role, reason: &str, kind| {
        let asked = wish(caller(role, "olga"), reason);
        door.control.clear_alert(asked, kind)
    };
    let trader = clear(Role::Trader, "our own deposit", Kind::UnmatchedCredit).await;
    assert!(matches!(trader, Err(Refused::Forbidden { .. })), "{trader:?}");
    for (reason, kind, code) in
        [("", Kind::UnmatchedCredit, "reason_missing"), ("looks fine", Kind::PriceBlocked, "clears_itself")]
    {
        let refused = clear(Role::Operator, reason, kind).await;
        assert!(matches!(&refused, Err(Refused::Rule { code: said, .. }) if said == code), "{refused:?}");
    }
    let quiet = clear(Role::Operator, "nothing there", Kind::UnexpectedDrop).await;
    assert_eq!(quiet, Ok(Done::AlreadySo));
}

#[tokio::test]
async fn a_drift_that_the_log_did_not_take_an_alert_for_is_raised_as_soon_as_it_does() {
    let clock = HandClock::at(start());
    let log = Arc::new(Moody::new(&clock));
    let door = Door::behind(Desk::on(log.clone(), clock));
    let watch = Watch::over(&door.desk);
    // It has begun once it raises something.
    let first = drift(&door.desk, 100).await;
    assert_eq!(raised(&door, 1).await, [Some(first)]);
    log.shut(Some("alert"));
    let second = drift(&door.desk, 101).await;
    log.until_shut_out(1).await;
    // In the order of the facts, also where a later one could be said first.
    let third = drift(&door.desk, 102).await;
    log.shut(None);
    assert_eq!(raised(&door, 3).await, [Some(first), Some(second), Some(third)]);
    watch.stop().await;
}

#[tokio::test]
async fn drifts_of_another_account_are_nothing_to_it() {
    let door = Door::new();
    let watch = Watch::over(&door.desk);
    let elsewhere = streams::inventory(&"somebody-else.near".to_owned().try_into().unwrap()).unwrap();
    let first = drift(&door.desk, 100).await;
    assert_eq!(raised(&door, 1).await, [Some(first)]);
    drift_of(&door.desk, elsewhere, 100).await;
    let second = drift(&door.desk, 101).await;
    assert_eq!(raised(&door, 2).await, [Some(first), Some(second)]);
    watch.stop().await;
}
