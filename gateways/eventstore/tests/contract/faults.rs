//! A server that is not there, that goes and comes back, and that says no.

use crate::server::{Server, memory};
use crate::suite::records::{record, stream};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, Follow, LogError, MultiStream, NewRecord, Page,
    Position, Record, Revision, StreamId,
};
use stele_eventstore::EventStoreLog;

/// Longest time that a server which is there may take to be found again.
const FOUND_MAX: Duration = Duration::from_secs(20);

/// Asks again while there is no answer, as every caller of the port does.
async fn append(
    log: &EventStoreLog,
    target: &StreamId,
    expected: Expected,
    records: &[NewRecord],
) -> Appended {
    let asking = async {
        loop {
            match log.append(target, expected, records.to_vec()).await {
                Ok(appended) => return appended,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(FOUND_MAX, asking).await.expect("the server is there again")
}

/// Positions until one is reached; interruptions are told and pass.
async fn until(follow: &mut dyn Follow, position: u64) -> Vec<u64> {
    let reading = async {
        let mut seen = vec![];
        loop {
            match follow.next(3).await {
                Ok(page) => seen.extend(page.records.iter().map(|record| record.position.0)),
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            if seen.last() == Some(&position) {
                return seen;
            }
        }
    };
    tokio::time::timeout(FOUND_MAX, reading).await.expect("the reading goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_of_a_desk_is_told_from_a_server_and_who_does_not_answer_may_be_asked_again() {
    let mut server = Server::open();
    assert!(server.client().is_a_desks().await.unwrap());
    server.vanish();
    let untold = server.client().is_a_desks().await.unwrap_err();
    assert!(untold.is_transient(), "{untold:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_not_there_at_first_is_found_when_it_comes() {
    let mut server = Server::open();
    let log = server.client();
    server.vanish();
    let target = stream("order-1");
    for _ in 0..3 {
        let error = log.append(&target, Expected::NoStream, vec![record(1)]).await.unwrap_err();
        assert!(matches!(error, LogError::Unreachable(_)), "{error:?}");
    }
    let mut follow = log.follow(Position::START, Filter::all());
    assert!(matches!(follow.next(10).await, Err(LogError::Unreachable(_))));
    server.serve();
    let kept = append(&log, &target, Expected::NoStream, &[record(1)]).await;
    assert_eq!((kept.first, kept.revision), (Position(1), Revision(0)));
    assert_eq!(until(&mut *follow, 1).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_and_comes_back_keeps_everything_once_and_readers_miss_nothing() {
    let mut server = Server::open();
    let (log, target) = (server.client(), stream("order-1"));
    let mut follow = log.follow(Position::START, Filter::all());
    let mut seen = vec![];
    for round in 0..4_u64 {
        for number in 0..5 {
            let number = round * 5 + number;
            let before =
                number.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last)));
            let kept = append(&log, &target, before, &[record(number)]).await;
            assert_eq!(kept.last, Position(number + 1));
        }
        seen.extend(until(&mut *follow, round * 5 + 5).await);
        server.vanish();
        server.serve();
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    assert_eq!(server.log.head().await.unwrap(), Position(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_whose_first_answer_was_lost_gets_it_from_a_new_client_too() {
    let server = Server::open();
    let target = stream("order-1");
    let first =
        server.client().append(&target, Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    // Another process, which has read how far the log is: whatever stands there is not its own.
    let other = server.client();
    assert_eq!(other.head().await.unwrap(), Position(2));
    let again = other.append(&target, Expected::NoStream, vec![record(1), record(2)]).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..first });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_and_not_asked_to_try_again() {
    let server = Server::open();
    let stranger = server.client_as("stranger");
    let error = stranger.head().await.unwrap_err();
    assert!(matches!(error, LogError::Denied(_)), "{error:?}");
    let mut follow = stranger.follow(Position::START, Filter::all());
    assert!(matches!(follow.next(1).await, Err(LogError::Denied(_))));
    for (key, name) in [("reader", "order-1"), ("writer", "account-1")] {
        let log = server.client_as(key);
        let error = log.append(&stream(name), Expected::Any, vec![record(1)]).await.unwrap_err();
        assert!(matches!(error, LogError::Denied(_)), "{key} at {name}: {error:?}");
    }
    assert_eq!(server.log.head().await.unwrap(), Position::START);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_one_append_takes_no_other_along() {
    let server = Server::open();
    let log = server.client();
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..60_u64 {
        let log = log.clone();
        appends.spawn(async move {
            let target = stream(&format!("order-{number}"));
            // Every third believes in a stream that is not there.
            let expected = if number % 3 == 0 { Expected::Exists } else { Expected::NoStream };
            (number % 3 == 0, log.append(&target, expected, vec![record(number)]).await)
        });
    }
    while let Some(append) = appends.join_next().await {
        let (refused, outcome) = append.unwrap();
        match outcome {
            Err(LogError::Conflict { actual: None, .. }) => assert!(refused),
            Ok(_) => assert!(!refused),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(server.log.head().await.unwrap(), Position(40));
}

/// A log that takes nothing, for a reason.
struct Refusing {
    log: Arc<dyn EventLog>,
    why: fn() -> LogError,
}

impl EventLog for Refusing {
    fn append<'a>(
        &'a self,
        _: &'a StreamId,
        _: Expected,
        _: Vec<NewRecord>,
    ) -> PortFuture<'a, Result<Appended, LogError>> {
        Box::pin(std::future::ready(Err((self.why)())))
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
        self.log.head()
    }

    fn follow(&self, from: Position, filter: Filter) -> Box<dyn Follow> {
        self.log.follow(from, filter)
    }

    fn multi_stream(&self) -> Option<&dyn MultiStream> {
        None
    }
}

/// How a log fails.
type Way = fn() -> LogError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_of_the_log_behind_the_door_arrives_as_what_it_is() {
    let damaged = || LogError::Damaged { file: "1.seg".to_owned(), offset: 7, what: "torn".to_owned() };
    // What the last word is when the process that owns the log has to end is not known to whoever asks over a socket.
    let away = "unreachable";
    let cases: [(Way, &str); 6] = [
        (|| LogError::Full, "full"),
        (damaged, "damaged"),
        (|| LogError::Denied("not you".to_owned()), "denied"),
        (|| LogError::Invalid("no type".to_owned()), "invalid"),
        (|| LogError::Stopped("a write failed".to_owned()), away),
        (|| LogError::Unreachable("its owner is away".into()), away),
    ];
    for (why, name) in cases {
        let server = Server::over(Arc::new(Refusing { log: memory(), why }));
        let error = server.client().append(&stream("order-1"), Expected::Any, vec![record(1)]).await;
        let error = error.unwrap_err();
        assert_eq!(error.name(), name, "{error:?}");
        assert_eq!(error.is_transient(), ["full", away].contains(&name), "{error:?}");
    }
}
