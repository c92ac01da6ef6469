//! Appends of the official client: what is kept, what is refused, and how it is told.

use crate::support::{Desk, event, events, shown};
use eventstore::{AppendToStreamOptions, Error, EventData, StreamState};
use serde_json::json;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::{Direction, Revision, StreamId};
use stele_kurrent::Outside;
use uuid::Uuid;

fn at(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

#[tokio::test]
async fn what_is_appended_is_told_with_its_revision_and_place() {
    let desk = Desk::open();
    let client = desk.client();
    let first =
        client.append_to_stream("orders-1", &at(StreamState::NoStream), events("Placed", 3)).await.unwrap();
    assert_eq!((first.next_expected_version, first.position.commit, first.position.prepare), (2, 3, 3));
    let second = client
        .append_to_stream("orders-1", &at(StreamState::StreamRevision(2)), events("Paid", 1))
        .await
        .unwrap();
    assert_eq!((second.next_expected_version, second.position.commit), (3, 4));
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_stream_that_is_elsewhere_is_told_where_it_is() {
    let desk = Desk::open();
    let client = desk.client();
    client.append_to_stream("orders-1", &at(StreamState::Any), events("Placed", 2)).await.unwrap();
    for (state, believed) in [
        (StreamState::NoStream, "NoStream"),
        (StreamState::StreamRevision(0), "StreamRevision(0)"),
        (StreamState::StreamRevision(7), "StreamRevision(7)"),
    ] {
        let refused = client.append_to_stream("orders-1", &at(state), events("Paid", 1)).await.unwrap_err();
        let Error::WrongExpectedVersion { expected, current } = refused else { panic!("{refused:?}") };
        assert_eq!(format!("{expected:?}"), believed);
        assert_eq!(format!("{current:?}"), "Current(1)");
    }
    let refused = client.append_to_stream("none-1", &at(StreamState::StreamExists), events("Paid", 1)).await;
    let Err(Error::WrongExpectedVersion { current, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(format!("{current:?}"), "NoStream");
}

#[tokio::test]
async fn an_append_that_comes_again_gets_the_first_answer() {
    let desk = Desk::open();
    let client = desk.client();
    let offered: Vec<EventData> =
        (0..3).map(|index| event("Placed", index).id(Uuid::from_u128(index as u128 + 1))).collect();
    for state in [StreamState::NoStream, StreamState::Any] {
        let first = client.append_to_stream("orders-1", &at(state), offered.clone()).await.unwrap();
        assert_eq!((first.next_expected_version, first.position.commit), (2, 3));
    }
    client.append_to_stream("orders-1", &at(StreamState::Any), events("Paid", 1)).await.unwrap();
    let again =
        client.append_to_stream("orders-1", &at(StreamState::NoStream), offered.clone()).await.unwrap();
    assert_eq!((again.next_expected_version, again.position.commit), (2, 3));
    let other = client.append_to_stream("orders-1", &at(StreamState::NoStream), events("Placed", 3)).await;
    assert!(matches!(other, Err(Error::WrongExpectedVersion { .. })), "{other:?}");
    assert_eq!(shown(&client, "orders-1").await.unwrap(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn data_metadata_and_content_type_come_back_to_the_byte() {
    let desk = Desk::open();
    let client = desk.client();
    let bytes: Vec<u8> = (0..=255).collect();
    let json =
        EventData::json("Json", &json!({"a": 1})).unwrap().metadata_as_json(&json!({"by": "ann"})).unwrap();
    let binary = EventData::binary("Binary", bytes.clone().into()).metadata(bytes.clone().into());
    let sly = EventData::json("Sly", &json!({})).unwrap().metadata(b"{\"$outside\":{}}".to_vec().into());
    client.append_to_stream("mixed", &at(StreamState::NoStream), vec![json, binary, sly]).await.unwrap();
    let mut read = client.read_stream("mixed", &eventstore::ReadStreamOptions::default()).await.unwrap();
    let mut told = vec![];
    while let Some(event) = read.next().await.unwrap() {
        told.extend(event.event);
    }
    assert_eq!((&*told[0].data, &*told[0].custom_metadata), (&b"{\"a\":1}"[..], &b"{\"by\":\"ann\"}"[..]));
    assert!(told[0].is_json && !told[1].is_json && told[2].is_json);
    assert_eq!((&*told[1].data, &*told[1].custom_metadata), (&*bytes, &*bytes));
    assert_eq!(&*told[2].custom_metadata, b"{\"$outside\":{}}");
    // The client shows whole seconds.
    assert_eq!(told[0].created.timestamp(), 1_795_132_800);
    assert_eq!(told[0].metadata.get("created").map(String::as_str), Some("17951328001234560"));
}

#[tokio::test]
async fn an_append_without_events_is_a_question() {
    let desk = Desk::open();
    let client = desk.client();
    let none = client.append_to_stream("orders-1", &at(StreamState::NoStream), Vec::<EventData>::new()).await;
    assert!(none.is_ok(), "{none:?}");
    let refused =
        client.append_to_stream("orders-1", &at(StreamState::StreamExists), Vec::<EventData>::new()).await;
    assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{refused:?}");
}

#[tokio::test]
async fn more_than_an_append_may_carry_is_refused_and_the_most_is_not() {
    let desk = Desk::open();
    let client = desk.client();
    let large = |bytes: usize| EventData::binary("Large", vec![7; bytes].into());
    let wrapping = r#"{"$outside":{"content-type":"application/octet-stream"},"metadata-base64":""}"#.len();
    let most = 16 * 1024 * 1024 - wrapping;
    client.append_to_stream("large", &at(StreamState::NoStream), large(most)).await.unwrap();
    let refused = client.append_to_stream("large", &at(StreamState::Any), large(most + 1)).await.unwrap_err();
    assert!(refused.to_string().contains("at most"), "{refused}");
    let refused =
        client.append_to_stream("many", &at(StreamState::Any), events("x", 4_097)).await.unwrap_err();
    assert!(refused.to_string().contains("4096"), "{refused}");
    client.append_to_stream("many", &at(StreamState::Any), events("x", 4_096)).await.unwrap();
}

#[tokio::test]
async fn a_desks_own_events_are_told_as_they_are_and_nobody_else_writes_them() {
    let desk = Desk::with(Outside::Everything);
    let strategy = desk.client_with("strategy");
    strategy
        .append_to_stream("strategy-btc-eure", &at(StreamState::Any), events("trading.Decided", 2))
        .await
        .unwrap();
    for (key, stream) in [("outside", "strategy-btc-eure"), ("strategy", "account-1"), ("admin", "orders-1")]
    {
        let refused = desk
            .client_with(key)
            .append_to_stream(stream, &at(StreamState::Any), events("trading.Killed", 1))
            .await;
        assert!(matches!(refused, Err(Error::AccessDenied)), "{key} {refused:?}");
    }
    assert_eq!(desk.denials.lock().unwrap().len(), 3);
    assert_eq!(shown(&desk.client_with("auditor"), "strategy-btc-eure").await.unwrap(), [0, 1]);
    let kept = StreamId::new("strategy-btc-eure").unwrap();
    let kept = desk.log.read_stream(&kept, Revision(0), Direction::Forward, 10).await.unwrap();
    assert_eq!((&*kept[0].data, &*kept[0].metadata), (&b"{\"index\":1}"[..], &b""[..]));
}

#[tokio::test]
async fn whoever_may_not_read_reads_nothing_and_strangers_get_no_further() {
    let desk = Desk::open();
    for key in ["viewer", "stranger"] {
        let refused =
            desk.client_with(key).read_stream("orders-1", &eventstore::ReadStreamOptions::default()).await;
        assert!(matches!(refused, Err(Error::AccessDenied)), "{key}");
    }
    let address = desk.address;
    let anonymous = format!("kurrentdb://{address}?tls=false&discoveryInterval=5").parse().unwrap();
    let anonymous = eventstore::Client::new(anonymous).unwrap();
    // Everybody may ask what the server can do.
    assert_eq!(anonymous.server_info().await.unwrap().version().major(), 26);
    let refused = anonymous.read_stream("orders-1", &eventstore::ReadStreamOptions::default()).await;
    assert!(matches!(refused, Err(Error::AccessDenied)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_not_kept_waiting_for_an_acknowledgement() {
    let desk = Desk::open();
    let client = desk.client();
    let mut fastest = Duration::MAX;
    for _ in 0..30 {
        let began = Instant::now();
        client.append_to_stream("orders-1", &at(StreamState::Any), events("Placed", 1)).await.unwrap();
        fastest = fastest.min(began.elapsed());
    }
    // This client leaves Nagle's algorithm on: 40 ms each, were the socket to put its acknowledgements off.
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}
