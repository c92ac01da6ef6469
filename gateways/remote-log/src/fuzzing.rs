//! What fuzzers call: messages between processes of a desk, from bytes that the other side may have sent. Each function
//! takes any bytes, comes to an end without a panic, and what is understood is said again in the same words. It returns what
//! of the bytes was taken, by name: a test sees to it that the examples come to everything.

use crate::proof::Proof;
use crate::stat::Stat;
use crate::{failure, page, wire};
use prost::Message;
use stele_domain::port::event_log::{Direction, Expected, LogError, Revision, StreamId};
use stele_proto::log::v1 as proto;
use tonic::{Code, Status};

/// A message of any method. They are told apart by the method and not by their bytes, so the bytes are looked at as each.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn message(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    if let Ok(request) = proto::AppendRequest::decode(bytes) {
        reached.extend(append(request));
    }
    if let Ok(read) = page::page_in(bytes) {
        assert_eq!(page::page_in(&page::page_out(&read)).as_ref(), Ok(&read));
        // What is read by hand is what the generated reader makes of it, which minds also what is said twice.
        if let Ok(page) = proto::Page::decode(bytes) {
            assert_eq!(page.records.len(), read.records.len(), "two readers of one page");
        }
        reached.extend((!read.records.is_empty()).then_some("page"));
    }
    if let Ok(request) = proto::ReadStreamRequest::decode(bytes) {
        let stream = wire::stream(&request.stream);
        if let Ok(direction) = wire::direction_in(request.direction) {
            assert_eq!(wire::direction_in(wire::direction_out(direction).into()), Ok(direction));
            reached.extend(stream.is_ok().then_some("read"));
        }
        assert!(wire::limit_in(request.limit) <= wire::PAGE_RECORDS_MAX, "a page of {}", request.limit);
    }
    if let Ok(filter) = proto::Filter::decode(bytes) {
        let read = wire::filter_in(Some(filter.clone()));
        assert_eq!(wire::filter_out(&read), filter);
        reached.extend((filter != proto::Filter::default()).then_some("filter"));
    }
    if let Ok(told) = proto::ProveResponse::decode(bytes)
        && let Ok(proof) = Proof::try_from(told)
    {
        assert_eq!(Proof::try_from(proto::ProveResponse::from(proof.clone())), Ok(proof));
        reached.push("proof");
    }
    if let Ok(told) = proto::StatResponse::decode(bytes)
        && let Ok(stat) = Stat::try_from(told)
    {
        assert_eq!(Stat::try_from(proto::StatResponse::from(stat.clone())), Ok(stat));
        reached.push("stat");
    }
    reached
}

/// How a no crosses the wire: the details of a status, which name it exactly.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn failure(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    for code in [Code::Aborted, Code::Unavailable, Code::PermissionDenied] {
        let told = failure::error(&Status::with_details(code, "no", bytes.to_vec().into()));
        let again = failure::error(&failure::status(&told));
        assert_eq!(again.is_transient(), told.is_transient(), "{told} becomes {again}");
        assert_eq!(again.to_string(), told.to_string());
        match told {
            LogError::Conflict { .. } => reached.push("conflict"),
            LogError::Full => reached.push("full"),
            LogError::Invalid(_)
            | LogError::Stopped(_)
            | LogError::Owned { .. }
            | LogError::Damaged { .. }
            | LogError::Lost(_)
            | LogError::Denied(_)
            | LogError::Unreachable(_) => {}
        }
    }
    reached
}

fn append(request: proto::AppendRequest) -> Vec<&'static str> {
    let mut reached = vec![];
    let stream = wire::stream(&request.stream);
    if let Ok(expected) = wire::expected_in(request.expected) {
        assert_eq!(wire::expected_in(Some(wire::expected_out(expected))), Ok(expected));
        reached.extend(stream.is_ok().then_some("append"));
    }
    for record in request.records.into_iter().filter_map(|record| wire::offer_in(record).ok()) {
        assert_eq!(wire::offer_in(wire::offer_out(&record)).as_ref(), Ok(&record));
        reached.push("record");
    }
    reached
}

/// What fuzzing begins with: an example of each message, by the function that it is for.
#[must_use]
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let record = proto::NewRecord {
        event_id: vec![7; 16],
        event_type: "test.Happened".to_owned(),
        data: b"{}".to_vec(),
        metadata: b"{}".to_vec(),
    };
    let kept = proto::Record {
        position: 9,
        stream: "account-desk".to_owned(),
        revision: 3,
        event_id: vec![7; 16],
        event_type: "test.Happened".to_owned(),
        data: b"{}".to_vec(),
        metadata: vec![],
        recorded_at_us: 1_700_000_000_000_000,
    };
    let expected = || Some(wire::expected_out(Expected::Exactly(Revision(4))));
    let stream = || "account-desk".to_owned();
    let append = proto::AppendRequest { stream: stream(), expected: expected(), records: vec![record] };
    let direction = wire::direction_out(Direction::Backward).into();
    let read = proto::ReadStreamRequest { stream: stream(), from: 5, direction, limit: 100 };
    let categories = [("account".to_owned(), 4)].into();
    let stat = proto::StatResponse { log_id: vec![1; 16], events: 4, categories, ..Default::default() };
    let proof = proto::ProveResponse { path: vec![vec![9; 32]], payload: vec![1, 2], ..Default::default() };
    let conflict = StreamId::new("account-desk").map(|stream| {
        let (expected, actual) = (Expected::Exactly(Revision(4)), Some(Revision(5)));
        failure::status(&LogError::Conflict { stream, expected, actual }).details().to_vec()
    });
    vec![
        ("remote_log_message", "append", append.encode_to_vec()),
        (
            "remote_log_message",
            "page",
            proto::Page { records: vec![kept], next: 10, head: 12 }.encode_to_vec(),
        ),
        ("remote_log_message", "read-stream", read.encode_to_vec()),
        ("remote_log_message", "stat", stat.encode_to_vec()),
        ("remote_log_message", "proof", proof.encode_to_vec()),
        ("remote_log_failure", "conflict", conflict.unwrap_or_default()),
        ("remote_log_failure", "full", failure::status(&LogError::Full).details().to_vec()),
    ]
}
