//! Publishing: once, whatever the batches, from whatever side.

use crate::support::{HandClock, grow, log_of, memory, open, options, publish, record, told};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::codec;
use stele_domain::port::blob_store::{BlobName, ChangingBlobs};
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, StreamId};
use stele_event_log::MemoryLog;
use stele_lake::LakeError;
use stele_lake::facts;
use stele_lake::figures::Figures;
use stele_lake::publish::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_cut_of_the_log_and_a_rebuild_from_zero_give_the_same_rows() {
    let whole = log_of(400).await;
    let at_once = memory();
    assert_eq!(publish(&at_once, &*whole).await.unwrap().position, Position(400));
    let right = told(&at_once, &*whole).await;
    assert!(right.iter().all(|(_, position, rows, _)| *position == 400 && *rows > 0), "{right:?}");

    let log = log_of(0).await;
    let piecemeal = memory();
    for (from, count) in [(0, 1), (1, 54), (55, 0), (55, 200), (255, 145)] {
        grow(&log, from, count).await;
        publish(&piecemeal, &*log).await.unwrap();
    }
    assert_eq!(told(&piecemeal, &*log).await, right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_what_is_published_commits_nothing() {
    let log = log_of(100).await;
    let store = memory();
    let first = publish(&store, &*log).await.unwrap();
    assert!(first.rows > 50, "{first:?}");
    let version = |publisher: &stele_lake::publish::Publisher| -> Vec<u64> {
        publisher.tables().map(stele_lake::table::LakeTable::version).collect()
    };
    let before = version(&open(&store).await.unwrap());
    let again = publish(&store, &*log).await.unwrap();
    assert_eq!((again.rows, again.position), (0, first.position));
    assert_eq!(version(&open(&store).await.unwrap()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_publishers_at_the_same_time_publish_every_row_once() {
    let log = log_of(300).await;
    let alone = memory();
    publish(&alone, &*log).await.unwrap();
    let right = told(&alone, &*log).await;
    let store = memory();
    let racing: Vec<_> = (0..4)
        .map(|_| {
            let (store, log) = (Arc::clone(&store), Arc::<MemoryLog>::clone(&log));
            tokio::spawn(async move {
                // Whoever is overtaken begins again, as the service does.
                while let Err(error) = publish(&store, &*log).await {
                    assert!(error.is_transient(), "{error:?}");
                }
            })
        })
        .collect();
    for racer in racing {
        racer.await.unwrap();
    }
    assert_eq!(told(&store, &*log).await, right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_lie_in_the_folder_of_the_utc_date_of_their_event() {
    let log = log_of(200).await;
    let store = memory();
    publish(&store, &*log).await.unwrap();
    let publisher = open(&store).await.unwrap();
    let table = publisher.tables().find(|table| table.name() == "fact_quote").unwrap();
    let mut days: Vec<&str> = table.paths().map(|(_, day)| day).collect();
    days.dedup();
    assert_eq!(days, ["2026-11-20", "2026-11-21"]);
    for (path, day) in table.paths() {
        assert!(path.starts_with(&format!("dt={day}/part-")), "{path}");
        let at = table.definition().index_of("occurred_at").unwrap();
        let check = |rows: Vec<stele_domain::port::read_store::Row>| {
            assert!(rows.iter().all(|row| row.0[at].to_string().starts_with(day)));
            Ok(())
        };
        table.read(path, check).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_from_everywhere_make_no_more_files_at_a_time_than_is_allowed() {
    let log = MemoryLog::new(HandClock::at(crate::support::START_MS));
    let stream = StreamId::new("price-btc-eure").unwrap();
    let sample = &codec::samples()[0];
    for nth in 0..200_usize {
        // An event a day, as a source that tells of the past would have it.
        log.append(&stream, Expected::Any, vec![record(nth * 1_440, sample)]).await.unwrap();
    }
    let store = memory();
    publish(&store, &log).await.unwrap();
    let publisher = open(&store).await.unwrap();
    let table = publisher.tables().find(|table| table.name() == "fact_price").unwrap();
    assert_eq!(
        (table.files(), table.version()),
        (200, 200_u64.div_ceil(stele_lake::publish::DAYS_MAX as u64))
    );
    told(&store, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_another_one_is_refused_and_nothing_is_mixed() {
    let log = log_of(50).await;
    let store = memory();
    publish(&store, &*log).await.unwrap();
    let right = told(&store, &*log).await;
    let other = MemoryLog::new(HandClock::at(0));
    let stream = StreamId::new("price-btc-eure").unwrap();
    for nth in 0..60_usize {
        other.append(&stream, Expected::Any, vec![record(1_000 + nth, &codec::samples()[0])]).await.unwrap();
    }
    let refused = publish(&store, &other).await.unwrap_err();
    assert!(matches!(refused, LakeError::OtherLog { .. }) && !refused.is_transient(), "{refused}");
    let short = publish(&store, &*log_of(10).await).await.unwrap_err();
    assert!(matches!(short, LakeError::OtherLog { .. }), "{short}");
    assert_eq!(told(&store, &*log).await, right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_newer_build_stops_the_lake_in_front_of_it_and_others_categories_do_not() {
    let log = log_of(20).await;
    let foreign = StreamId::new("others-1").unwrap();
    let mut record = record(20, &codec::samples()[0]);
    record.event_type = "others.Happened".into();
    log.append(&foreign, Expected::Any, vec![record]).await.unwrap();
    let store = memory();
    assert_eq!(publish(&store, &*log).await.unwrap().position, Position(21));
    let newer = crate::support::record(21, &codec::samples()[0]);
    let metadata =
        String::from_utf8(newer.metadata.to_vec()).unwrap().replace("\"schema\":1", "\"schema\":9");
    let newer = NewRecord { metadata: metadata.into_bytes().into(), ..newer };
    log.append(&foreign, Expected::Any, vec![newer]).await.unwrap();
    let stopped = publish(&store, &*log).await.unwrap_err();
    assert!(matches!(stopped, LakeError::Undecodable { position: Position(22), .. }), "{stopped}");
    assert_eq!(open(&store).await.unwrap().position(), Position(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_follows_publishes_what_comes_and_says_how_far_it_is() {
    let log = log_of(100).await;
    let store = memory();
    let figures = Arc::new(Figures::default());
    let options = Options { every: Duration::from_millis(20), ..options() };
    let clock = HandClock::now_shared();
    let (followed, told_to) = (Arc::<MemoryLog>::clone(&log), Arc::clone(&figures));
    let running = tokio::spawn(run(Arc::clone(&store), clock, facts::ALL, followed, options, told_to));
    for (from, count) in [(100, 0), (100, 50), (150, 1)] {
        grow(&log, from, count).await;
        let head = log.head().await.unwrap();
        while figures.position() < head {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    running.abort();
    publish(&store, &*log).await.unwrap();
    let fresh = memory();
    publish(&fresh, &*log).await.unwrap();
    assert_eq!(told(&store, &*log).await, told(&fresh, &*log).await);
}

#[tokio::test]
async fn a_store_in_which_two_writers_could_commit_over_each_other_is_refused() {
    let store = crate::tables::careless();
    let refused = open(&store).await.err().unwrap();
    assert!(matches!(refused, LakeError::NotAtomic { .. }), "{refused}");
    let left = store.list(&BlobName::new("fact_quote").unwrap(), None, 10).await.unwrap();
    assert_eq!(left, []);
    let _: &dyn ChangingBlobs = &*store;
}
