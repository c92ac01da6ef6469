//! The words of the definitions, whatever a record holds.

use super::{Told, read_event};
use crate::envelope;
use crate::outward::IdForm;
use bytes::Bytes;
use prost::Message as _;
use quickcheck::quickcheck;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Position, Record, Revision, StreamId};
use stele_domain::time::Timestamp;
use stele_proto::kurrent::client::streams::read_resp::ReadEvent;
use stele_proto::kurrent::client::streams::read_resp::read_event::{Position as At, RecordedEvent};
use stele_proto::kurrent::client::{StreamIdentifier, Uuid as WireUuid, uuid as wire};
use uuid::Uuid;

fn record(stream: &str, metadata: &[u8], data: &[u8], id: Uuid, micros: i64) -> Record {
    Record {
        position: Position(300),
        stream: StreamId::new(stream).unwrap(),
        revision: Revision(0),
        event_id: EventId(id),
        event_type: "test.Happened".into(),
        data: data.into(),
        metadata: metadata.into(),
        recorded_at: Timestamp::from_micros(micros),
    }
}

/// The generated message of a JSON event.
fn generated(record: &Record, name: &str, form: IdForm) -> RecordedEvent {
    let id = record.event_id.0;
    let (high, low) = id.as_u64_pair();
    let value = match form {
        IdForm::Text => wire::Value::String(id.to_string()),
        IdForm::Structured => wire::Value::Structured(wire::Structured {
            most_significant_bits: i64::from_be_bytes(high.to_be_bytes()),
            least_significant_bits: i64::from_be_bytes(low.to_be_bytes()),
        }),
    };
    RecordedEvent {
        id: Some(WireUuid { value: Some(value) }),
        stream_identifier: Some(StreamIdentifier { stream_name: Bytes::copy_from_slice(name.as_bytes()) }),
        stream_revision: record.revision.0,
        prepare_position: record.position.0,
        commit_position: record.position.0,
        metadata: BTreeMap::from([
            ("content-type".to_owned(), envelope::JSON.to_owned()),
            ("created".to_owned(), (record.recorded_at.micros() * 10).to_string()),
            ("type".to_owned(), record.event_type.to_string()),
        ]),
        custom_metadata: Bytes::copy_from_slice(&record.metadata),
        data: Bytes::copy_from_slice(&record.data),
    }
}

fn said_as_defined(record: &Record, name: &str) -> bool {
    [IdForm::Text, IdForm::Structured].into_iter().all(|form| {
        let event = generated(record, name, form);
        let position = Some(At::CommitPosition(record.position.0));
        let whole = ReadEvent { event: Some(event.clone()), link: None, position };
        let both = ReadEvent { event: Some(event.clone()), link: Some(event), position };
        let told = Told::of(record, form).unwrap();
        read_event(Some(&told), None, record.position) == whole.encode_to_vec()
            && read_event(Some(&told), Some(&told), record.position) == both.encode_to_vec()
    })
}

#[test]
fn an_event_is_told_as_its_definition_says() {
    quickcheck(
        (|data: Vec<u8>, metadata: Vec<u8>, id: u128, micros: u32| {
            said_as_defined(
                &record("order-1", &metadata, &data, Uuid::from_u128(id), i64::from(micros)),
                "order-1",
            )
        }) as fn(Vec<u8>, Vec<u8>, u128, u32) -> bool,
    );
    let large = vec![b'x'; 100_000];
    for (stream, name) in [("order-1", "order-1"), ("~-orders", "orders"), ("~-a%01", "a\u{1}")] {
        for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(1), Uuid::from_u128(1 << 64)] {
            assert!(said_as_defined(&record(stream, b"", b"", id, 0), name), "{stream} {id}");
            assert!(said_as_defined(&record(stream, b"{}", &large, id, -7), name), "{stream} {id}");
        }
    }
}

#[test]
fn what_is_no_json_is_told_with_its_own_content_type_and_metadata() {
    let kept = envelope::wrapped("text/plain", b"\xff\x00");
    let record = record("order-1", &kept, b"words", Uuid::from_u128(7), 5);
    let told = Told::of(&record, IdForm::Text).unwrap();
    let said = ReadEvent::decode(read_event(Some(&told), None, record.position)).unwrap().event.unwrap();
    assert_eq!(said.metadata.get("content-type").map(String::as_str), Some("text/plain"));
    assert_eq!((&said.custom_metadata[..], &said.data[..]), (&b"\xff\x00"[..], &b"words"[..]));
}

#[test]
fn a_stream_that_no_name_leads_to_is_not_told_and_a_link_without_its_event_is() {
    let lost = record("~-%41", b"", b"", Uuid::nil(), 0);
    assert!(Told::of(&lost, IdForm::Text).is_none());
    let link = record("order-1", b"", b"0@gone", Uuid::from_u128(1), 0);
    let told = Told::of(&link, IdForm::Text).unwrap();
    let said = ReadEvent::decode(read_event(None, Some(&told), Position(0))).unwrap();
    assert!(said.event.is_none() && said.link.is_some());
    assert_eq!(said.position, Some(At::CommitPosition(0)), "a place is said also where it is zero");
    let shared: Arc<str> = Arc::clone(&link.event_type);
    assert_eq!(said.link.unwrap().metadata.get("type").map(String::as_str), Some(&*shared));
}
