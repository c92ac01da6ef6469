//! What no client of good will sends, over the generated messages themselves: each is a clear no, and the door goes on.
#![expect(clippy::unnecessary_wraps, reason = "whatever may be left out of a message is optional in it")]

use crate::support::Desk;
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::time::Duration;
use stele_proto::kurrent::client::streams::read_req::options as read;
use stele_proto::kurrent::client::streams::streams_client::StreamsClient;
use stele_proto::kurrent::client::streams::{
    AppendReq, BatchAppendReq, DeleteReq, ReadReq, TombstoneReq, append_req, batch_append_req,
    batch_append_resp, read_req, read_resp,
};
use stele_proto::kurrent::client::{Empty, StreamIdentifier, Uuid as WireUuid, uuid as wire};
use stele_proto::kurrent::v2::streams_service_client::StreamsServiceClient;
use stele_proto::kurrent::v2::{AppendRecord, AppendRecordsRequest, SchemaInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

pub async fn channel(desk: &Desk) -> Channel {
    Channel::from_shared(format!("http://{}", desk.address)).unwrap().connect().await.unwrap()
}

pub async fn streams(desk: &Desk) -> StreamsClient<Channel> {
    StreamsClient::new(channel(desk).await).max_decoding_message_size(17 * 1024 * 1024)
}

pub fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer outside".parse().unwrap());
    request
}

fn named(name: &[u8]) -> Option<StreamIdentifier> {
    Some(StreamIdentifier { stream_name: name.to_vec().into() })
}

pub fn text_id(text: &str) -> Option<WireUuid> {
    Some(WireUuid { value: Some(wire::Value::String(text.to_owned())) })
}

fn id() -> Option<WireUuid> {
    text_id("b0a1c2d3-0000-4000-8000-000000000001")
}

pub fn to(name: &[u8]) -> AppendReq {
    let options = append_req::Options {
        stream_identifier: named(name),
        expected_stream_revision: Some(append_req::options::ExpectedStreamRevision::Any(Empty {})),
    };
    AppendReq { content: Some(append_req::Content::Options(options)) }
}

pub fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn good() -> BTreeMap<String, String> {
    words(&[("type", "x"), ("content-type", "application/json")])
}

pub fn offered(id: Option<WireUuid>, metadata: BTreeMap<String, String>) -> AppendReq {
    let message = append_req::ProposedMessage {
        id,
        metadata,
        custom_metadata: vec![].into(),
        data: b"{}".to_vec().into(),
    };
    AppendReq { content: Some(append_req::Content::ProposedMessage(message)) }
}

fn trailer<'s>(status: &'s Status, key: &str) -> Option<&'s str> {
    status.metadata().get(key).and_then(|value| value.to_str().ok())
}

#[tokio::test]
async fn appends_that_make_no_sense_are_refused_and_say_why() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let none = AppendReq { content: None };
    let vague = AppendReq {
        content: Some(append_req::Content::Options(append_req::Options {
            stream_identifier: named(b"a-1"),
            expected_stream_revision: None,
        })),
    };
    let nameless = AppendReq {
        content: Some(append_req::Content::Options(append_req::Options {
            stream_identifier: None,
            expected_stream_revision: Some(append_req::options::ExpectedStreamRevision::Any(Empty {})),
        })),
    };
    let long = [("type", "x"), ("content-type", &*"y".repeat(200))];
    for (requests, word) in [
        (vec![], "begins with its options"),
        (vec![none.clone()], "empty"),
        (vec![offered(id(), good())], "begins with its options"),
        (vec![to(b"a-1"), to(b"a-1")], "options once"),
        (vec![vague], "expected to be"),
        (vec![nameless], "names no stream"),
        (vec![to(b"")], "no name"),
        (vec![to(b"\xff\xfe")], "UTF-8"),
        (vec![to(&[b'x'; 600])], "too long"),
        (vec![to(b"a-1"), offered(None, good())], "id is missing"),
        (vec![to(b"a-1"), offered(text_id("nonsense"), good())], "no UUID"),
        (vec![to(b"a-1"), offered(id(), words(&[("type", "x")]))], "content-type"),
        (vec![to(b"a-1"), offered(id(), words(&[("content-type", "x")]))], "\"type\""),
        (vec![to(b"a-1"), offered(id(), words(&[("type", ""), ("content-type", "x")]))], "1 to 256"),
        (
            vec![to(b"a-1"), offered(id(), words(&[("type", &"x".repeat(257)), ("content-type", "x")]))],
            "1 to 256",
        ),
        (
            vec![to(b"a-1"), offered(id(), words(&[("type", "$streamDeleted"), ("content-type", "x")]))],
            "deleting",
        ),
        (vec![to(b"a-1"), offered(id(), words(&long))], "content type"),
        (vec![to(b"$$a-1"), offered(id(), good())], "$metadata"),
        (vec![to(b"a-1"), offered(id(), good()), none], "empty"),
    ] {
        let refused = client.append(with_key(stream::iter(requests))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(word), "{word}: {}", refused.message());
    }
    let missing =
        client.append(with_key(stream::iter([to(b"a-1"), offered(id(), words(&[]))]))).await.unwrap_err();
    assert_eq!(trailer(&missing, "exception"), Some("missing-required-metadata-property"));
    assert_eq!(trailer(&missing, "required-metadata-properties"), Some("type"));
    // None of it is kept, and the door goes on.
    assert_eq!(desk.log.head().await.unwrap().0, 0);
    client.append(with_key(stream::iter([to(b"a-1"), offered(id(), good())]))).await.unwrap();
}

#[tokio::test]
async fn nobody_is_answered_without_a_key_that_can_be_read() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    for credential in
        [None, Some("Bearer stranger"), Some("Basic !!"), Some("Basic b3RoZXI6b3V0c2lkZQ=="), Some("")]
    {
        let mut request = Request::new(stream::iter([to(b"a-1"), offered(id(), good())]));
        if let Some(credential) = credential {
            request.metadata_mut().insert("authorization", credential.parse().unwrap());
        }
        let refused = client.append(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{credential:?} {refused:?}");
        assert_eq!(trailer(&refused, "exception"), Some("access-denied"));
    }
    let mut second = StreamsServiceClient::new(channel(&desk).await);
    let refused = second.append_records(AppendRecordsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

pub fn asked(
    stream_option: Option<read::StreamOption>,
    count_option: Option<read::CountOption>,
    read_direction: i32,
) -> ReadReq {
    let options = read_req::Options {
        stream_option,
        read_direction,
        resolve_links: false,
        count_option,
        filter_option: None,
        uuid_option: None,
        control_option: None,
    };
    ReadReq { options: Some(options) }
}

pub fn all(from: Option<read::all_options::AllOption>) -> Option<read::StreamOption> {
    Some(read::StreamOption::All(read::AllOptions { all_option: from }))
}

fn of(name: &[u8], from: Option<read::stream_options::RevisionOption>) -> Option<read::StreamOption> {
    let stream_identifier = named(name);
    Some(read::StreamOption::Stream(read::StreamOptions { stream_identifier, revision_option: from }))
}

#[tokio::test]
async fn reads_that_leave_something_out_are_refused_and_never_guessed() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let start = Some(read::all_options::AllOption::Start(Empty {}));
    let first = Some(read::stream_options::RevisionOption::Start(Empty {}));
    let count = Some(read::CountOption::Count(1));
    let live = Some(read::CountOption::Subscription(read::SubscriptionOptions {}));
    let mut filtered = asked(of(b"a-1", first), count, 0);
    if let Some(options) = &mut filtered.options {
        options.filter_option = Some(read::FilterOption::Filter(read::FilterOptions {
            filter: Some(
                read::filter_options::Filter::EventType(read::filter_options::Expression::default()),
            ),
            window: None,
            checkpoint_interval_multiplier: 1,
        }));
    }
    for (request, word) in [
        (ReadReq { options: None }, "what to read"),
        (asked(None, count, 0), "which stream"),
        (asked(all(None), count, 0), "which position"),
        (asked(of(b"a-1", None), count, 0), "which revision"),
        (asked(of(b"", first), count, 0), "no name"),
        (asked(all(start), None, 0), "how long"),
        (asked(all(start), count, 7), "direction"),
        (asked(all(start), live, 1), "forwards"),
        (filtered, "filtered"),
    ] {
        let refused = client.read(with_key(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(word), "{word}: {}", refused.message());
    }
}

#[tokio::test]
async fn the_largest_numbers_are_only_numbers() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    client.append(with_key(stream::iter([to(b"a-1"), offered(id(), good())]))).await.unwrap();
    let position = read::Position { commit_position: u64::MAX, prepare_position: u64::MAX };
    let last = Some(read::all_options::AllOption::Position(position));
    let revision = Some(read::stream_options::RevisionOption::Revision(u64::MAX));
    let most = Some(read::CountOption::Count(u64::MAX));
    for (request, expected) in [
        (asked(all(last), most, 0), 0),
        (asked(all(last), most, 1), 1),
        (asked(of(b"a-1", revision), most, 0), 0),
        (asked(of(b"a-1", revision), most, 1), 1),
        (
            asked(
                all(Some(read::all_options::AllOption::Start(Empty {}))),
                Some(read::CountOption::Count(0)),
                0,
            ),
            0,
        ),
    ] {
        let read = client.read(with_key(request)).await.unwrap().into_inner();
        assert_eq!(read.collect::<Vec<_>>().await.len(), expected);
    }
    // A subscription from beyond the end waits there.
    let live = Some(read::CountOption::Subscription(read::SubscriptionOptions {}));
    for what in [all(last), of(b"a-1", revision)] {
        let mut live = client.read(with_key(asked(what, live, 0))).await.unwrap().into_inner();
        let first = live.message().await.unwrap().and_then(|message| message.content);
        assert!(matches!(first, Some(read_resp::Content::Confirmation(_))));
        let second = live.message().await.unwrap().and_then(|message| message.content);
        assert!(matches!(second, Some(read_resp::Content::CaughtUp(_))));
    }
    for expected in [u64::MAX, 7] {
        let option = Some(append_req::options::ExpectedStreamRevision::Revision(expected));
        let options =
            append_req::Options { stream_identifier: named(b"a-1"), expected_stream_revision: option };
        let options = AppendReq { content: Some(append_req::Content::Options(options)) };
        let answer = client
            .append(with_key(stream::iter([
                options,
                offered(text_id("b0a1c2d3-0000-4000-8000-000000000002"), good()),
            ])))
            .await;
        let answer = answer.unwrap().into_inner();
        assert!(matches!(
            answer.result,
            Some(stele_proto::kurrent::client::streams::append_resp::Result::WrongExpectedVersion(_))
        ));
    }
}

pub fn part(correlation: &str, options: Option<batch_append_req::Options>, is_final: bool) -> BatchAppendReq {
    let message = batch_append_req::ProposedMessage {
        id: id(),
        metadata: good(),
        custom_metadata: vec![].into(),
        data: vec![b'1'; 1024 * 1024].into(),
    };
    BatchAppendReq {
        correlation_id: text_id(correlation),
        options,
        proposed_messages: vec![message],
        is_final,
    }
}

pub fn batch_options() -> Option<batch_append_req::Options> {
    Some(batch_append_req::Options {
        stream_identifier: named(b"a-1"),
        expected_stream_position: Some(batch_append_req::options::ExpectedStreamPosition::Any(Empty {})),
        // Clients put a moment here, or hundreds of thousands of years.
        deadline_option: Some(batch_append_req::options::DeadlineOption::Deadline(prost_types::Duration {
            seconds: i64::MAX,
            nanos: i32::MIN,
        })),
    })
}

#[tokio::test]
async fn one_append_of_a_batch_that_goes_wrong_leaves_the_others_alone() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let (large, vague, fine) = (
        "b0a1c2d3-0000-4000-8000-00000000000a",
        "b0a1c2d3-0000-4000-8000-00000000000b",
        "b0a1c2d3-0000-4000-8000-00000000000c",
    );
    let mut requests = vec![part(large, batch_options(), false)];
    requests.extend((0..20).map(|_| part(large, None, false)));
    requests.extend([part(large, None, true), part(vague, None, false), part(vague, None, true)]);
    requests.extend([part(fine, batch_options(), false), part(fine, None, true)]);
    let answers = client.batch_append(with_key(stream::iter(requests))).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap()).collect().await;
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let error = match &answer.result {
                Some(batch_append_resp::Result::Error(error)) => Some(error.code),
                Some(batch_append_resp::Result::Success(_)) | None => None,
            };
            (answer.correlation_id.clone(), error)
        })
        .collect();
    assert_eq!(told, [(text_id(large), Some(3)), (text_id(vague), Some(3)), (text_id(fine), None)]);
    assert!(answers.iter().all(|answer| answer.stream_identifier.is_some()));
}

#[tokio::test]
async fn a_batch_that_begins_appends_without_end_is_ended() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let requests = (0..300_u32).map(|number| {
        let mut begun = part(&format!("b0a1c2d3-0000-4000-8000-{number:012}"), batch_options(), false);
        begun.proposed_messages.clear();
        begun
    });
    let mut answers =
        client.batch_append(with_key(stream::iter(requests.collect::<Vec<_>>()))).await.unwrap().into_inner();
    let end = answers.message().await.unwrap_err();
    assert!(end.message().contains("complete some"), "{end:?}");
    let nameless = BatchAppendReq { correlation_id: None, ..part("x", batch_options(), true) };
    let mut answers = client.batch_append(with_key(stream::iter([nameless]))).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn deletions_without_options_are_refused() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let refused = client.delete(with_key(DeleteReq { options: None })).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = client.tombstone(with_key(TombstoneReq { options: None })).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn records_of_the_second_generation_that_make_no_sense_are_refused() {
    let desk = Desk::open();
    let mut client = StreamsServiceClient::new(channel(&desk).await);
    let schema = |format| Some(SchemaInfo { format, name: "x".to_owned(), id: None });
    let record = AppendRecord {
        record_id: None,
        properties: BTreeMap::new(),
        schema: schema(1),
        data: vec![].into(),
        stream: Some("a-1".to_owned()),
    };
    for (records, word) in [
        (vec![], "no records"),
        (vec![AppendRecord { stream: None, ..record.clone() }], "names no stream"),
        (vec![AppendRecord { stream: Some(String::new()), ..record.clone() }], "no name"),
        (vec![AppendRecord { stream: Some("$$a-1".to_owned()), ..record.clone() }], "first generation"),
        (vec![AppendRecord { schema: None, ..record.clone() }], "no schema"),
        (vec![AppendRecord { schema: schema(0), ..record.clone() }], "no format"),
        (vec![AppendRecord { schema: schema(99), ..record.clone() }], "no format"),
        (vec![AppendRecord { record_id: Some("x".to_owned()), ..record.clone() }], "no UUID"),
    ] {
        let refused = client
            .append_records(with_key(AppendRecordsRequest { records, checks: vec![] }))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(word), "{word}: {}", refused.message());
    }
    client
        .append_records(with_key(AppendRecordsRequest { records: vec![record], checks: vec![] }))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_message_beyond_every_limit_is_refused() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let huge = append_req::ProposedMessage {
        id: id(),
        metadata: good(),
        custom_metadata: vec![].into(),
        data: vec![0; 18 * 1024 * 1024].into(),
    };
    let huge = AppendReq { content: Some(append_req::Content::ProposedMessage(huge)) };
    let refused = client.append(with_key(stream::iter([to(b"a-1"), huge]))).await.unwrap_err();
    assert_eq!(trailer(&refused, "exception"), Some("maximum-append-size-exceeded"), "{refused:?}");
    assert_eq!(trailer(&refused, "maximum-append-size"), Some("16777216"));
}

#[tokio::test]
async fn readers_that_never_read_and_appends_that_never_end_hold_up_nobody() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let mut other = streams(&desk).await;
    for number in 0..40_u32 {
        let mut record = offered(text_id(&format!("b0a1c2d3-0000-4000-8000-{number:012}")), good());
        if let Some(append_req::Content::ProposedMessage(message)) = &mut record.content {
            message.data = vec![7; 256 * 1024].into();
        }
        client.append(with_key(stream::iter([to(b"a-1"), record]))).await.unwrap();
    }
    let start = || all(Some(read::all_options::AllOption::Start(Empty {})));
    let mut unread = vec![];
    for _ in 0..50 {
        let request = asked(start(), Some(read::CountOption::Count(u64::MAX)), 0);
        unread.push(client.read(with_key(request)).await.unwrap().into_inner());
    }
    // Half an append, and half a batch of the same stream, on the connection of nobody else.
    let mut halves = vec![];
    for _ in 0..20 {
        let (sender, receiver) = mpsc::channel(4);
        sender.send(to(b"a-1")).await.unwrap();
        sender.send(offered(id(), good())).await.unwrap();
        let half = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let mut client = client.clone();
        halves.push((sender, tokio::spawn(async move { client.append(with_key(half)).await.map(drop) })));
    }
    let appended = other.append(with_key(stream::iter([
        to(b"a-1"),
        offered(text_id("b0a1c2d3-0000-4000-8000-00000000ffff"), good()),
    ])));
    tokio::time::timeout(Duration::from_secs(20), appended).await.unwrap().unwrap();
    let read = other
        .read(with_key(asked(start(), Some(read::CountOption::Count(5)), 0)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(20), read.collect::<Vec<_>>()).await.unwrap().len(),
        5
    );
    for (sender, half) in halves {
        half.abort();
        drop(sender);
    }
    drop(unread);
}

#[tokio::test]
async fn whoever_does_not_speak_the_protocol_at_all_is_hung_up_on() {
    let desk = Desk::open();
    for words in [
        &b""[..],
        &b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x05hello",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let mut socket = tokio::net::TcpStream::connect(desk.address).await.unwrap();
        socket.write_all(words).await.unwrap();
        let mut answer = vec![];
        let end = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "it is still waited for");
    }
    assert!(
        streams(&desk)
            .await
            .append(with_key(stream::iter([to(b"a-1"), offered(id(), good())])))
            .await
            .is_ok()
    );
}
