//! Reads of the official client: both ways, from anywhere, of streams and of the log.

use crate::support::{Desk, Standing, events, plain, shown};
use eventstore::{
    Client, Error, Position, ReadAllOptions, ReadEvent, ReadStreamOptions, StreamMetadataBuilder,
    StreamMetadataResult, StreamPosition,
};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::clock::Clock;
use stele_event_log::{EmbeddedLog, Options};
use stele_kurrent::Outside;

async fn read(client: &Client, stream: &str, options: &ReadStreamOptions) -> Vec<u64> {
    let mut read = client.read_stream(stream, options).await.unwrap();
    let mut revisions = vec![];
    while let Some(event) = read.next().await.unwrap() {
        revisions.push(event.get_original_event().revision);
    }
    revisions
}

async fn read_all(client: &Client, options: &ReadAllOptions) -> Vec<u64> {
    let mut read = client.read_all(options).await.unwrap();
    let mut positions = vec![];
    while let Some(event) = read.next().await.unwrap() {
        positions.push(event.get_original_event().position.commit);
    }
    positions
}

fn from(revision: u64) -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::Position(revision))
}

#[tokio::test]
async fn a_stream_is_read_both_ways_from_any_place_which_is_included() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("orders-1", &plain(), events("Placed", 5)).await.unwrap();
    assert_eq!(read(&client, "orders-1", &from(3)).await, [3, 4]);
    assert_eq!(read(&client, "orders-1", &from(3).backwards()).await, [3, 2, 1, 0]);
    assert_eq!(read(&client, "orders-1", &from(9)).await, [0; 0]);
    assert_eq!(read(&client, "orders-1", &from(9).backwards()).await, [4, 3, 2, 1, 0]);
    assert_eq!(read(&client, "orders-1", &from(1).max_count(2)).await, [1, 2]);
    let end = ReadStreamOptions::default().backwards().position(StreamPosition::End);
    assert_eq!(read(&client, "orders-1", &end.clone().max_count(1)).await, [4]);
    assert_eq!(read(&client, "orders-1", &end).await, [4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn whoever_asks_is_told_where_a_stream_ends() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("orders-1", &plain(), events("Placed", 10)).await.unwrap();
    let options = ReadStreamOptions::default().forwards().position(StreamPosition::Start);
    let mut read = client.read_stream("orders-1", &options).await.unwrap();
    let mut ends = vec![];
    while let Some(event) = read.next_read_event().await.unwrap() {
        if let ReadEvent::LastStreamPosition(end) = event {
            ends.push(end);
        }
    }
    assert_eq!(ends, [9]);
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_not_found() {
    let desk = Desk::open();
    let mut read = desk.client().read_stream("none", &plain()).await.unwrap();
    assert!(matches!(read.next().await, Err(Error::ResourceNotFound)));
}

#[tokio::test]
async fn the_log_is_read_both_ways_and_backwards_without_the_place_itself() {
    let desk = Desk::open();
    let client = desk.client();
    for stream in ["a-1", "b"] {
        client.append_to_stream(stream, &plain(), events("x", 3)).await.unwrap();
    }
    let at = |commit| StreamPosition::Position(Position { commit, prepare: commit });
    let start = ReadAllOptions::default().position(StreamPosition::Start);
    assert_eq!(read_all(&client, &start).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(at(4))).await, [4, 5, 6]);
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(at(4)).backwards()).await, [3, 2, 1]);
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(at(0)).backwards()).await, [0; 0]);
    assert_eq!(
        read_all(&client, &ReadAllOptions::default().position(at(u64::MAX)).backwards()).await,
        [6, 5, 4, 3, 2, 1]
    );
    let end = ReadAllOptions::default().position(StreamPosition::End);
    assert_eq!(read_all(&client, &end.max_count(2)).await, [6, 5]);
}

#[tokio::test]
async fn long_streams_and_logs_are_read_whole_both_ways() {
    let desk = Desk::open();
    let client = desk.client();
    for _ in 0..5 {
        client.append_to_stream("long", &plain(), events("x", 1_000)).await.unwrap();
    }
    let forwards: Vec<u64> = (0..5_000).collect();
    assert_eq!(shown(&client, "long").await.unwrap(), forwards);
    let end = ReadStreamOptions::default().backwards().position(StreamPosition::End);
    let backwards: Vec<u64> = (0..5_000).rev().collect();
    assert_eq!(read(&client, "long", &end).await, backwards);
    let positions: Vec<u64> = (1..=5_000).rev().collect();
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(StreamPosition::End)).await, positions);
}

#[tokio::test]
async fn events_too_large_for_one_page_are_read_both_ways() {
    let desk = Desk::open();
    let client = desk.client();
    for _ in 0..5 {
        let large = eventstore::EventData::binary("Large", vec![7; 9 * 1024 * 1024].into());
        client.append_to_stream("large", &plain(), large).await.unwrap();
    }
    assert_eq!(shown(&client, "large").await.unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(
        read_all(&client, &ReadAllOptions::default().position(StreamPosition::End)).await,
        [5, 4, 3, 2, 1]
    );
}

#[tokio::test]
async fn metadata_say_how_much_is_shown_and_only_the_newest_count() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("orders-1", &plain(), events("Placed", 5)).await.unwrap();
    assert!(client.get_stream_metadata("orders-1", &plain()).await.unwrap().is_not_found());
    let few = StreamMetadataBuilder::new().max_count(2).build();
    client.set_stream_metadata("orders-1", &plain(), &few).await.unwrap();
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [3, 4]);
    // The protocol counts in seconds, and this client writes milliseconds: it says 60.
    let later = StreamMetadataBuilder::new()
        .truncate_before(1)
        .max_age(Duration::from_millis(60))
        .insert_custom_property("mine", 7)
        .build();
    client.set_stream_metadata("orders-1", &plain(), &later).await.unwrap();
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [1, 2, 3, 4]);
    let told = client.get_stream_metadata("orders-1", &plain()).await.unwrap();
    let StreamMetadataResult::Success(told) = told else { panic!("there are metadata") };
    assert_eq!(*told.metadata(), later);
    assert_eq!(shown(&client, "$$orders-1").await.unwrap(), [1]);
    desk.clock.go_on(61);
    client.append_to_stream("orders-1", &plain(), events("Placed", 1)).await.unwrap();
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [5]);
    // What is not shown in its stream is in the log all the same.
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(StreamPosition::Start)).await.len(), 8);
}

#[tokio::test]
async fn what_is_known_of_streams_follows_from_the_log_alone() {
    let mut desk = Desk::open();
    let client = desk.client();
    for stream in ["kept", "deleted", "gone"] {
        client.append_to_stream(stream, &plain(), events("x", 4)).await.unwrap();
    }
    let few = StreamMetadataBuilder::new().max_count(1).build();
    client.set_stream_metadata("kept", &plain(), &few).await.unwrap();
    client.delete_stream("deleted", &plain()).await.unwrap();
    client.tombstone_stream("gone", &plain()).await.unwrap();
    desk.close().await;
    desk.serve();
    let client = desk.client();
    assert_eq!(shown(&client, "kept").await.unwrap(), [3]);
    assert!(matches!(shown(&client, "deleted").await, Err(Error::ResourceNotFound)));
    assert!(matches!(shown(&client, "gone").await, Err(Error::ResourceDeleted)));
}

#[tokio::test]
async fn a_log_on_disk_tells_the_same_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let clock = Arc::new(Standing::new());
    let opened = || {
        let clock: Arc<dyn Clock> = Arc::<Standing>::clone(&clock);
        Arc::new(EmbeddedLog::open(&path, Options::new(clock)).unwrap().0)
    };
    let log = opened();
    let mut desk = Desk::over(Arc::<EmbeddedLog>::clone(&log), Arc::clone(&clock), Outside::Everything);
    let client = desk.client();
    for stream in ["kept", "deleted", "again", "gone"] {
        client.append_to_stream(stream, &plain(), events("x", 4)).await.unwrap();
    }
    let few = StreamMetadataBuilder::new().max_count(1).build();
    client.set_stream_metadata("kept", &plain(), &few).await.unwrap();
    for stream in ["deleted", "again"] {
        client.delete_stream(stream, &plain()).await.unwrap();
    }
    client.append_to_stream("again", &plain(), events("x", 2)).await.unwrap();
    client.tombstone_stream("gone", &plain()).await.unwrap();
    desk.close().await;
    drop(desk);
    log.close().await.unwrap();
    drop(log);
    let desk = Desk::over(opened(), Arc::clone(&clock), Outside::Everything);
    let client = desk.client();
    assert_eq!(shown(&client, "kept").await.unwrap(), [3]);
    assert_eq!(shown(&client, "again").await.unwrap(), [4, 5]);
    assert!(matches!(shown(&client, "deleted").await, Err(Error::ResourceNotFound)));
    assert!(matches!(shown(&client, "gone").await, Err(Error::ResourceDeleted)));
    assert_eq!(read_all(&client, &ReadAllOptions::default().position(StreamPosition::Start)).await.len(), 23);
}

#[tokio::test]
async fn an_event_that_points_to_another_is_told_with_it() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("orders-1", &plain(), events("Placed", 2)).await.unwrap();
    let links = ["1@orders-1", "7@orders-1", "nonsense"];
    let links: Vec<_> =
        links.iter().map(|to| eventstore::EventData::binary("$>", to.as_bytes().to_vec().into())).collect();
    client.append_to_stream("links", &plain(), links).await.unwrap();
    let options = ReadStreamOptions::default().forwards().position(StreamPosition::Start).resolve_link_tos();
    let mut read = client.read_stream("links", &options).await.unwrap();
    let resolved = read.next().await.unwrap().unwrap();
    assert_eq!(
        resolved.event.as_ref().map(|event| (event.stream_id(), event.revision)),
        Some(("orders-1", 1))
    );
    assert_eq!(resolved.link.as_ref().map(|link| (link.stream_id(), link.revision)), Some(("links", 0)));
    let missing = read.next().await.unwrap().unwrap();
    assert!(missing.event.is_none() && missing.link.is_some());
    let none = read.next().await.unwrap().unwrap();
    assert!(none.event.is_some() && none.link.is_none());
}
