//! What holds at any server, however full it is and whatever gaps its positions have. Asked of a real one where
//! `STELE_TEST_KURRENTDB` has its connection string, else of the protocol door of a desk.

use crate::server::Server;
use crate::suite::records::stream;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, Direction, EventLog, Expected, Filter, LogError, NewRecord, Position, Record, Revision,
    StreamId,
};
use stele_eventstore::{Address, EventStoreLog};
use uuid::Uuid;

const VARIABLE: &str = "STELE_TEST_KURRENTDB";

/// A server, and a name that no other run has.
fn server() -> (Option<Server>, EventStoreLog, String) {
    let run = Uuid::now_v7().simple().to_string();
    if let Ok(text) = std::env::var(VARIABLE) {
        return (None, EventStoreLog::new(&Address::read(&text, None).unwrap()).unwrap(), run);
    }
    let server = Server::open();
    let log = server.client();
    (Some(server), log, run)
}

fn offers(count: usize) -> Vec<NewRecord> {
    let offer = |number| NewRecord {
        event_id: EventId(Uuid::now_v7()),
        event_type: format!("steletest.Numbered{}", number % 2).into(),
        data: format!("{{\"number\":{number}}}").into_bytes().into(),
        metadata: br#"{"by":"a test"}"#.as_slice().into(),
    };
    (0..count).map(offer).collect()
}

async fn all_of(log: &EventStoreLog, target: &StreamId) -> Vec<Record> {
    log.read_stream(target, Revision(0), Direction::Forward, 100).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_with_gaps_keeps_and_orders_what_it_is_given() {
    let (_server, log, run) = server();
    let (target, offered) = (stream(&format!("steletest{run}-1")), offers(4));
    let before = log.head().await.unwrap();
    let first = log.append(&target, Expected::NoStream, offered[..3].to_vec()).await.unwrap();
    assert!(first.first > before && first.last > first.first && !first.repeated);
    let again = log.append(&target, Expected::NoStream, offered[..3].to_vec()).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..first });
    let second = log.append(&target, Expected::Exactly(Revision(2)), offered[3..].to_vec()).await.unwrap();
    assert_eq!(second.revision, Revision(3));
    for expected in [Expected::NoStream, Expected::Exactly(Revision(1)), Expected::Exactly(Revision(9))] {
        let error = log.append(&target, expected, offers(1)).await.unwrap_err();
        assert!(matches!(error, LogError::Conflict { actual: Some(Revision(3)), .. }), "{error:?}");
    }
    let kept = all_of(&log, &target).await;
    assert_eq!(
        kept.iter().map(|r| r.event_id).collect::<Vec<_>>(),
        offered.iter().map(|o| o.event_id).collect::<Vec<_>>()
    );
    assert!(
        kept.iter()
            .zip(&offered)
            .all(|(k, o)| (&k.data, &k.metadata, &k.event_type) == (&o.data, &o.metadata, &o.event_type))
    );
    assert_eq!(
        (kept[0].position, kept[2].position, kept[3].position),
        (first.first, first.last, second.last)
    );
    let mut backward = log.read_stream(&target, Revision(u64::MAX), Direction::Backward, 100).await.unwrap();
    backward.reverse();
    assert_eq!(backward, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_with_gaps_is_read_and_followed_by_category() {
    let (_server, log, run) = server();
    let category = format!("steletest{run}");
    let (target, other) = (stream(&format!("{category}-1")), stream(&format!("steletestother{run}-1")));
    let before = log.head().await.unwrap();
    log.append(&target, Expected::NoStream, offers(5)).await.unwrap();
    log.append(&other, Expected::NoStream, offers(5)).await.unwrap();
    let filter =
        Filter { event_types: vec!["steletest.Numbered1".to_owned()], ..Filter::categories(&[&category]) };
    let page = log.read_all(before.next(), &filter, 100).await.unwrap();
    assert_eq!(page.records.iter().map(|r| r.revision.0).collect::<Vec<_>>(), [1, 3]);
    // From the very place of a record, which where there are gaps is not the place after another one.
    let place = page.records[1].position;
    let from = log.read_all(place, &filter, 1).await.unwrap();
    assert_eq!(from.records.first().map(|r| r.position), Some(place));
    let mut follow = log.follow(page.records[0].position.next(), filter);
    let mut seen: Vec<(Position, Revision)> = vec![];
    while seen.is_empty() {
        seen.extend(follow.next(10).await.unwrap().records.iter().map(|r| (r.position, r.revision)));
    }
    log.append(&target, Expected::Exactly(Revision(4)), offers(2)).await.unwrap();
    while seen.len() < 2 {
        seen.extend(follow.next(10).await.unwrap().records.iter().map(|r| (r.position, r.revision)));
    }
    assert_eq!(seen.iter().map(|(_, revision)| revision.0).collect::<Vec<_>>(), [3, 6]);
    assert_eq!(seen[0].0, place);
}
