//! Subscriptions of the official client: from what there is to what comes, across a restart, and an end that is told.

use crate::support::{Desk, events, plain};
use eventstore::{
    Client, Error, Position, RetryOptions, StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions,
    Subscription, SubscriptionEvent, SubscriptionFilter,
};
use std::time::Duration;

/// The next event within a generous time.
async fn soon(subscription: &mut Subscription) -> SubscriptionEvent {
    let next = tokio::time::timeout(Duration::from_secs(20), subscription.next_subscription_event()).await;
    next.expect("it comes soon").unwrap()
}

async fn revision(subscription: &mut Subscription) -> u64 {
    loop {
        if let SubscriptionEvent::EventAppeared(event) = soon(subscription).await {
            return event.get_original_event().revision;
        }
    }
}

fn from_start() -> SubscribeToStreamOptions {
    SubscribeToStreamOptions::default().start_from(StreamPosition::Start)
}

async fn append(client: &Client, stream: &str, count: usize) {
    client.append_to_stream(stream, &plain(), events("x", count)).await.unwrap();
}

#[tokio::test]
async fn a_stream_is_told_from_its_first_event_on_and_then_as_it_grows() {
    let desk = Desk::open();
    let client = desk.client();
    append(&client, "a", 3).await;
    let mut subscription = client.subscribe_to_stream("a", &from_start()).await;
    assert!(matches!(soon(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
    for expected in 0..3 {
        assert_eq!(revision(&mut subscription).await, expected);
    }
    let SubscriptionEvent::CaughtUp(caught_up) = soon(&mut subscription).await else {
        panic!("not caught up")
    };
    assert_eq!(caught_up.and_then(|caught_up| caught_up.stream_revision), Some(2));
    append(&client, "b", 1).await;
    append(&client, "a", 3).await;
    for expected in 3..6 {
        assert_eq!(revision(&mut subscription).await, expected);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_there_yet_is_waited_for() {
    let desk = Desk::open();
    let client = desk.client();
    let mut subscription = client.subscribe_to_stream("later", &from_start()).await;
    assert!(matches!(soon(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
    assert!(matches!(soon(&mut subscription).await, SubscriptionEvent::CaughtUp(_)));
    append(&client, "later", 1).await;
    assert_eq!(revision(&mut subscription).await, 0);
}

#[tokio::test]
async fn a_subscription_begins_behind_the_place_that_it_names() {
    let desk = Desk::open();
    let client = desk.client();
    append(&client, "a", 5).await;
    let after = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(2));
    assert_eq!(revision(&mut client.subscribe_to_stream("a", &after).await).await, 3);
    let end = SubscribeToStreamOptions::default().start_from(StreamPosition::End);
    let mut end = client.subscribe_to_stream("a", &end).await;
    assert!(matches!(soon(&mut end).await, SubscriptionEvent::Confirmed(_)));
    assert!(matches!(soon(&mut end).await, SubscriptionEvent::CaughtUp(_)));
    let place = StreamPosition::Position(Position { commit: 3, prepare: 3 });
    let mut all = client.subscribe_to_all(&SubscribeToAllOptions::default().position(place)).await;
    assert_eq!(revision(&mut all).await, 3);
    append(&client, "a", 1).await;
    assert_eq!(revision(&mut end).await, 5);
}

#[tokio::test]
async fn the_log_is_told_with_checkpoints_where_it_is_filtered() {
    let desk = Desk::open();
    let client = desk.client();
    append(&client, "noise", 100).await;
    let filter = SubscriptionFilter::on_stream_name().add_prefix("wanted");
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut subscription = client.subscribe_to_all(&options).await;
    let mut checkpoints = vec![];
    loop {
        match soon(&mut subscription).await {
            SubscriptionEvent::Checkpoint(place) => checkpoints.push(place.commit),
            SubscriptionEvent::CaughtUp(_) => break,
            SubscriptionEvent::Confirmed(_) => {}
            other @ (SubscriptionEvent::EventAppeared(_)
            | SubscriptionEvent::FirstStreamPosition(_)
            | SubscriptionEvent::LastStreamPosition(_)
            | SubscriptionEvent::LastAllPosition(_)
            | SubscriptionEvent::FellBehind(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(checkpoints, [32, 64, 96]);
    append(&client, "wanted", 1).await;
    assert_eq!(revision(&mut subscription).await, 0);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_across_a_restart() {
    let mut desk = Desk::open();
    let client = desk.client();
    append(&client, "a", 40).await;
    let options = from_start()
        .retry_options(RetryOptions::default().retry_limit(50).retry_delay(Duration::from_millis(50)));
    let mut subscription = client.subscribe_to_stream("a", &options).await;
    for expected in 0..40 {
        assert_eq!(revision(&mut subscription).await, expected);
    }
    desk.close().await;
    desk.serve();
    append(&desk.client(), "a", 40).await;
    for expected in 40..80 {
        assert_eq!(revision(&mut subscription).await, expected);
    }
}

#[tokio::test]
async fn a_closing_desk_says_so_and_never_ends_a_subscription_well() {
    let mut desk = Desk::open();
    let client = desk.client();
    let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    assert!(matches!(soon(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
    desk.close().await;
    let end = loop {
        match subscription.next_subscription_event().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&end, Error::ServerError(words) if words.contains("closing")), "{end:?}");
}

#[tokio::test]
async fn a_key_that_is_taken_back_ends_what_it_opened() {
    let desk = Desk::open();
    let client = desk.client();
    append(&client, "a", 1).await;
    let mut subscription = client.subscribe_to_stream("a", &from_start()).await;
    assert_eq!(revision(&mut subscription).await, 0);
    desk.revoked.lock().unwrap().insert("service:outside".to_owned());
    let end = loop {
        let next =
            tokio::time::timeout(Duration::from_secs(20), subscription.next_subscription_event()).await;
        if let Err(error) = next.expect("it is ended soon") {
            break error;
        }
    };
    assert!(matches!(end, Error::AccessDenied), "{end:?}");
}

#[tokio::test]
async fn a_stream_that_is_deleted_for_ever_ends_its_subscriptions() {
    let desk = Desk::open();
    let client = desk.client();
    append(&client, "a", 1).await;
    let mut subscription = client.subscribe_to_stream("a", &from_start()).await;
    assert_eq!(revision(&mut subscription).await, 0);
    client.tombstone_stream("a", &plain()).await.unwrap();
    let end = loop {
        match subscription.next_subscription_event().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::ResourceDeleted), "{end:?}");
}

#[tokio::test]
async fn a_reader_that_waits_misses_nothing_of_a_long_log() {
    let desk = Desk::open();
    let client = desk.client();
    let mut subscription = client.subscribe_to_stream("long", &from_start()).await;
    assert!(matches!(soon(&mut subscription).await, SubscriptionEvent::Confirmed(_)));
    for _ in 0..10 {
        append(&client, "long", 1_000).await;
    }
    for expected in 0..10_000 {
        assert_eq!(revision(&mut subscription).await, expected);
    }
}
