//! A database that is lost and made anew while the desk works: nobody has to stop for it.

use crate::fixture::{SCHEMAS, THINGS, put, thing};
use crate::server::{Database, own_server, run};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{ReadStore, ScanQuery, StoreError};
use stele_read_store::PostgresStore;
use stele_read_store::migrate::FILES;

/// Longest that a store may take to notice.
const SOON: Duration = Duration::from_mins(1);

/// Says that it passes, and why, until it says this.
async fn until_it_says(words: &str, mut work: impl AsyncFnMut() -> Result<(), StoreError>) {
    let began = Instant::now();
    loop {
        let error = work().await.expect_err(words);
        assert!(error.is_transient(), "nobody would try again: {error:?}");
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let said = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if said.contains(words) {
            return;
        }
        assert!(began.elapsed() < SOON, "it never says {words:?}: {said}");
    }
}

async fn things(store: &PostgresStore) -> (usize, Position) {
    let answer = store.scan(THINGS.name, &ScanQuery::by_key(10)).await.unwrap();
    (answer.value.rows.len(), answer.as_of)
}

async fn as_administrator(database: &Database, sql: &str) {
    run(&database.server.private.administrator_url(), sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_dropped_is_filled_again_from_the_beginning_by_those_that_work_on_it() {
    let server = Arc::new(own_server().await);
    let (database, template) =
        (server.database_with(SCHEMAS, 10).await, server.database_with(SCHEMAS, 10).await);
    let (writer, reader) = (database.store(SCHEMAS).await, database.store(SCHEMAS).await);
    put(&writer, 0, 5, vec![thing("a", 1, None), thing("b", 2, None)]).await.unwrap();
    assert_eq!(reader.reached("first", Position(5)).await.unwrap(), Position(5));
    let name = &database.name;
    let write = async || put(&writer, 5, 6, vec![thing("c", 6, None)]).await;

    as_administrator(&database, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    until_it_says("does not exist", write).await;
    as_administrator(&database, &format!("CREATE DATABASE {name} OWNER stele_owner")).await;
    until_it_says("`stele db migrate`", write).await;
    as_administrator(&database, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    let whole = format!("CREATE DATABASE {name} TEMPLATE {} OWNER stele_owner", template.name);
    as_administrator(&database, &whole).await;
    // Whoever migrates has one file to go.
    let last = FILES.last().unwrap();
    let unsaid = format!("DELETE FROM stele.migrations WHERE version = {}", last.version);
    database.run("stele_owner", &unsaid).await.unwrap();
    until_it_says("a new one", write).await;
    until_it_says(last.file, write).await;
    as_administrator(&database, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    as_administrator(&database, &whole).await;

    let began = Instant::now();
    let back = loop {
        match write().await {
            Err(StoreError::Conflict { actual, .. }) => break actual,
            Err(error) => assert!(error.is_transient() && began.elapsed() < SOON, "{error:?}"),
            Ok(()) => panic!("it was kept on top of nothing"),
        }
    };
    assert_eq!(back, Position(0), "the runner folds from there");
    put(&writer, 0, 3, vec![thing("a", 1, None)]).await.unwrap();
    assert_eq!(things(&writer).await, (1, Position(3)));
    // Nobody is told that what was reached before the loss is there again.
    for store in [&writer, &reader] {
        assert_eq!(store.reached("first", Position(1)).await.unwrap(), Position(3));
        let patience = Duration::from_millis(100);
        let early = tokio::time::timeout(patience, store.reached("first", Position(5))).await;
        assert!(early.is_err(), "{early:?}");
    }
    put(&writer, 3, 5, vec![thing("b", 5, None)]).await.unwrap();
    assert_eq!(reader.reached("first", Position(5)).await.unwrap(), Position(5));
    assert_eq!(things(&reader).await, (2, Position(5)));
}
