//! Live tables against the log folded from zero.

use crate::support::{ALL, act, append, clock, empty_store, folded, log_of, settled_story};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Cell, Change, ReadStore, Row, ScanQuery};
use stele_projections::compare::{CompareError, Dump, dump, fold_to, page};
use stele_projections::models;
use stele_projections::runner::{Options, Runner};

fn decisions() -> &'static stele_domain::port::read_store::Table {
    models::table("decisions").unwrap()
}

/// Puts rows into the decisions by hand, as somebody with access to the database could.
async fn tamper(store: &dyn ReadStore, change: impl FnOnce(Row) -> Vec<Change>) {
    let row = store.scan("balances", &ScanQuery::newest(1)).await.unwrap().value.rows.remove(0);
    let at = store.checkpoint("inventory").await.unwrap().position;
    let batch = Batch {
        projection: "inventory",
        version: 1,
        expected: at,
        checkpoint: at,
        event_id: None,
        changes: change(row),
        // Whoever changes rows behind the runner's back leaves the digests as they are.
        digests: store.digests("inventory").await.unwrap().1,
    };
    store.apply(batch).await.unwrap();
}

#[tokio::test]
async fn a_rebuild_equals_the_live_tables() {
    let mut acts = settled_story(0);
    acts.extend(settled_story(1).into_iter().take(12));
    let log = log_of(&acts).await;
    let live = empty_store(ALL);
    let (runner, handle) = Runner::new(
        log.clone(),
        live.clone(),
        clock(),
        ALL,
        Options { batch_records_max: 4, catch_up_records_max: 4, ..Options::default() },
    );
    handle.drain();
    runner.run().await.unwrap();
    let live = dump(&*live).await.unwrap();
    let comparison = live.compare(&folded(&*log, ALL, &[]).await).unwrap();
    assert_eq!((comparison.rows_different, comparison.position), (0, Position(27)));
    assert_eq!(comparison.rows_compared["decisions"], 2);
    assert_eq!(comparison.rows_compared["reservations"], 1);
    assert_eq!(comparison.rows_compared.len(), models::tables().count(), "every table is compared");
}

#[tokio::test]
async fn a_changed_a_lost_and_an_added_row_are_each_found() {
    let log = log_of(&settled_story(0)).await;
    let honest = folded(&*log, ALL, &[]).await;
    let table = models::table("balances").unwrap();
    let credited = table.index_of("credited").unwrap();
    let account = table.index_of("account").unwrap();

    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, Position(15), |_| {}).await.unwrap();
    tamper(&*store, |mut row| {
        row.0[credited] = Cell::parse(table.columns[credited].kind, "1").unwrap();
        vec![Change::Put { table: "balances", row }]
    })
    .await;
    let found = dump(&*store).await.unwrap().compare(&honest).unwrap();
    assert_eq!(found.rows_different, 1);
    let difference = &found.differences[0];
    assert_eq!(difference.table, "balances");
    assert!(difference.live.is_some() && difference.folded.is_some());
    assert_ne!(difference.live, difference.folded);

    tamper(&*store, |row| {
        let key = table.key_of(&row);
        vec![Change::Delete(stele_domain::port::read_store::RowKey { table: "balances", key })]
    })
    .await;
    let found = dump(&*store).await.unwrap().compare(&honest).unwrap();
    assert_eq!((found.rows_different, found.differences[0].live.clone()), (1, None));

    fold_to(&*log, &*empty_store(ALL), ALL, Position(15), |_| {}).await.unwrap();
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, Position(15), |_| {}).await.unwrap();
    tamper(&*store, |mut row| {
        row.0[account] = Cell::from("mallory.near");
        vec![Change::Put { table: "balances", row }]
    })
    .await;
    let found = dump(&*store).await.unwrap().compare(&honest).unwrap();
    assert_eq!((found.rows_different, found.differences[0].folded.clone()), (1, None));
    assert!(found.differences[0].key.contains("mallory"));
}

#[tokio::test]
async fn a_dump_travels_in_pages_and_as_json() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, Position(15), |_| {}).await.unwrap();
    let mut carried = Dump::default();
    for table in models::tables() {
        let mut after = None;
        loop {
            let page = page(&*store, table.name, after.as_deref()).await.unwrap();
            let page: stele_projections::compare::DumpPage =
                serde_json::from_str(&serde_json::to_string(&page).unwrap()).unwrap();
            after.clone_from(&page.next);
            carried.add(page).unwrap();
            if after.is_none() {
                break;
            }
        }
    }
    assert_eq!(carried, dump(&*store).await.unwrap());
    let lost = page(&*store, decisions().name, Some("not a cursor")).await;
    assert!(matches!(lost, Err(CompareError::OutOfOrder(_))), "{lost:?}");
}

#[tokio::test]
async fn tables_that_moved_meanwhile_are_not_compared() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, Position(10), |_| {}).await.unwrap();
    let early = dump(&*store).await.unwrap();
    fold_to(&*log, &*store, &ALL[..1], Position(15), |_| {}).await.unwrap();
    let torn = dump(&*store).await;
    assert!(matches!(torn, Err(CompareError::Moved { .. })), "{torn:?}");
    fold_to(&*log, &*store, ALL, Position(15), |_| {}).await.unwrap();
    let late = dump(&*store).await.unwrap();
    let apart = early.compare(&late);
    assert!(matches!(apart, Err(CompareError::Moved { .. })), "{apart:?}");
}

#[tokio::test]
async fn a_log_that_ends_too_early_is_named() {
    let log = log_of(&[act("intents.QuoteReceived", 0)]).await;
    let short = fold_to(&*log, &*empty_store(ALL), ALL, Position(9), |_| {}).await;
    assert!(
        matches!(short, Err(CompareError::Short { head: Position(1), position: Position(9) })),
        "{short:?}"
    );
}

#[tokio::test]
async fn a_held_runner_shows_one_position_while_the_log_grows() {
    let log = log_of(&settled_story(0)).await;
    let store = empty_store(ALL);
    let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), ALL, Options::default());
    let running = tokio::spawn(runner.run());
    handle.reached(Position(15), std::time::Duration::from_secs(10)).await.unwrap();
    let hold = handle.hold().await;
    let more = append(&*log, &act("intents.QuoteReceived", 3)).await;
    let shown = dump(&*store).await.unwrap();
    assert_eq!((shown.position, hold.status.position()), (Some(Position(15)), Position(15)));
    drop(hold);
    handle.reached(more, std::time::Duration::from_secs(10)).await.unwrap();
    handle.stop();
    running.await.unwrap().unwrap();
}
