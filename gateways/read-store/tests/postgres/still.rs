//! The tables as they were at one moment: nothing that is kept afterwards is seen, and nobody is kept waiting.

use crate::fixture::{SCHEMAS, put, thing};
use crate::server::{Server, own_server, server};
use std::sync::Arc;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{ReadStore, ScanQuery, StoreError};

async fn names(store: &dyn ReadStore) -> usize {
    store.scan("things", &ScanQuery::by_key(1_000)).await.unwrap().value.rows.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_after_a_still_was_taken_is_not_in_it() {
    let database = server().await.database_with(SCHEMAS, 1_000_000).await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 5, vec![thing("a", 5, Some("red"))]).await.unwrap();
    let still = store.still().await.unwrap();
    // The runner writes on, and readers see it at once.
    put(&store, 5, 9, vec![thing("a", 5, Some("blue")), thing("b", 9, None)]).await.unwrap();
    assert_eq!((names(&store).await, names(&*still).await), (2, 1));
    let projection = SCHEMAS[0].projection;
    let (at, digests) = still.digests(projection).await.unwrap();
    let (now, later) = store.digests(projection).await.unwrap();
    assert_eq!((at.position, now.position), (Position(5), Position(9)));
    assert_ne!(digests, later);
    let page = still.scan("things", &ScanQuery::by_key(10)).await.unwrap();
    assert_eq!(page.as_of, Position(5));
    let refused = put(&*still, 5, 6, vec![thing("c", 6, None)]).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    // What is shown of it is the same moment, and another one begins where the tables are now.
    assert_eq!(names(&*still.still().await.unwrap()).await, 1);
    assert_eq!(names(&*store.still().await.unwrap()).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_still_whose_connection_is_gone_is_over_and_never_shows_another_moment() {
    let own: Arc<Server> = Arc::new(own_server().await);
    let database = own.database_with(SCHEMAS, 1_000_000).await;
    let store = database.store(SCHEMAS).await;
    put(&store, 0, 5, vec![thing("a", 5, None)]).await.unwrap();
    let still = store.still().await.unwrap();
    assert_eq!(names(&*still).await, 1);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE usename = current_user AND pid <> pg_backend_pid()";
    database.run("stele_app", end).await.unwrap();
    for _ in 0..3 {
        let over = still.scan("things", &ScanQuery::by_key(10)).await;
        assert!(matches!(over, Err(StoreError::Unavailable(_))), "{over:?}");
    }
    put(&store, 5, 6, vec![thing("b", 6, None)]).await.unwrap();
}
