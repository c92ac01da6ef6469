//! Looking now: a bell in this process, and a fact that another one hears.

use crate::door::{Door, caller, root, wish};
use std::collections::BTreeSet;
use std::time::Duration;
use stele_commands::control::{Bells, Refused};
use stele_commands::refresh::Ears;
use stele_commands::stop::channel;
use stele_domain::access::Role;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::{Filter, Position};

const PATIENCE: Duration = Duration::from_secs(20);

/// A process with doors, in which nothing reads the outside.
async fn front() -> Door {
    let mut door = Door::new();
    door.control.bells.elsewhere = BTreeSet::from([Service::Market, Service::Inventory]);
    for service in [Service::Market, Service::Inventory] {
        door.desk.board.start(service, "0.1.0", "desk-2", &*door.desk.clock).await.unwrap();
    }
    door
}

async fn asked(door: &Door) -> usize {
    let filter = Filter { categories: vec![], event_types: vec!["operations.RefreshAsked".to_owned()] };
    door.desk.log.follow(Position(1), filter).next(100).await.unwrap().records.len()
}

#[tokio::test]
async fn a_wish_to_look_is_heard_by_the_process_that_reads_and_by_no_other_service_of_it() {
    let door = front().await;
    let bells = Bells::default();
    let services = BTreeSet::from([Service::Inventory]);
    let (stopper, stop) = channel();
    let ears = Ears { log: door.desk.log.clone(), bells: bells.clone(), services };
    let ears = tokio::spawn(ears.run(stop));
    // Whoever starts looks anyway, so that only wishes after its start are heard: asked until it has begun.
    let asking = async {
        loop {
            for service in [Service::Market, Service::Inventory] {
                door.control.refresh(wish(root(), "a deposit came in"), service).await.unwrap();
            }
            door.desk.clock.advance_ms(1);
            tokio::task::yield_now().await;
        }
    };
    let rung = tokio::time::timeout(PATIENCE, bells.inventory.notified());
    tokio::select! {
        rung = rung => rung.expect("the bell of the inventory"),
        () = asking => {}
    }
    let other = tokio::time::timeout(Duration::ZERO, bells.market.notified()).await;
    assert!(other.is_err(), "the bell of a service that does not run there was rung");
    stopper.stop();
    ears.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wish_to_look_elsewhere_is_one_fact_however_often_it_is_sent_and_needs_leave() {
    let door = front().await;
    let looks = wish(root(), "a deposit came in");
    for _ in 0..2 {
        door.control.refresh(looks.clone(), Service::Inventory).await.unwrap();
        door.desk.clock.advance_ms(1);
    }
    assert_eq!(asked(&door).await, 1);
    let viewer = door.control.refresh(wish(caller(Role::Viewer, "eve"), "now"), Service::Inventory).await;
    assert!(matches!(viewer, Err(Refused::Forbidden { .. })), "{viewer:?}");
    let nothing = door.control.refresh(wish(root(), "now"), Service::Strategy).await;
    assert!(
        matches!(&nothing, Err(Refused::Rule { code, .. }) if code == "nothing_to_refresh"),
        "{nothing:?}"
    );
}

#[tokio::test]
async fn what_no_process_ever_ran_is_not_asked_to_look() {
    let mut door = Door::new();
    door.control.bells.elsewhere = BTreeSet::from([Service::Inventory]);
    let no = door.control.refresh(wish(root(), "a deposit came in"), Service::Inventory).await;
    assert!(matches!(&no, Err(Refused::Rule { code, .. }) if code == "never_started"), "{no:?}");
}
