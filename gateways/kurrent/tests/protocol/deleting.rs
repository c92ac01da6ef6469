//! Deletions of the official client: until the next append, and for ever.

use crate::support::{Desk, event, events, plain, shown};
use eventstore::{
    AppendToStreamOptions, Client, DeleteStreamOptions, Error, StreamMetadataBuilder, StreamState,
    TombstoneStreamOptions,
};
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use uuid::Uuid;

fn at(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

async fn delete(client: &Client, stream: &str, state: StreamState) -> eventstore::Result<()> {
    client.delete_stream(stream, &DeleteStreamOptions::default().stream_state(state)).await.map(drop)
}

async fn tombstone(client: &Client, stream: &str, state: StreamState) -> eventstore::Result<()> {
    client.tombstone_stream(stream, &TombstoneStreamOptions::default().stream_state(state)).await.map(drop)
}

/// A stream with two events, deleted.
async fn deleted(client: &Client, stream: &str) {
    client.append_to_stream(stream, &at(StreamState::NoStream), events("Placed", 2)).await.unwrap();
    delete(client, stream, StreamState::StreamRevision(1)).await.unwrap();
    assert!(matches!(shown(client, stream).await, Err(Error::ResourceNotFound)));
}

#[tokio::test]
async fn a_deleted_stream_goes_on_counting_when_it_is_appended_to_again() {
    let desk = Desk::open();
    let client = desk.client();
    for (stream, state) in
        [("a", StreamState::Any), ("b-1", StreamState::NoStream), ("c", StreamState::StreamRevision(1))]
    {
        deleted(&client, stream).await;
        let kept = client.append_to_stream(stream, &at(state), events("Placed", 2)).await.unwrap();
        assert_eq!(kept.next_expected_version, 3, "{stream}");
        assert_eq!(shown(&client, stream).await.unwrap(), [2, 3], "{stream}");
        delete(&client, stream, StreamState::Any).await.unwrap();
        assert!(matches!(shown(&client, stream).await, Err(Error::ResourceNotFound)));
    }
}

#[tokio::test]
async fn an_append_that_began_a_stream_anew_may_come_again() {
    let desk = Desk::open();
    let client = desk.client();
    for (stream, state) in
        [("a", StreamState::NoStream), ("b", StreamState::Any), ("c", StreamState::StreamRevision(1))]
    {
        deleted(&client, stream).await;
        let offered = vec![event("Placed", 1).id(Uuid::new_v4()), event("Placed", 2).id(Uuid::new_v4())];
        let first = client.append_to_stream(stream, &at(state), offered.clone()).await.unwrap();
        let again = client.append_to_stream(stream, &at(state), offered).await.unwrap();
        assert_eq!(
            (first.next_expected_version, first.position),
            (again.next_expected_version, again.position)
        );
        let other = client.append_to_stream(stream, &at(StreamState::NoStream), events("Placed", 1)).await;
        assert!(matches!(other, Err(Error::WrongExpectedVersion { .. })), "{other:?}");
    }
}

#[tokio::test]
async fn a_deleted_stream_does_not_exist_and_keeps_its_last_revision() {
    let desk = Desk::open();
    let client = desk.client();
    deleted(&client, "a").await;
    let refused = client.append_to_stream("a", &at(StreamState::StreamRevision(0)), events("x", 1)).await;
    assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{refused:?}");
    let refused = client.append_to_stream("a", &at(StreamState::StreamExists), events("x", 1)).await;
    assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
    assert!(matches!(delete(&client, "a", StreamState::StreamExists).await, Err(Error::ResourceDeleted)));
    assert!(delete(&client, "a", StreamState::StreamRevision(0)).await.is_err());
    for state in [StreamState::Any, StreamState::StreamRevision(1)] {
        delete(&client, "a", state).await.unwrap();
    }
}

#[tokio::test]
async fn what_never_was_can_not_be_deleted() {
    let desk = Desk::open();
    let client = desk.client();
    for state in
        [StreamState::Any, StreamState::NoStream, StreamState::StreamExists, StreamState::StreamRevision(0)]
    {
        let refused = delete(&client, "none", state).await.unwrap_err().to_string();
        assert!(refused.contains("Actual version: -1"), "{refused}");
    }
    let refused = delete(&client, "$settings", StreamState::Any).await;
    assert!(matches!(refused, Err(Error::AccessDenied)), "{refused:?}");
}

#[tokio::test]
async fn a_deletion_keeps_the_other_metadata_and_so_does_its_end() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("a", &at(StreamState::NoStream), events("x", 3)).await.unwrap();
    let few = StreamMetadataBuilder::new().max_count(2).insert_custom_property("mine", 7).build();
    client.set_stream_metadata("a", &plain(), &few).await.unwrap();
    delete(&client, "a", StreamState::Any).await.unwrap();
    client.append_to_stream("a", &at(StreamState::Any), events("x", 3)).await.unwrap();
    assert_eq!(shown(&client, "a").await.unwrap(), [4, 5]);
    let told = client.get_stream_metadata("a", &plain()).await.unwrap();
    let eventstore::StreamMetadataResult::Success(told) = told else { panic!("there are metadata") };
    assert_eq!((told.metadata().max_count, told.metadata().truncate_before), (Some(2), Some(3)));
    assert_eq!(told.metadata().custom_properties.get("mine"), Some(&7.into()));
}

#[tokio::test]
async fn a_tombstone_is_for_ever() {
    let mut desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("a", &at(StreamState::NoStream), events("x", 2)).await.unwrap();
    assert!(tombstone(&client, "a", StreamState::StreamRevision(0)).await.is_err());
    assert!(tombstone(&client, "a", StreamState::NoStream).await.is_err());
    tombstone(&client, "a", StreamState::StreamRevision(1)).await.unwrap();
    for client in [client, {
        desk.close().await;
        desk.serve();
        desk.client()
    }] {
        assert!(matches!(shown(&client, "a").await, Err(Error::ResourceDeleted | Error::ServerError(_))));
    }
    let client = desk.client();
    for state in [StreamState::Any, StreamState::NoStream, StreamState::StreamRevision(2)] {
        let refused = client.append_to_stream("a", &at(state), events("x", 1)).await;
        assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
        assert!(matches!(tombstone(&client, "a", state).await, Err(Error::ResourceDeleted)));
        assert!(matches!(delete(&client, "a", state).await, Err(Error::ResourceDeleted)));
    }
    assert!(matches!(client.get_stream_metadata("a", &plain()).await, Err(Error::ResourceDeleted)));
    let few = StreamMetadataBuilder::new().max_count(2).build();
    client.set_stream_metadata("a", &plain(), &few).await.unwrap();
    tombstone(&client, "never", StreamState::Any).await.unwrap();
    assert!(matches!(shown(&client, "never").await, Err(Error::ResourceDeleted)));
}

#[tokio::test]
async fn nothing_hides_a_stream_of_the_desk() {
    let desk = Desk::open();
    let record = |event_type: &str, data: &str| NewRecord {
        event_id: EventId(Uuid::new_v4()),
        event_type: event_type.into(),
        data: data.as_bytes().into(),
        metadata: std::sync::Arc::from([]),
    };
    let killed = vec![record("trading.Killed", "{}"), record("$streamDeleted", "")];
    let hidden = vec![record("$metadata", r#"{"$tb":9223372036854775807,"$maxCount":1}"#)];
    // However they came into the log: not through a door.
    for (stream, records) in [("account-1", killed), ("$$account-1", hidden)] {
        let stream = StreamId::new(stream).unwrap();
        desk.log.append(&stream, Expected::Any, records).await.unwrap();
    }
    let client = desk.client();
    assert_eq!(shown(&client, "account-1").await.unwrap(), [0, 1]);
    for stream in ["account-1", "$$account-1"] {
        assert!(matches!(delete(&client, stream, StreamState::Any).await, Err(Error::AccessDenied)));
        assert!(matches!(tombstone(&client, stream, StreamState::Any).await, Err(Error::AccessDenied)));
    }
    let all = StreamMetadataBuilder::new().max_count(1).build();
    let refused = client.set_stream_metadata("account-1", &plain(), &all).await;
    assert!(matches!(refused, Err(Error::AccessDenied)), "{refused:?}");
}

#[tokio::test]
async fn appends_and_deletions_at_once_leave_a_stream_whole() {
    let desk = Desk::open();
    let client = desk.client();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..25 {
                if worker % 4 == 0 {
                    let _ = delete(&client, "busy", StreamState::Any).await;
                } else {
                    client.append_to_stream("busy", &at(StreamState::Any), events("x", 2)).await.unwrap();
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let kept = client.append_to_stream("busy", &at(StreamState::Any), events("x", 1)).await.unwrap();
    assert_eq!(kept.next_expected_version, 6 * 25 * 2);
    let revisions = shown(&client, "busy").await.unwrap();
    let first = *revisions.first().unwrap();
    assert_eq!(revisions, (first..=300).collect::<Vec<_>>());
}
