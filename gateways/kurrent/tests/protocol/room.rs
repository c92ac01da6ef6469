//! Room for what comes in: nobody takes all of it, and nobody keeps it by never coming to an end.

use crate::hostile::{
    all, asked, batch_options, channel, good, offered, part, streams, text_id, to, with_key,
};
use crate::support::Desk;
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, stream};
use hyper::body::{Body as _, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use stele_proto::kurrent::client::Empty;
use stele_proto::kurrent::client::streams::read_req::options as read;
use stele_proto::kurrent::client::streams::streams_server::SERVICE_NAME;
use stele_proto::kurrent::client::streams::{batch_append_req, batch_append_resp};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic::transport::Channel;
use tonic::{Code, Request};

/// What is said at once comes within seconds, also from a machine with much to do.
const SECONDS: Duration = Duration::from_secs(25);
/// Longer than an append may stay unfinished, shorter than a silent connection is kept.
const LATER: Duration = Duration::from_secs(33);

/// Lets the time go on.
async fn later() {
    tokio::time::pause();
    tokio::time::advance(LATER).await;
    tokio::time::resume();
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SECONDS, work).await.expect("within seconds")
}

/// An append by somebody else, a process of the desk.
async fn others_append(desk: &Desk, number: u32) {
    let mut metadata = good();
    metadata.insert("type".to_owned(), "trading.Placed".to_owned());
    let id = text_id(&format!("b0a1c2d3-0000-4000-8000-{number:012}"));
    let mut request = Request::new(stream::iter([to(b"account-1"), offered(id, metadata)]));
    request.metadata_mut().insert("authorization", "Bearer account".parse().unwrap());
    soon(streams(desk).await.append(request)).await.unwrap();
}

fn number_of(answer: &batch_append_resp::Result) -> Option<i32> {
    match answer {
        batch_append_resp::Result::Error(error) => Some(error.code),
        batch_append_resp::Result::Success(_) => None,
    }
}

#[tokio::test]
async fn an_append_of_a_batch_whose_rest_does_not_come_is_given_up() {
    let desk = Desk::open();
    let (sender, receiver) = mpsc::channel(8);
    let parts = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let mut answers = streams(&desk).await.batch_append(with_key(parts)).await.unwrap().into_inner();
    let (half, whole, after) = (
        "b0a1c2d3-0000-4000-8000-00000000000a",
        "b0a1c2d3-0000-4000-8000-00000000000b",
        "b0a1c2d3-0000-4000-8000-00000000000c",
    );
    sender.send(part(half, batch_options(), false)).await.unwrap();
    sender.send(part(whole, batch_options(), true)).await.unwrap();
    let kept = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(kept.correlation_id, text_id(whole));
    later().await;
    let late = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(late.correlation_id, text_id(half));
    assert_eq!(number_of(&late.result.unwrap()), Some(4), "a deadline that passed");
    // What still comes of it is passed over, and the call goes on.
    sender.send(part(half, None, true)).await.unwrap();
    sender.send(part(after, batch_options(), true)).await.unwrap();
    let kept = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(kept.correlation_id, text_id(after));
    assert_eq!(number_of(&kept.result.unwrap()), None);
}

#[tokio::test]
async fn half_appends_of_one_caller_leave_room_for_others() {
    let desk = Desk::open();
    let (sender, receiver) = mpsc::channel(8);
    let parts = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let mut answers = streams(&desk).await.batch_append(with_key(parts)).await.unwrap().into_inner();
    let (message, room) = (part("x", None, false).proposed_messages.remove(0), 64_u32);
    let begun = move |number: u32| {
        let messages: Vec<batch_append_req::ProposedMessage> = vec![message.clone(); 8];
        let mut begun = part(&format!("b0a1c2d3-0000-4000-8000-{number:012}"), batch_options(), false);
        begun.proposed_messages = messages;
        begun
    };
    // A share of 64 MiB is full after eight times eight, and the ninth is refused alone.
    tokio::spawn(async move {
        for number in 0..=room / 8 {
            sender.send(begun(number)).await.unwrap();
        }
        std::future::pending::<()>().await;
        drop(sender);
    });
    let refused = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(number_of(&refused.result.unwrap()), Some(2));
    others_append(&desk, 1).await;
}

/// A body that says how long its message is, and never sends it.
struct Half(Option<Bytes>);

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.take().map_or(Poll::Pending, |prefix| Poll::Ready(Some(Ok(Frame::data(prefix)))))
    }
}

/// The number of the status with which a call ends whose one message is begun and no more.
async fn end_of_half(mut channel: Channel, length: u32) -> Code {
    let mut prefix = vec![0];
    prefix.extend_from_slice(&length.to_be_bytes());
    let request = http::Request::post(format!("/{SERVICE_NAME}/BatchAppend"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", "Bearer outside")
        .body(Body::new(Half(Some(prefix.into()))))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let (head, mut body) = channel.call(request).await.unwrap().into_parts();
    let said = |headers: &http::HeaderMap| {
        headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
    };
    if let Some(code) = said(&head.headers) {
        return code;
    }
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        if let Some(code) = frame.unwrap().unwrap().trailers_ref().and_then(said) {
            return code;
        }
    }
}

#[tokio::test]
async fn a_large_message_begins_only_where_there_is_room_for_all_of_it_and_not_for_ever() {
    let desk = Desk::open();
    let channel = channel(&desk).await;
    let mut halves: FuturesUnordered<_> =
        (0..5).map(|_| tokio::spawn(end_of_half(channel.clone(), 16 * 1024 * 1024))).collect();
    assert_eq!(soon(halves.next()).await.unwrap().unwrap(), Code::Unavailable);
    others_append(&desk, 1).await;
    later().await;
    for _ in 0..4 {
        assert_eq!(soon(halves.next()).await.unwrap().unwrap(), Code::Aborted);
    }
}

#[tokio::test]
async fn a_question_is_no_way_to_bring_megabytes() {
    let desk = Desk::open();
    let start = Some(read::all_options::AllOption::Start(Empty {}));
    let mut long = asked(all(start), Some(read::CountOption::Count(1)), 0);
    let expression = read::filter_options::Expression { regex: "x".repeat(100 * 1024), ..Default::default() };
    if let Some(options) = &mut long.options {
        options.filter_option = Some(read::FilterOption::Filter(read::FilterOptions {
            filter: Some(read::filter_options::Filter::EventType(expression)),
            window: None,
            checkpoint_interval_multiplier: 1,
        }));
    }
    let refused = streams(&desk).await.read(with_key(long)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("at most 65536 are allowed"), "{refused:?}");
}
