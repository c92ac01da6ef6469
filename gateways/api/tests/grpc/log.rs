//! The log itself: pages, events, numbers, and the stream of it.

use crate::served::{Served, codes, soon};
use std::time::Duration;
use stele_domain::access::Role;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::tail_response::Item;
use tonic::{Code, Streaming};
use uuid::Uuid;

async fn happened(served: &Served, stream: &str, data: &[u8]) -> u64 {
    let record = NewRecord {
        event_id: EventId(Uuid::now_v7()),
        event_type: "other.Happened".into(),
        data: data.into(),
        metadata: b"{}".as_slice().into(),
    };
    let stream = StreamId::new(stream).unwrap();
    served.desk.log.append(&stream, Expected::Any, vec![record]).await.unwrap().last.0
}

async fn next(tail: &mut Streaming<pb::TailResponse>) -> Option<Item> {
    soon(tail.message()).await.unwrap().map(|message| message.item.expect("every message tells something"))
}

#[tokio::test]
async fn events_come_byte_for_byte_alone_in_pages_and_as_a_stream() {
    let served = Served::open().await;
    let data = b"{\n  \"pretty\": true\n}\n\xff";
    let position = happened(&served, "other-one", data).await;
    let mut log = served.log(Role::Trader).await;
    let got = log.get(pb::GetRequest { position }).await.unwrap().into_inner();
    let event = got.event.unwrap();
    assert_eq!((&event.data[..], event.stream.as_str(), got.head), (&data[..], "other-one", position));
    let stream = "other-one".to_owned();
    let page = log.list(pb::ListRequest { stream: stream.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(page.into_inner().events, std::slice::from_ref(&event));
    let backward = pb::ListRequest { backward: true, page_size: Some(1), ..Default::default() };
    assert_eq!(log.list(backward).await.unwrap().into_inner().events, std::slice::from_ref(&event));
    let all = pb::TailRequest { from_position: Some(1), stream, ..Default::default() };
    let mut tail = log.tail(all).await.unwrap().into_inner();
    assert_eq!(next(&mut tail).await, Some(Item::Event(event)));
    assert_eq!(next(&mut tail).await, Some(Item::CaughtUp(pb::TailCaughtUp { head: position })));
    assert_eq!(next(&mut tail).await, None, "without `follow` it ends when it has caught up");
}

#[tokio::test]
async fn a_followed_log_goes_on_and_sends_only_what_is_wanted() {
    let served = Served::open().await;
    let first = happened(&served, "other-one", b"1").await;
    let mut log = served.log(Role::Auditor).await;
    let wanted = |stream: &str, categories: &[&str]| pb::TailRequest {
        from_position: Some(1),
        follow: true,
        stream: stream.to_owned(),
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let mut by_stream = log.tail(wanted("other-two", &[])).await.unwrap().into_inner();
    assert_eq!(next(&mut by_stream).await, Some(Item::CaughtUp(pb::TailCaughtUp { head: first })));
    let mut by_category = log.tail(wanted("", &["third"])).await.unwrap().into_inner();
    assert_eq!(next(&mut by_category).await, Some(Item::CaughtUp(pb::TailCaughtUp { head: first })));
    happened(&served, "other-one", b"2").await;
    let second = happened(&served, "other-two", b"3").await;
    let third = happened(&served, "third-one", b"4").await;
    let position = |item| match item {
        Some(Item::Event(event)) => event.position,
        other => panic!("{other:?}"),
    };
    assert_eq!(position(next(&mut by_stream).await), second);
    assert_eq!(position(next(&mut by_category).await), third);
}

#[tokio::test]
async fn who_follows_one_stream_hears_that_the_desk_is_alive_while_others_of_its_category_are_busy() {
    let served = Served::open().await;
    happened(&served, "other-one", b"1").await;
    let mut log = served.log(Role::Auditor).await;
    let wanted = pb::TailRequest { follow: true, stream: "other-two".to_owned(), ..Default::default() };
    let mut tail = log.tail(wanted).await.unwrap().into_inner();
    assert!(matches!(next(&mut tail).await, Some(Item::CaughtUp(_))));
    tokio::time::pause();
    let busy = async {
        loop {
            happened(&served, "other-one", b"2").await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let heard = tokio::select! {
        () = busy => unreachable!(),
        heard = next(&mut tail) => heard,
    };
    assert!(matches!(heard, Some(Item::Heartbeat(_))), "{heard:?}");
}

#[tokio::test]
async fn a_stopping_desk_ends_its_streams_and_says_where_to_go_on() {
    let served = Served::open().await;
    let head = happened(&served, "other-one", b"1").await;
    let mut log = served.log(Role::Auditor).await;
    let mut trading = served.trading(Role::Viewer).await;
    let follow = pb::TailRequest { from_position: Some(1), follow: true, ..Default::default() };
    let mut tail = log.tail(follow).await.unwrap().into_inner();
    let watch = pb::WatchDecisionsRequest { from_position: Some(1) };
    let mut watch = trading.watch_decisions(watch).await.unwrap().into_inner();
    while !matches!(next(&mut tail).await, Some(Item::CaughtUp(_))) {}
    served.stopper.stop();
    let ended = soon(tail.message()).await.unwrap_err();
    assert_eq!(codes(&ended), (Code::Unavailable, "closing".to_owned()));
    let info = tonic_types::StatusExt::get_details_error_info(&ended).unwrap();
    assert_eq!(info.metadata.get("log_position"), Some(&head.to_string()));
    let ended = soon(async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a word"),
                Err(status) => break status,
            }
        }
    });
    assert_eq!(codes(&ended.await).1, "closing");
    soon(served.door).await.unwrap();
}

#[tokio::test]
async fn what_a_log_can_not_tell_is_refused_by_name() {
    let served = Served::open().await;
    let head = happened(&served, "other-one", b"1").await;
    let mut log = served.log(Role::Auditor).await;
    let zero = log.get(pb::GetRequest { position: 0 }).await.unwrap_err();
    assert_eq!(codes(&zero), (Code::InvalidArgument, "bad-request".to_owned()));
    let beyond = log.get(pb::GetRequest { position: head + 1 }).await.unwrap_err();
    assert_eq!(codes(&beyond), (Code::NotFound, "unknown-position".to_owned()));
    // A log in memory signs nothing and has no tree.
    let unsigned = log.checkpoint(pb::CheckpointRequest {}).await.unwrap_err();
    assert_eq!(codes(&unsigned), (Code::FailedPrecondition, "no-checkpoints".to_owned()));
    let unproved = log.prove(pb::ProveRequest { position: head }).await.unwrap_err();
    assert_eq!(codes(&unproved), (Code::FailedPrecondition, "no-checkpoints".to_owned()));
    let unknown = log.prove(pb::ProveRequest { position: head + 1 }).await.unwrap_err();
    assert_eq!(codes(&unknown).1, "unknown-position");
    let both = pb::TailRequest {
        stream: "other-one".to_owned(),
        categories: vec!["other".to_owned()],
        ..Default::default()
    };
    assert_eq!(log.tail(both).await.unwrap_err().code(), Code::InvalidArgument);
    let many = pb::TailRequest { categories: vec!["other".to_owned(); 33], ..Default::default() };
    assert_eq!(log.tail(many).await.unwrap_err().code(), Code::InvalidArgument);
    let nameless = pb::ListRequest { stream: "nameless".to_owned(), ..Default::default() };
    assert_eq!(log.list(nameless).await.unwrap_err().code(), Code::InvalidArgument);
    let stat = log.stat(pb::StatRequest {}).await.unwrap().into_inner();
    assert_eq!((stat.events, stat.as_of.unwrap().head), (head, head));
}

#[tokio::test]
async fn a_tail_from_beyond_the_head_is_refused_and_from_the_next_position_it_waits() {
    let served = Served::open().await;
    let head = happened(&served, "other-one", b"1").await;
    let mut log = served.log(Role::Auditor).await;
    let from =
        |position| pb::TailRequest { from_position: Some(position), follow: true, ..Default::default() };
    let beyond = log.tail(from(head + 2)).await.unwrap_err();
    assert_eq!(codes(&beyond), (Code::FailedPrecondition, "position-beyond-head".to_owned()));
    let mut tail = log.tail(from(head + 1)).await.unwrap().into_inner();
    assert_eq!(next(&mut tail).await, Some(Item::CaughtUp(pb::TailCaughtUp { head })));
    let position = happened(&served, "other-one", b"2").await;
    let Some(Item::Event(event)) = next(&mut tail).await else { panic!("an event") };
    assert_eq!(event.position, position);
}
