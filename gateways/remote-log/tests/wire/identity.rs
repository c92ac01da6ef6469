//! An address at which something else answers after a while: nobody goes on over it.

use crate::support::{Owner, clock, record, stat, stream};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position};
use stele_event_log::MemoryLog;
use stele_proto::log::v1 as proto;
use stele_proto::log::v1::event_log_client::EventLogClient;
use stele_remote_log::RemoteLog;
use tokio::time::timeout;
use uuid::Uuid;

/// Nothing that works takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(30);

async fn log_of(records: u64) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new(clock()));
    for number in 1..=records {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    log
}

/// What a call comes to once the connection is there again.
async fn in_the_end(remote: &RemoteLog) -> Result<Position, LogError> {
    let asking = async {
        loop {
            match remote.head().await {
                Err(error) if error.is_transient() => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    timeout(DEADLINE, asking).await.expect("an answer")
}

async fn next_end(reading: &mut Box<dyn stele_domain::port::event_log::Follow>) -> LogError {
    let ending = async {
        loop {
            match reading.next(10).await {
                Err(error) if !error.is_transient() => return error,
                Ok(_) | Err(_) => {}
            }
        }
    };
    timeout(DEADLINE, ending).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_log_behind_the_address_gets_neither_calls_nor_appends_nor_readers() {
    let mut owner = Owner::of(log_of(3).await);
    let remote = owner.client("market");
    let mut reading = remote.follow(Position::START, Filter::all());
    assert_eq!(reading.next(10).await.unwrap().records.len(), 3);
    assert_eq!(remote.head().await.unwrap(), Position(3));

    let (other, identity) = (log_of(9).await, Uuid::from_u128(8));
    owner.replaced_by(Arc::clone(&other) as Arc<dyn EventLog>, identity).await;
    let refused = in_the_end(&remote).await.unwrap_err();
    let words = refused.to_string();
    assert!(words.contains(&identity.to_string()) && words.contains(&stat().log.to_string()), "{words}");
    let append = remote.append(&stream("order-1"), Expected::Any, vec![record(77)]).await;
    assert!(matches!(append, Err(LogError::Denied(_))), "{append:?}");
    assert_eq!(other.head().await.unwrap(), Position(9), "something was kept");
    assert!(next_end(&mut reading).await.to_string().contains(&identity.to_string()));
    // Who begins anew may.
    assert_eq!(owner.client("market").head().await.unwrap(), Position(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_log_is_refused_by_whoever_has_seen_more_of_it() {
    let mut owner = Owner::of(log_of(5).await);
    let remote = owner.client("market");
    let mut reading = remote.follow(Position::START, Filter::all());
    assert_eq!(reading.next(10).await.unwrap().records.len(), 5);
    owner.replaced_by(log_of(3).await, stat().log).await;
    let refused = in_the_end(&remote).await.unwrap_err();
    assert!(
        refused.to_string().contains("ends at 3") && refused.to_string().contains("up to 5"),
        "{refused}"
    );
    assert!(matches!(next_end(&mut reading).await, LogError::Denied(_)));
    // The whole one is taken up again.
    owner.replaced_by(log_of(5).await, stat().log).await;
    assert_eq!(in_the_end(&remote).await.unwrap(), Position(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reading_begins_past_the_end_of_the_log() {
    let owner = Owner::of(log_of(2).await);
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", owner.address)).unwrap();
    let mut bare = EventLogClient::new(channel.connect().await.unwrap());
    let mut asked = async |from| {
        let mut request = tonic::Request::new(proto::FollowRequest { from, filter: None });
        request.metadata_mut().insert("authorization", "Bearer market".parse().unwrap());
        bare.follow(request).await.map(drop)
    };
    assert!(asked(3).await.is_ok(), "what comes next can be waited for");
    let refused = asked(4).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    assert!(
        refused.message().contains("ends at 2") && refused.message().contains("at 3 at most"),
        "{refused}"
    );
}
