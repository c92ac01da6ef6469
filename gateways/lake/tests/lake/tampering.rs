//! What is changed in a lake by hand is named.

use crate::support::{HandClock, findings, log_of, memory, open, publish, verified};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::blob_store::{BlobName, ChangingBlobs};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::Position;
use stele_lake::doctor::examine;
use stele_lake::facts;
use stele_lake::verify::{Difference, Verified, verify, verify_patiently};

const TABLE: &str = "fact_decision";

async fn lake() -> (Arc<stele_event_log::MemoryLog>, Arc<dyn ChangingBlobs>, BlobName) {
    let log = log_of(220).await;
    let store = memory();
    publish(&store, &*log).await.unwrap();
    let publisher = open(&store).await.unwrap();
    let table = publisher.tables().find(|table| table.name() == TABLE).unwrap();
    let path = table.paths().next().unwrap().0.to_owned();
    (log, store, BlobName::new(&format!("{TABLE}/{path}")).unwrap())
}

/// The findings of the table, with no other table having any.
fn of_table(all: Vec<Verified>) -> Vec<Difference> {
    let mut found = vec![];
    for table in all {
        if table.table == TABLE {
            found = table.differences;
        } else {
            assert_eq!(table.differences, [], "{}", table.table);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_and_a_missing_file_are_named() {
    let (log, store, file) = lake().await;
    let bytes = store.get(&file).await.unwrap();
    for at in [0, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        store.replace(&file, flipped).await.unwrap();
        let found = of_table(verified(&store, &*log).await);
        let named = |found: &Difference| matches!(found, Difference::File { what } if what.contains("not those that were committed"));
        assert!(found.iter().any(named), "byte {at}: {found:?}");
    }
    store.remove(&file).await.unwrap();
    let found = of_table(verified(&store, &*log).await);
    assert!(matches!(&found[0], Difference::File { what } if what.contains(".parquet")), "{found:?}");
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Difference::Day { day, lake: 0, .. } if day == "2026-11-20"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_a_commit_adds_or_takes_by_hand_are_named_with_their_day() {
    let (log, store, file) = lake().await;
    let path = file.as_str().strip_prefix("fact_decision/").unwrap();
    let next = BlobName::new("fact_decision/_delta_log/00000000000000000002.json").unwrap();
    let remove = format!("{{\"remove\":{{\"path\":\"{path}\",\"dataChange\":true}}}}\n");
    store.replace(&next, remove.into_bytes()).await.unwrap();
    let found = of_table(verified(&store, &*log).await);
    assert!(
        found.iter().any(
            |found| matches!(found, Difference::Day { day, lake: 0, log } if day == "2026-11-20" && *log > 0)
        ),
        "{found:?}"
    );
    assert!(found.iter().any(|found| matches!(found, Difference::Said { .. })), "{found:?}");

    // The same file again, under another name: every row of it twice.
    let copy = BlobName::new("fact_decision/dt=2026-11-20/again.parquet").unwrap();
    let bytes = store.get(&file).await.unwrap();
    let size = bytes.len();
    store.replace(&copy, bytes).await.unwrap();
    let add = format!(
        "{{\"add\":{{\"path\":\"dt=2026-11-20/again.parquet\",\"partitionValues\":{{\"dt\":\"2026-11-20\"}},\
         \"size\":{size},\"modificationTime\":0,\"dataChange\":true}}}}\n"
    );
    store.replace(&next, add.into_bytes()).await.unwrap();
    let found = of_table(verified(&store, &*log).await);
    assert!(
        found.iter().any(|found| matches!(found, Difference::Day { lake, log, .. } if *lake == 2 * log)),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_ends_before_the_lake_does_is_named() {
    let (_, store, _) = lake().await;
    let short = log_of(100).await;
    for table in verified(&store, &*short).await {
        assert!(table.differences.iter().any(|found| matches!(found, Difference::Ahead { .. })), "{table:?}");
    }
}

/// The table's newest commit, of the two that it has.
fn newest_commit() -> BlobName {
    BlobName::new(&format!("{TABLE}/_delta_log/00000000000000000001.json")).unwrap()
}

fn is_behind(found: &[Difference]) -> bool {
    matches!(found, [Difference::Behind { to: Position(220), rows }] if *rows > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_removed_or_lost_its_newest_commit_is_behind_the_others_and_publishing_adds_it() {
    let (log, store, _) = lake().await;
    let right = verified(&store, &*log).await;
    store.remove(&newest_commit()).await.unwrap();
    let found = of_table(verified(&store, &*log).await);
    assert!(is_behind(&found), "{found:?}");
    publish(&store, &*log).await.unwrap();
    assert_eq!(verified(&store, &*log).await, right);

    for entry in store.list(&BlobName::new(TABLE).unwrap(), None, 1_000).await.unwrap() {
        store.remove(&entry.name).await.unwrap();
    }
    let found = of_table(verified(&store, &*log).await);
    assert!(is_behind(&found), "{found:?}");
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let told = examine(&store, clock, facts::ALL, (2, 1)).await.unwrap();
    let ill: Vec<_> = told.findings.iter().filter(|finding| !finding.ok).collect();
    assert!(
        matches!(&ill[..], [one] if one.name == TABLE && one.detail.contains("up to position 220")),
        "{ill:?}"
    );
    publish(&store, &*log).await.unwrap();
    assert_eq!(verified(&store, &*log).await, right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_commit_comes_while_the_others_are_read_is_not_behind() {
    let (log, store, _) = lake().await;
    let commit = store.get(&newest_commit()).await.unwrap();
    store.remove(&newest_commit()).await.unwrap();
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let told = verify(&store, &clock, facts::ALL, &*log, |_, _| {
        store.replace(&newest_commit(), commit.clone()).now_or_never().unwrap().unwrap();
    });
    let told = told.await.unwrap();
    assert!(told.is_ok(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_commit_comes_a_little_later_is_waited_for() {
    let (log, store, _) = lake().await;
    let commit = store.get(&newest_commit()).await.unwrap();
    store.remove(&newest_commit()).await.unwrap();
    let clock: Arc<dyn Clock> = HandClock::now_shared();
    let once = [Duration::from_millis(1)];
    let told = verify_patiently(&store, &clock, facts::ALL, &*log, &once, |_, _| ()).await.unwrap();
    assert!(is_behind(&of_table(told.tables)));
    let late = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.replace(&newest_commit(), commit).await.unwrap();
    };
    let waits = [Duration::from_millis(500); 3];
    let told = verify_patiently(&store, &clock, facts::ALL, &*log, &waits, |_, _| ());
    let (told, ()) = tokio::join!(told, late);
    assert!(told.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_to_which_nothing_was_published_is_not_what_the_log_says() {
    let log = log_of(60).await;
    let store = memory();
    assert!(findings(&store, &*log).await.is_unpublished());
    // The tables are made before the first row.
    drop(open(&store).await.unwrap());
    assert!(findings(&store, &*log).await.is_unpublished());
    publish(&store, &*log).await.unwrap();
    let told = findings(&store, &*log).await;
    assert!(told.is_ok() && !told.is_unpublished(), "{told:?}");
    assert_eq!((told.position, told.head), (Position(60), Position(60)));
}
