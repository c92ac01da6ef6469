//! Decisions as they are made: from the log, then live, to many, and never one too few.

use crate::served::{Served, codes, soon};
use prost::Message;
use std::time::Duration;
use stele_domain::access::Role;
use stele_domain::codec::{self, samples};
use stele_domain::event::{Event as Fact, Meta};
use stele_domain::ids::{Actor, CorrelationId, EventId};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Expected, NewRecord, StreamId};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::strategy::event::Event as Strategy;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use stele_proto::api::v1::watch_decisions_response::Event;
use tonic::{Code, Streaming};
use uuid::Uuid;

type Watch = Streaming<pb::WatchDecisionsResponse>;

fn decision(served: &Served) -> NewRecord {
    let decided = |fact: &Fact| matches!(fact, Fact::Trading(Trading::Strategy(Strategy::Decided(_))));
    let fact = samples().into_iter().find(decided).expect("a sample of a decision");
    let meta = Meta {
        correlation_id: CorrelationId(Uuid::from_u128(1)),
        causation_id: None,
        command: None,
        actor: Actor::try_from("service:strategy".to_owned()).unwrap(),
        origin: None,
        occurred_at: served.desk.clock.now(),
        schema: 1,
    };
    codec::to_record(EventId(Uuid::now_v7()), &fact, &meta).unwrap()
}

/// Decides so often, and says where the last decision stands.
async fn decided(served: &Served, times: usize) -> u64 {
    let stream = StreamId::new("strategy-btc-eure").unwrap();
    let mut last = 0;
    let mut left = times;
    while left > 0 {
        let batch = left.min(256);
        let records = (0..batch).map(|_| decision(served)).collect();
        last = served.desk.log.append(&stream, Expected::Any, records).await.unwrap().last.0;
        left -= batch;
    }
    last
}

async fn watch(trading: &mut TradingServiceClient<crate::served::Way>, from: Option<u64>) -> Watch {
    trading.watch_decisions(pb::WatchDecisionsRequest { from_position: from }).await.unwrap().into_inner()
}

async fn next(watch: &mut Watch) -> Event {
    let message = soon(watch.message()).await.unwrap().expect("the stream goes on");
    message.event.expect("every message tells something")
}

/// The position of the next decision; whatever else is told is passed over.
async fn next_decision(watch: &mut Watch) -> u64 {
    loop {
        if let Event::Decision(bytes) = next(watch).await {
            return pb::Decision::decode(bytes).unwrap().position;
        }
    }
}

#[tokio::test]
async fn decisions_are_told_from_the_log_then_live_and_a_new_stream_goes_on_after_the_last() {
    let served = Served::open().await;
    let first = decided(&served, 1).await;
    let mut trading = served.trading(Role::Viewer).await;
    let mut all = watch(&mut trading, Some(1)).await;
    let Event::Decision(bytes) = next(&mut all).await else { panic!("a decision first") };
    let told = pb::Decision::decode(bytes).unwrap();
    assert_eq!((told.position, told.pair.as_str(), told.verdict()), (first, "btc-eure", pb::Verdict::Skip));
    assert!(!told.skip_reason.is_empty());
    assert!(
        told.gates.iter().all(|gate| !gate.gate.is_empty() && gate.answer() != pb::GateAnswer::Unspecified)
    );
    assert!(!told.gates.is_empty() && told.proposal.is_some(), "{told:?}");
    assert!(told.price.is_some() && told.inventory.is_some(), "{told:?}");
    assert_eq!(next(&mut all).await, Event::CaughtUp(pb::CaughtUp { position: first }));
    let second = decided(&served, 1).await;
    assert_eq!(next_decision(&mut all).await, second);
    let mut rest = watch(&mut trading, Some(first + 1)).await;
    assert_eq!(next_decision(&mut rest).await, second);
    let mut live = watch(&mut trading, None).await;
    assert!(matches!(next(&mut live).await, Event::CaughtUp(_)), "nothing of the past is told");
    let third = decided(&served, 1).await;
    assert_eq!(next_decision(&mut live).await, third);
}

#[tokio::test]
async fn a_position_beyond_the_head_is_refused() {
    let served = Served::open().await;
    let head = decided(&served, 1).await;
    let mut trading = served.trading(Role::Viewer).await;
    let beyond = pb::WatchDecisionsRequest { from_position: Some(head + 2) };
    let refused = trading.watch_decisions(beyond).await.unwrap_err();
    assert_eq!(codes(&refused), (Code::FailedPrecondition, "position-beyond-head".to_owned()));
}

#[tokio::test]
async fn two_hundred_watchers_are_told_every_decision_in_order() {
    let served = Served::open().await;
    let mut watches = vec![];
    for _ in 0..4 {
        let mut trading = served.trading(Role::Viewer).await;
        for _ in 0..50 {
            watches.push(watch(&mut trading, Some(1)).await);
        }
    }
    let writing = async {
        for _ in 0..20 {
            decided(&served, 5).await;
            tokio::task::yield_now().await;
        }
    };
    let reading = futures_util::future::join_all(watches.iter_mut().map(|watch| async move {
        let mut positions = vec![];
        while positions.len() < 100 {
            positions.push(next_decision(watch).await);
        }
        positions
    }));
    let ((), told) = tokio::join!(writing, reading);
    for positions in told {
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
        assert_eq!(positions.len(), 100);
    }
}

/// More than is remembered is decided while the watcher reads nothing: it is told that it fell behind, and still gets
/// every decision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_falls_behind_is_told_so_and_misses_nothing() {
    let served = Served::open().await;
    let mut trading = served.trading(Role::Viewer).await;
    let mut slow = watch(&mut trading, Some(1)).await;
    assert!(matches!(next(&mut slow).await, Event::CaughtUp(_)));
    let first = decided(&served, 1).await;
    let total = 12_000;
    decided(&served, total - 1).await;
    let (mut told, mut fell_behind, mut caught_up) = (0, false, false);
    let mut expected = first;
    while told < total {
        match next(&mut slow).await {
            Event::Decision(bytes) => {
                assert_eq!(pb::Decision::decode(bytes).unwrap().position, expected);
                expected += 1;
                told += 1;
            }
            Event::FellBehind(_) => fell_behind = true,
            Event::CaughtUp(_) => caught_up = true,
            Event::Heartbeat(_) => {}
        }
    }
    assert!(fell_behind, "a bounded memory can't have kept {total} decisions");
    if !caught_up {
        assert!(matches!(next(&mut slow).await, Event::CaughtUp(_)));
    }
}

#[tokio::test]
async fn a_decision_that_can_not_be_read_is_told_by_its_place() {
    let served = Served::open().await;
    let stream = StreamId::new("strategy-btc-eure").unwrap();
    let unreadable = NewRecord { data: b"{}".as_slice().into(), ..decision(&served) };
    let position = served.desk.log.append(&stream, Expected::Any, vec![unreadable]).await.unwrap().last.0;
    let mut trading = served.trading(Role::Viewer).await;
    let mut all = watch(&mut trading, Some(1)).await;
    let Event::Decision(bytes) = next(&mut all).await else { panic!("a decision") };
    let told = pb::Decision::decode(bytes).unwrap();
    assert_eq!((told.position, told.verdict()), (position, pb::Verdict::Unspecified));
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats_and_a_deadline_ends_the_stream() {
    let served = Served::open().await;
    let head = decided(&served, 1).await;
    let mut trading = served.trading(Role::Viewer).await;
    let mut live = watch(&mut trading, None).await;
    assert!(matches!(next(&mut live).await, Event::CaughtUp(_)));
    let Event::Heartbeat(heartbeat) = next(&mut live).await else { panic!("a heartbeat") };
    assert_eq!(heartbeat.position, head);
    let mut call = tonic::Request::new(pb::WatchDecisionsRequest { from_position: None });
    call.set_timeout(Duration::from_millis(200));
    let mut bounded = trading.watch_decisions(call).await.unwrap().into_inner();
    let ended = soon(async {
        loop {
            match bounded.message().await {
                Ok(message) => assert!(message.is_some(), "ended without a word"),
                Err(status) => break status,
            }
        }
    })
    .await;
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");
}
