//! The log as it grows.

use crate::desk::asked::arm;
use crate::desk::{Desk, PATIENCE};
use crate::raw::get;
use std::time::Duration;
use stele_api::client::{Follow, new_key};
use stele_api::dto::FollowLine;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

async fn next(follow: &mut Follow) -> FollowLine {
    let line = tokio::time::timeout(PATIENCE, follow.next()).await.expect("a line in time");
    line.unwrap().expect("a line")
}

async fn event(follow: &mut Follow) -> stele_api::dto::Event {
    let line = next(follow).await;
    if let FollowLine::Event(event) = line { event } else { panic!("{line:?} where an event belongs") }
}

#[tokio::test]
async fn what_is_there_comes_first_then_the_caught_up_line_then_what_happens() {
    let desk = Desk::ready().await;
    let head = desk.log.head().await.unwrap().0;
    let mut follow = desk.client.follow(Some(1), &[], &[]).await.unwrap();
    for position in 1..=head {
        assert_eq!(event(&mut follow).await.position, position);
    }
    assert!(matches!(next(&mut follow).await, FollowLine::CaughtUp { head: at } if at == head));
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    let armed = event(&mut follow).await;
    assert_eq!((armed.position, armed.event_type.as_str()), (head + 1, "trading.Armed"));
}

#[tokio::test]
async fn without_a_position_only_what_happens_from_now_on_comes() {
    let desk = Desk::ready().await;
    let types = ["trading.Killed".to_owned()];
    let mut follow = desk.client.follow(None, &["account".to_owned()], &types).await.unwrap();
    assert!(matches!(next(&mut follow).await, FollowLine::CaughtUp { .. }));
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    desk.client.kill(new_key(), "something is wrong").await.unwrap();
    assert_eq!(event(&mut follow).await.event_type, "trading.Killed");
}

#[tokio::test]
async fn one_stream_is_followed_without_the_others_of_its_category() {
    let desk = Desk::ready().await;
    let append = async |name: &str| {
        let record = NewRecord {
            event_id: EventId(new_key()),
            event_type: "other.Happened".into(),
            data: b"{}".as_slice().into(),
            metadata: b"{}".as_slice().into(),
        };
        desk.log.append(&StreamId::new(name).unwrap(), Expected::Any, vec![record]).await.unwrap();
    };
    for name in ["other-one", "other-two", "other-one"] {
        append(name).await;
    }
    let mut follow = desk.client.follow_stream(Some(1), "other-one").await.unwrap();
    let seen = [event(&mut follow).await, event(&mut follow).await];
    assert!(seen.iter().all(|event| event.stream == "other-one"), "{seen:?}");
    assert!(matches!(next(&mut follow).await, FollowLine::CaughtUp { .. }));
    append("other-two").await;
    append("other-one").await;
    assert_eq!(event(&mut follow).await.revision, 2);
    let both = get(&desk.path, "/v1/log/follow?stream=other-one&category=other").await;
    both.names(400, "stream");
    let nameless = desk.client.follow_stream(None, "nameless").await.unwrap_err();
    assert_eq!(nameless.problem().map(|problem| problem.status), Some(400));
}

#[tokio::test]
async fn a_closing_desk_ends_its_streams_within_a_second_and_says_so() {
    let desk = Desk::ready().await;
    let mut follow = desk.client.follow(None, &[], &[]).await.unwrap();
    assert!(matches!(next(&mut follow).await, FollowLine::CaughtUp { .. }));
    let head = desk.log.head().await.unwrap().0;
    desk.stopper.stop();
    assert!(matches!(next(&mut follow).await, FollowLine::Closing { next } if next == head + 1));
    assert!(follow.next().await.unwrap().is_none());
    tokio::time::timeout(Duration::from_secs(1), desk.served).await.expect("closed within a second").unwrap();
    assert!(!desk.path.exists());
}

#[tokio::test]
async fn a_closing_desk_does_not_wait_for_one_who_does_not_listen() {
    let desk = Desk::ready().await;
    // More than the socket's buffers take.
    let stream = StreamId::new("other-system").unwrap();
    for _ in 0..64 {
        let data = format!("\"{}\"", "x".repeat(64 * 1024));
        let record = NewRecord {
            event_id: EventId(new_key()),
            event_type: "other.Happened".into(),
            data: data.into_bytes().into(),
            metadata: b"{}".as_slice().into(),
        };
        desk.log.append(&stream, Expected::Any, vec![record]).await.unwrap();
    }
    let mut deaf = UnixStream::connect(&desk.path).await.unwrap();
    deaf.write_all(b"GET /v1/log/follow?from=1 HTTP/1.1\r\nhost: desk\r\n\r\n").await.unwrap();
    let mut first = [0; 16];
    deaf.read_exact(&mut first).await.unwrap();
    desk.stopper.stop();
    tokio::time::timeout(Duration::from_secs(3), desk.served).await.expect("closed all the same").unwrap();
}

#[tokio::test]
async fn a_position_beyond_the_head_is_refused_and_the_next_one_is_waited_for() {
    let desk = Desk::ready().await;
    let head = desk.log.head().await.unwrap().0;
    let beyond = desk.client.follow(Some(head + 2), &[], &[]).await.unwrap_err();
    let problem = beyond.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (409, "position-beyond-head"));
    assert_eq!(problem.log_position, Some(head), "where the log ends");
    let mut follow = desk.client.follow(Some(head + 1), &[], &[]).await.unwrap();
    assert!(matches!(next(&mut follow).await, FollowLine::CaughtUp { head: at } if at == head));
    desk.client.arm(new_key(), &arm("opening the desk")).await.unwrap();
    assert_eq!(event(&mut follow).await.position, head + 1);
}
