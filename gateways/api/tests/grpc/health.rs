//! Health, as orchestrators ask for it: without a credential, and bound to readiness.

use crate::desk::{Desk, hand_clock};
use crate::served::{Served, soon};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_api::{LogAdmin, LogStat, RateOptions};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId,
};
use stele_event_log::MemoryLog;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn a_desk_serves_while_it_is_ready_and_says_when_it_is_not() {
    let served = Served::ready().await;
    let mut health = HealthClient::new(served.channel().await);
    let of = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", "stele.api.v1.ControlService", "stele.api.v1.TradingService"] {
        let told = health.check(of(service)).await.unwrap().into_inner();
        assert_eq!(told.status(), ServingStatus::Serving, "{service}");
    }
    for service in ["stele.api.v1.", "stele.api.v1.Nothing", "stele.log.v1.EventLog", "other"] {
        assert_eq!(health.check(of(service)).await.unwrap_err().code(), Code::NotFound, "{service}");
    }
    let mut watch = health.watch(of("")).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    served.desk.healthy.store(false, Ordering::SeqCst);
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(health.check(of("")).await.unwrap().into_inner().status(), ServingStatus::NotServing);
    let mut unknown = health.watch(of("other")).await.unwrap().into_inner();
    assert_eq!(soon(unknown.message()).await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    // A stopping desk keeps nobody waiting.
    served.stopper.stop();
    assert!(soon(watch.message()).await.unwrap().is_none());
}

/// A log that counts how often its end is asked for, as a process on another one's log asks its owner.
struct Counted {
    log: MemoryLog,
    heads: AtomicU64,
}

impl EventLog for Counted {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: Expected,
        records: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        self.log.append(stream, expected, records)
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Record>, LogError>> {
        self.log.read_stream(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, LogError>> {
        self.log.read_all(from, filter, limit)
    }

    fn head(&self) -> PortFuture<'_, Result<Position, LogError>> {
        self.heads.fetch_add(1, Ordering::SeqCst);
        self.log.head()
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.log.follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        self.log.multi_stream()
    }
}

/// Nobody asks after it here.
struct Nothing;

impl LogAdmin for Nothing {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        Box::pin(std::future::ready(Err(LogError::Denied("not here".to_owned()))))
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

#[tokio::test]
async fn however_many_ask_after_the_health_the_log_is_looked_at_once_a_second() {
    let clock = hand_clock();
    let log = Arc::new(Counted { log: MemoryLog::new(clock.clone()), heads: AtomicU64::new(0) });
    let desk = Desk::over(RateOptions::default(), clock, log.clone(), Arc::new(Nothing)).await;
    desk.runner.resume();
    let served = Served::of(desk).await;
    let mut health = HealthClient::new(served.channel().await);
    let of = || HealthCheckRequest { service: String::new() };
    health.check(of()).await.unwrap();
    let (began, before) = (std::time::Instant::now(), log.heads.load(Ordering::SeqCst));
    let mut checks = 0;
    while checks < 300 {
        health.check(of()).await.unwrap();
        checks += 1;
    }
    let looked = log.heads.load(Ordering::SeqCst) - before;
    let most = began.elapsed().as_secs() + 1;
    assert!(looked <= most, "{checks} questions, {looked} looks in {:?}", began.elapsed());
}
