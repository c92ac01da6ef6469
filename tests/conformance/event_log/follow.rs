//! Rules of following.

use super::records::{record, stream};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use stele_domain::port::event_log::{EventLog, Expected, Filter, Follow, Page, Position};

/// Follows until `position` has been looked at; returns the positions seen.
async fn until(follow: &mut dyn Follow, position: u64) -> Vec<u64> {
    let mut seen = vec![];
    loop {
        let page = follow.next(7).await.unwrap();
        seen.extend(page.records.iter().map(|record| record.position.0));
        if page.next.0 > position {
            return seen;
        }
    }
}

/// Whether the follower has nothing to say at the moment, however often it is asked.
fn waits(follow: &mut dyn Follow) -> bool {
    let mut next = pin!(follow.next(10));
    (0..3).all(|_| next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending())
}

pub async fn a_follower_sees_what_was_and_what_comes(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    for number in 0..20 {
        log.append(&target, Expected::Any, vec![record(number)]).await.unwrap();
    }
    let mut follow = log.follow(Position(6), Filter::all());
    assert_eq!(until(&mut *follow, 20).await, (6..=20).collect::<Vec<_>>());
    assert!(waits(&mut *follow));
    let writer = {
        let (log, target) = (Arc::clone(&log), target.clone());
        tokio::spawn(async move {
            for number in 20..120 {
                log.append(&target, Expected::Any, vec![record(number)]).await.unwrap();
            }
        })
    };
    assert_eq!(until(&mut *follow, 120).await, (21..=120).collect::<Vec<_>>());
    writer.await.unwrap();
    assert!(waits(&mut *follow));
}

pub async fn a_follower_that_gives_up_waiting_misses_nothing(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    let mut follow = log.follow(Position::START, Filter::all());
    let mut seen = vec![];
    for number in 0..50_u64 {
        assert!(waits(&mut *follow), "at {number}");
        log.append(&target, Expected::Any, vec![record(number)]).await.unwrap();
        // Asked and dropped, once or a few times, wherever that catches it.
        for _ in 0..number % 4 {
            let mut next = pin!(follow.next(10));
            if let Poll::Ready(page) = next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                seen.extend(page.unwrap().records.iter().map(|record| record.position.0));
            }
        }
        while seen.len() <= usize::try_from(number).unwrap() {
            seen.extend(follow.next(10).await.unwrap().records.iter().map(|record| record.position.0));
        }
    }
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

pub async fn a_filtered_follower_moves_on_where_nothing_matches(log: Arc<dyn EventLog>) {
    let mut follow = log.follow(Position::START, Filter::categories(&["wanted"]));
    for number in 0..10 {
        log.append(&stream("noise-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    let mut last: Option<Page> = None;
    while !last.as_ref().is_some_and(Page::caught_up) {
        let page = follow.next(3).await.unwrap();
        assert_eq!(page.records, []);
        last = Some(page);
    }
    assert!(waits(&mut *follow));
    log.append(&stream("wanted-1"), Expected::Any, vec![record(99)]).await.unwrap();
    let page = follow.next(3).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(page.caught_up());
}

pub async fn a_follower_from_beyond_the_head_waits_for_it(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    let mut follow = log.follow(Position(3), Filter::all());
    for number in 1..=2 {
        assert!(waits(&mut *follow), "before position {number}");
        log.append(&target, Expected::Any, vec![record(number)]).await.unwrap();
    }
    assert!(waits(&mut *follow));
    log.append(&target, Expected::Any, vec![record(3)]).await.unwrap();
    let page = follow.next(10).await.unwrap();
    assert_eq!(page.records.iter().map(|record| record.position.0).collect::<Vec<_>>(), [3]);
}
