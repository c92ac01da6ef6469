//! A key that is taken back while something is open by it, and those who never had one: over bare messages, so that
//! nothing is asked again.

use crate::support::{Desk, events, plain};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use stele_proto::kurrent::client::streams::read_req::options as read;
use stele_proto::kurrent::client::streams::streams_client::StreamsClient;
use stele_proto::kurrent::client::streams::{
    AppendReq, BatchAppendReq, ReadReq, append_req, batch_append_req, read_req, read_resp,
};
use stele_proto::kurrent::client::{Empty, StreamIdentifier, Uuid as WireUuid, uuid as wire};
use stele_proto::kurrent::v2::streams_service_client::StreamsServiceClient;
use stele_proto::kurrent::v2::{AppendRecord, AppendRequest, SchemaInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// What is silent looks every five seconds at least.
const SECONDS: Duration = Duration::from_secs(15);

async fn channel(desk: &Desk) -> Channel {
    Channel::from_shared(format!("http://{}", desk.address)).unwrap().connect().await.unwrap()
}

async fn streams(desk: &Desk) -> StreamsClient<Channel> {
    StreamsClient::new(channel(desk).await)
}

fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

fn take_back(desk: &Desk, key: &str) {
    desk.revoked.lock().unwrap().insert(format!("service:{key}"));
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SECONDS, work).await.expect("within seconds")
}

fn taken_back(end: &Status) {
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
    assert!(end.message().contains("taken back"), "{end:?}");
}

/// A stream of messages that somebody else feeds.
fn fed<T: Send + 'static>() -> (mpsc::Sender<T>, impl stream::Stream<Item = T> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver))))
}

fn read_of(name: &[u8], count: read::CountOption) -> ReadReq {
    let stream_identifier = Some(StreamIdentifier { stream_name: name.to_vec().into() });
    let start = Some(read::stream_options::RevisionOption::Start(Empty {}));
    let options = read::StreamOptions { stream_identifier, revision_option: start };
    ReadReq {
        options: Some(read_req::Options {
            stream_option: Some(read::StreamOption::Stream(options)),
            read_direction: 0,
            resolve_links: false,
            count_option: Some(count),
            filter_option: None,
            uuid_option: Some(read::UuidOption {
                content: Some(read::uuid_option::Content::String(Empty {})),
            }),
            control_option: None,
        }),
    }
}

async fn many(desk: &Desk, stream: &str, count: usize) {
    for _ in 0..count / 1_000 {
        desk.client().append_to_stream(stream, &plain(), events("x", 1_000)).await.unwrap();
    }
}

#[tokio::test]
async fn a_long_read_ends_in_the_middle_of_what_there_is() {
    let desk = Desk::open();
    many(&desk, "long", 40_000).await;
    let mut client = streams(&desk).await;
    let request = with_key("auditor", read_of(b"long", read::CountOption::Count(u64::MAX)));
    let mut reading = client.read(request).await.unwrap().into_inner();
    reading.message().await.unwrap().unwrap();
    take_back(&desk, "auditor");
    let mut told = 1;
    let end = soon(async {
        loop {
            match reading.message().await {
                Ok(Some(_)) => told += 1,
                Ok(None) => return None,
                Err(end) => return Some(end),
            }
        }
    });
    taken_back(&end.await.expect("no good end"));
    // What was on its way before may still arrive: the windows of the connection, and no page more.
    assert!(told < 10_000, "{told} events were told");
}

#[tokio::test]
async fn readers_that_take_nothing_hold_nothing_once_their_key_is_taken_back() {
    let desk = Desk::open();
    many(&desk, "long", 20_000).await;
    let mut client = streams(&desk).await;
    let request = || with_key("auditor", read_of(b"long", read::CountOption::Count(u64::MAX)));
    let mut unread = vec![];
    let full = loop {
        match client.read(request()).await {
            Ok(reading) => unread.push(reading),
            Err(full) => break full,
        }
    };
    assert_eq!((full.code(), unread.len()), (Code::Unavailable, 256));
    take_back(&desk, "auditor");
    // A new key of the same owner finds room as soon as the old one's places are given back.
    let again = soon(async {
        loop {
            desk.revoked.lock().unwrap().clear();
            let answer = client.read(request()).await;
            if answer.is_ok() {
                return;
            }
            take_back(&desk, "auditor");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    again.await;
}

#[tokio::test]
async fn nothing_that_comes_after_a_key_was_taken_back_is_told_to_its_subscription() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let live = read::CountOption::Subscription(read::SubscriptionOptions {});
    let mut reading = client.read(with_key("auditor", read_of(b"a", live))).await.unwrap().into_inner();
    loop {
        let message = soon(reading.message()).await.unwrap().unwrap();
        if matches!(message.content, Some(read_resp::Content::CaughtUp(_))) {
            break;
        }
    }
    take_back(&desk, "auditor");
    desk.client().append_to_stream("a", &plain(), events("x", 1)).await.unwrap();
    taken_back(&soon(reading.message()).await.unwrap_err());
}

fn proposed() -> append_req::ProposedMessage {
    let id = WireUuid { value: Some(wire::Value::String("b0a1c2d3-0000-4000-8000-000000000001".to_owned())) };
    let metadata = [("type", "x"), ("content-type", "application/json")];
    append_req::ProposedMessage {
        id: Some(id),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        custom_metadata: vec![].into(),
        data: b"{}".to_vec().into(),
    }
}

#[tokio::test]
async fn an_append_that_is_half_said_ends_and_nothing_of_it_is_kept() {
    let desk = Desk::open();
    let mut client = streams(&desk).await;
    let (sender, parts) = fed();
    let options = append_req::Options {
        stream_identifier: Some(StreamIdentifier { stream_name: b"a-1".to_vec().into() }),
        expected_stream_revision: Some(append_req::options::ExpectedStreamRevision::Any(Empty {})),
    };
    sender.send(AppendReq { content: Some(append_req::Content::Options(options)) }).await.unwrap();
    let event = append_req::Content::ProposedMessage(proposed());
    sender.send(AppendReq { content: Some(event) }).await.unwrap();
    let ended = tokio::spawn(async move { client.append(with_key("outside", parts)).await });
    take_back(&desk, "outside");
    taken_back(&soon(ended).await.unwrap().unwrap_err());
    drop(sender);
    assert_eq!(desk.log.head().await.unwrap().0, 0);
}

#[tokio::test]
async fn a_session_that_is_half_said_ends_and_nothing_of_it_is_kept() {
    let desk = Desk::open();
    let mut client = StreamsServiceClient::new(channel(&desk).await);
    let (sender, parts) = fed();
    let schema = Some(SchemaInfo { format: 1, name: "x".to_owned(), id: None });
    let record = AppendRecord {
        record_id: None,
        properties: std::collections::BTreeMap::new(),
        schema,
        data: vec![].into(),
        stream: None,
    };
    let request = AppendRequest { stream: "a-1".to_owned(), records: vec![record], expected_revision: None };
    sender.send(request).await.unwrap();
    let ended = tokio::spawn(async move { client.append_session(with_key("outside", parts)).await });
    take_back(&desk, "outside");
    taken_back(&soon(ended).await.unwrap().unwrap_err());
    drop(sender);
    assert_eq!(desk.log.head().await.unwrap().0, 0);
}

fn whole_batch(number: u32) -> BatchAppendReq {
    let id = format!("b0a1c2d3-0000-4000-8000-{number:012}");
    let id = Some(WireUuid { value: Some(wire::Value::String(id)) });
    let options = batch_append_req::Options {
        stream_identifier: Some(StreamIdentifier { stream_name: b"a-1".to_vec().into() }),
        deadline_option: None,
        expected_stream_position: Some(batch_append_req::options::ExpectedStreamPosition::Any(Empty {})),
    };
    let append_req::ProposedMessage { metadata, custom_metadata, data, .. } = proposed();
    let message = batch_append_req::ProposedMessage { id: id.clone(), metadata, custom_metadata, data };
    BatchAppendReq {
        correlation_id: id,
        options: Some(options),
        proposed_messages: vec![message],
        is_final: true,
    }
}

#[tokio::test]
async fn a_batch_ends_though_nothing_is_said_and_keeps_nothing_that_comes_after() {
    for silent in [true, false] {
        let desk = Desk::open();
        let mut client = streams(&desk).await;
        let (sender, parts) = fed();
        sender.send(whole_batch(1)).await.unwrap();
        let mut answers = client.batch_append(with_key("outside", parts)).await.unwrap().into_inner();
        assert!(soon(answers.message()).await.unwrap().is_some());
        take_back(&desk, "outside");
        if !silent {
            sender.send(whole_batch(2)).await.unwrap();
        }
        taken_back(&soon(answers.message()).await.unwrap_err());
        assert_eq!(desk.log.head().await.unwrap().0, 1, "silent: {silent}");
    }
}

#[tokio::test]
async fn strangers_do_not_take_every_connection_and_who_is_known_is_none_of_them() {
    let desk = Desk::open();
    let mut known = streams(&desk).await;
    let read = || with_key("auditor", read_of(b"none", read::CountOption::Count(1)));
    known.read(read()).await.unwrap();
    let mut strangers = vec![];
    for _ in 0..80 {
        let mut stranger = TcpStream::connect(desk.address).await.unwrap();
        stranger.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        strangers.push(stranger);
    }
    // Whoever is beyond the share of one address is hung up on at once; the others hear the settings.
    let mut heard = 0;
    for stranger in &mut strangers {
        let mut first = [0; 1];
        if let Ok(1) = soon(stranger.read(&mut first)).await {
            heard += 1;
        }
    }
    assert_eq!(heard, 64);
    soon(known.read(read())).await.unwrap();
    drop(strangers);
    let mut next = soon(async {
        loop {
            if let Ok(mut client) = next_client(&desk).await
                && client.read(read()).await.is_ok()
            {
                return client;
            }
        }
    })
    .await;
    next.read(read()).await.unwrap();
}

async fn next_client(desk: &Desk) -> Result<StreamsClient<Channel>, tonic::transport::Error> {
    let endpoint = Channel::from_shared(format!("http://{}", desk.address)).unwrap();
    endpoint.connect().await.map(StreamsClient::new)
}

#[tokio::test]
async fn whoever_comes_with_too_many_wrong_keys_loses_the_connection_and_nobody_else_does() {
    let desk = Desk::open();
    let (mut wrong, mut right) = (streams(&desk).await, streams(&desk).await);
    let request = |key| with_key(key, read_of(b"none", read::CountOption::Count(1)));
    right.read(request("auditor")).await.unwrap();
    let refused = soon(async {
        let mut refused = 0;
        while wrong.read(request("stranger")).await.is_err_and(|no| no.code() == Code::Unauthenticated) {
            refused += 1;
        }
        refused
    });
    assert!(refused.await >= 50);
    for _ in 0..100 {
        right.read(request("auditor")).await.unwrap().into_inner().next().await;
    }
}
