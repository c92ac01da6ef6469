//! Batches of the official client: in order, many at once, and a no that is one append's alone.

use crate::support::{Desk, event, events, plain, shown};
use eventstore::{Error, StreamState};
use uuid::Uuid;

#[tokio::test]
async fn a_batch_keeps_what_it_is_given_stream_by_stream() {
    let desk = Desk::open();
    let client = desk.client();
    let batch = client.batch_append(&plain()).await.unwrap();
    for number in 0..3 {
        let stream = format!("batch-{number}");
        let kept = batch.append_to_stream(&stream, StreamState::NoStream, events("x", 3)).await.unwrap();
        assert_eq!(kept.current_revision(), Some(2));
        assert_eq!(shown(&client, &stream).await.unwrap(), [0, 1, 2]);
    }
}

#[tokio::test]
async fn many_at_once_on_one_stream_are_all_kept_once() {
    let desk = Desk::open();
    let client = desk.client();
    let batch = client.batch_append(&plain()).await.unwrap();
    let waiting = (0..500).map(|number| {
        let offered = event("x", number).id(Uuid::from_u128(number as u128 + 1));
        batch.append_to_stream("one", StreamState::Any, vec![offered])
    });
    let kept = futures_util::future::join_all(waiting).await;
    let mut revisions: Vec<u64> =
        kept.into_iter().map(|kept| kept.unwrap().current_revision().unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_no_is_told_by_its_number() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("a", &plain(), events("x", 1)).await.unwrap();
    client.append_to_stream("gone", &plain(), events("x", 1)).await.unwrap();
    client.tombstone_stream("gone", &plain()).await.unwrap();
    for (stream, state, number) in
        [("a", StreamState::NoStream, 6), ("gone", StreamState::Any, 5), ("account-1", StreamState::Any, 7)]
    {
        let batch = client.batch_append(&plain()).await.unwrap();
        let refused = batch.append_to_stream(stream, state, events("x", 1)).await;
        let Err(Error::Grpc { code, .. }) = &refused else { panic!("{stream} {refused:?}") };
        assert_eq!(i32::from(*code), number, "{stream}");
    }
}

#[tokio::test]
async fn a_batch_that_comes_again_gets_the_first_answer() {
    let desk = Desk::open();
    let client = desk.client();
    let batch = client.batch_append(&plain()).await.unwrap();
    let offered = vec![event("x", 1).id(Uuid::from_u128(1)), event("x", 2).id(Uuid::from_u128(2))];
    for _ in 0..2 {
        let kept = batch.append_to_stream("a", StreamState::NoStream, offered.clone()).await.unwrap();
        assert_eq!(kept.current_revision(), Some(1));
    }
    assert_eq!(shown(&client, "a").await.unwrap(), [0, 1]);
}
