//! What fuzzers call: a client's messages from bytes that anybody may have sent, up to where they reach the log. Each
//! function takes any bytes, comes to an end without a panic and asserts what holds of all that is taken. It returns what of
//! the bytes was taken, by name: a test sees to it that the examples come to everything.

use crate::envelope::{self, Beside};
use crate::filter::Matcher;
use crate::inward::{self, Offer, Proposed};
use crate::name::{self, Name};
use crate::read::ask::{What, ask};
use crate::second;
use prost::Message;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, NewRecord, Position, Record, Revision, STREAM_ID_BYTES_MAX,
    StreamId,
};
use stele_domain::time::Timestamp;
use stele_proto::kurrent::client::streams::read_req::options as reading;
use stele_proto::kurrent::client::streams::{
    AppendReq, BatchAppendReq, DeleteReq, ReadReq, TombstoneReq, append_req, batch_append_req, delete_req,
    read_req, tombstone_req,
};
use stele_proto::kurrent::client::{Empty, StreamIdentifier, Uuid as WireUuid, uuid as wire};
use stele_proto::kurrent::v2::{AppendRecord, AppendRecordsRequest, SchemaInfo};
use uuid::Uuid;

/// A message of any method of the streams services. They are told apart by the method and not by their bytes, so the
/// bytes are looked at as each.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn message(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    if let Ok(request) = ReadReq::decode(bytes) {
        reached.extend(read(request));
    }
    if let Ok(request) = AppendReq::decode(bytes) {
        match request.content {
            Some(append_req::Content::Options(options)) => {
                let expected = inward::expected_of_append(options.expected_stream_revision);
                let taken = named(options.stream_identifier) && expected.is_ok();
                reached.extend(taken.then_some("append"));
            }
            Some(append_req::Content::ProposedMessage(message)) => {
                reached.extend(offered([message.into()]).then_some("event"));
            }
            None => {}
        }
    }
    if let Ok(request) = BatchAppendReq::decode(bytes) {
        let known = inward::id(request.correlation_id).is_ok();
        if let Some(options) = request.options {
            let expected = inward::expected_of_batch(options.expected_stream_position);
            let taken = named(options.stream_identifier) && expected.is_ok();
            reached.extend((taken && known).then_some("batch"));
        }
        let taken = offered(request.proposed_messages.into_iter().map(Proposed::from));
        reached.extend((taken && known).then_some("events of a batch"));
    }
    if let Some(options) = DeleteReq::decode(bytes).ok().and_then(|request| request.options) {
        let expected = inward::expected_of_delete(options.expected_stream_revision);
        reached.extend((named(options.stream_identifier) && expected.is_ok()).then_some("delete"));
    }
    if let Some(options) = TombstoneReq::decode(bytes).ok().and_then(|request| request.options) {
        let expected = inward::expected_of_tombstone(options.expected_stream_revision);
        reached.extend((named(options.stream_identifier) && expected.is_ok()).then_some("tombstone"));
    }
    if let Ok(request) = AppendRecordsRequest::decode(bytes) {
        let mut offer = Offer::default();
        for record in request.records.into_iter().filter_map(|record| second::offered(record).ok()) {
            kept(&record);
            reached.extend(offer.push(record).is_ok().then_some("record"));
        }
        bounded(&offer);
    }
    reached
}

/// The name of a stream, and metadata as the log has them.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn text(bytes: &[u8]) -> Vec<&'static str> {
    let taken = named(Some(StreamIdentifier { stream_name: bytes.to_vec().into() }));
    let mut reached: Vec<&str> = taken.then_some("name").into_iter().collect();
    if let Some(stream) = std::str::from_utf8(bytes).ok().and_then(|text| StreamId::new(text).ok())
        && let Some(text) = name::outside(&stream)
    {
        let back = Name::new(&text);
        assert!(back.is_ok_and(|name| *name.stream() == stream), "{text:?} leads to another stream");
        reached.push("stream of the log");
    }
    match envelope::unwrapped(bytes) {
        Beside::Json => {}
        Beside::Other { .. } => reached.push("envelope"),
    }
    for content_type in [envelope::JSON, envelope::BYTES, "text/plain"] {
        enveloped(content_type, bytes);
    }
    reached
}

fn enveloped(content_type: &str, metadata: &[u8]) {
    match envelope::unwrapped(&envelope::wrapped(content_type, metadata)) {
        Beside::Json => assert_eq!(content_type, envelope::JSON),
        Beside::Other { content_type: read, metadata: kept } => {
            assert_eq!((&*read, &*kept), (content_type, metadata), "it comes back as something else");
        }
    }
}

fn read(request: ReadReq) -> Vec<&'static str> {
    let Ok(asked) = ask(request) else { return vec![] };
    let What::All { filter: Some(matcher), .. } = asked.what else { return vec!["read"] };
    assert!(matcher.checkpoint_every > 0, "a filter without end between two checkpoints");
    wanted(&matcher);
    vec!["read", "filter"]
}

/// A filter decides on any record, or says that it can't.
fn wanted(matcher: &Matcher) {
    for (stream, event_type) in [("account-desk", "trading.SubmissionStarted"), ("~-a%00b", "x")] {
        let Ok(stream) = StreamId::new(stream) else { continue };
        let record = Record {
            position: Position(1),
            stream,
            revision: Revision(0),
            event_id: EventId(Uuid::from_u128(1)),
            event_type: event_type.into(),
            data: [].into(),
            metadata: [].into(),
            recorded_at: Timestamp::from_micros(0),
        };
        let _ = matcher.wants(&record);
    }
}

/// A name that is taken comes back, and fits the log. False when it is not taken.
fn named(identifier: Option<StreamIdentifier>) -> bool {
    let Ok(name) = inward::stream(identifier) else { return false };
    assert!(name.stream().as_str().len() <= STREAM_ID_BYTES_MAX, "{name} is too long for the log");
    assert_eq!(name::outside(name.stream()).as_deref(), Some(name.as_str()));
    if let Some(described) = name.described() {
        assert_eq!(described.describing().ok(), Some(name));
    }
    true
}

/// False when nothing of it is taken.
fn offered(messages: impl IntoIterator<Item = Proposed>) -> bool {
    let mut offer = Offer::default();
    for record in messages.into_iter().filter_map(|message| message.into_record().ok()) {
        kept(&record);
        let _ = offer.push(record);
    }
    bounded(&offer);
    !offer.records.is_empty()
}

/// What the log is offered of a record can be read again from what it keeps.
fn kept(record: &NewRecord) {
    assert!(!record.event_type.is_empty(), "a record without a type");
    let _ = envelope::unwrapped(&record.metadata);
}

fn bounded(offer: &Offer) {
    assert!(offer.records.len() <= APPEND_RECORDS_MAX, "{} records", offer.records.len());
    let bytes: usize = offer.records.iter().map(|record| record.data.len() + record.metadata.len()).sum();
    assert!(bytes <= APPEND_BYTES_MAX, "{bytes} bytes");
}

/// A reading of all streams by an expression on their names.
fn reading_filtered() -> ReadReq {
    let expression =
        reading::filter_options::Expression { regex: "^(?!sys)[a-z]+-\\d".to_owned(), prefix: vec![] };
    let filter = reading::FilterOptions {
        filter: Some(reading::filter_options::Filter::StreamIdentifier(expression)),
        window: Some(reading::filter_options::Window::Max(8)),
        checkpoint_interval_multiplier: 2,
    };
    let start = reading::all_options::AllOption::Start(Empty {});
    let options = read_req::Options {
        stream_option: Some(reading::StreamOption::All(reading::AllOptions { all_option: Some(start) })),
        count_option: Some(reading::CountOption::Count(5)),
        filter_option: Some(reading::FilterOption::Filter(filter)),
        ..read_req::Options::default()
    };
    ReadReq { options: Some(options) }
}

/// What fuzzing begins with: an example of each message, by the function that it is for.
#[must_use]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let stream = || Some(StreamIdentifier { stream_name: b"orders-1".to_vec().into() });
    let id = || Some(WireUuid { value: Some(wire::Value::String(Uuid::from_u128(7).to_string())) });
    let words = [("type", "Placed"), ("content-type", "application/octet-stream")];
    let metadata = || words.map(|(key, word)| (key.to_owned(), word.to_owned())).into();
    let event = append_req::ProposedMessage {
        id: id(),
        metadata: metadata(),
        custom_metadata: b"{\"a\":1}".to_vec().into(),
        data: b"data".to_vec().into(),
    };
    let begin = append_req::Options {
        stream_identifier: stream(),
        expected_stream_revision: Some(append_req::options::ExpectedStreamRevision::Revision(4)),
    };
    let begin_batch = batch_append_req::Options {
        stream_identifier: stream(),
        expected_stream_position: Some(batch_append_req::options::ExpectedStreamPosition::Any(Empty {})),
        ..batch_append_req::Options::default()
    };
    let proposed = batch_append_req::ProposedMessage {
        id: id(),
        metadata: metadata(),
        custom_metadata: vec![].into(),
        data: b"data".to_vec().into(),
    };
    let batch = BatchAppendReq {
        correlation_id: id(),
        options: Some(begin_batch),
        proposed_messages: vec![proposed],
        is_final: true,
    };
    let delete = delete_req::Options {
        stream_identifier: stream(),
        expected_stream_revision: Some(delete_req::options::ExpectedStreamRevision::Any(Empty {})),
    };
    let tombstone = tombstone_req::Options {
        stream_identifier: stream(),
        expected_stream_revision: Some(tombstone_req::options::ExpectedStreamRevision::Any(Empty {})),
    };
    let record = AppendRecord {
        stream: Some("orders-1".to_owned()),
        schema: Some(SchemaInfo { format: 1, name: "Placed".to_owned(), id: None }),
        ..AppendRecord::default()
    };
    let append = |content| AppendReq { content: Some(content) }.encode_to_vec();
    vec![
        ("kurrent_message", "read", reading_filtered().encode_to_vec()),
        ("kurrent_message", "append-options", append(append_req::Content::Options(begin))),
        ("kurrent_message", "append-event", append(append_req::Content::ProposedMessage(event))),
        ("kurrent_message", "batch", batch.encode_to_vec()),
        ("kurrent_message", "delete", DeleteReq { options: Some(delete) }.encode_to_vec()),
        ("kurrent_message", "tombstone", TombstoneReq { options: Some(tombstone) }.encode_to_vec()),
        (
            "kurrent_message",
            "records",
            AppendRecordsRequest { records: vec![record], checks: vec![] }.encode_to_vec(),
        ),
        ("kurrent_text", "name", b"$$orders".to_vec()),
        ("kurrent_text", "escaped", b"~-a%00%25b".to_vec()),
        ("kurrent_text", "own", b"account-desk".to_vec()),
        ("kurrent_text", "wrapped", envelope::wrapped("text/plain", b"\x00\xff")),
    ]
}
