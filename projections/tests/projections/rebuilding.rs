//! Rebuilds over tables in memory: a fresh store is folded, compared, and takes the place of the live one.

use crate::support::{ALL, append, clock, folded, log_of, settled_story};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{
    Batch, Cell, Change, ReadStore, RebuildPhase, Rebuilding, ScanQuery, StoreError, Wanted,
};
use stele_projections::compare::dump;
use stele_projections::models;
use stele_projections::rebuild::{Asked, Compared, Options, RebuildError, Rebuilder, Side};
use stele_projections::runner::{Handle, Options as RunnerOptions, Runner};
use stele_projections::schemas;
use stele_read_store::MemoryStore;

struct Desk {
    log: Arc<dyn EventLog>,
    store: Arc<MemoryStore>,
    runner: Handle,
}

impl Desk {
    /// Some stories, in tables that their runner keeps.
    async fn of(stories: u8) -> Self {
        let acts: Vec<_> = (0..stories).flat_map(settled_story).collect();
        let log = log_of(&acts).await;
        let store = Arc::new(MemoryStore::new(&schemas(ALL)).unwrap());
        let options = RunnerOptions { batch_records_max: 3, ..RunnerOptions::default() };
        let (runner, handle) = Runner::new(log.clone(), store.clone(), clock(), ALL, options);
        tokio::spawn(runner.stay());
        let head = log.head().await.unwrap();
        handle.reached(head, Duration::from_mins(1)).await.unwrap();
        Self { log, store, runner: handle }
    }

    fn rebuilder(&self) -> Rebuilder {
        Rebuilder {
            log: self.log.clone(),
            live: self.store.clone(),
            tables: self.store.clone(),
            clock: clock(),
            runner: Some(self.runner.clone()),
            options: Options { batch_records_max: 7, close: 4, ..Options::default() },
        }
    }
}

fn asked() -> Asked {
    Asked { projections: ALL.to_vec(), by: "a test".to_owned(), from_zero: false, despite_difference: false }
}

#[tokio::test]
async fn tables_in_memory_are_folded_beside_and_swapped_under_their_runner() {
    let desk = Desk::of(3).await;
    let outcomes = desk.rebuilder().begin(asked()).await.unwrap().run().await.unwrap();
    assert_eq!(outcomes.len(), ALL.len());
    for outcome in outcomes {
        assert!(outcome.compared == Compared::Equal && outcome.swap.is_some(), "{outcome:?}");
    }
    let known = desk.store.rebuilds().await.unwrap();
    assert_eq!(known.len(), ALL.len());
    assert!(known.iter().all(|known| known.phase == RebuildPhase::Swapped && known.position == known.target));
    assert_eq!(desk.store.old_tables().await.unwrap(), vec![], "memory has no room for them");
    // The runner goes on in the new tables.
    for act in settled_story(3) {
        append(&*desk.log, &act).await;
    }
    let head = desk.log.head().await.unwrap();
    desk.runner.reached(head, Duration::from_mins(1)).await.unwrap();
    assert_eq!(dump(&*desk.store).await.unwrap(), folded(&*desk.log, ALL, &[]).await);
    let again = desk.rebuilder().begin(asked()).await.unwrap().run().await.unwrap();
    assert!(again.iter().all(|outcome| outcome.compared == Compared::Equal), "{again:#?}");
}

#[tokio::test]
async fn a_row_that_was_changed_in_memory_is_found_and_put_right_only_on_request() {
    let desk = Desk::of(2).await;
    let hold = desk.runner.hold().await;
    let row = desk.store.scan("balances", &ScanQuery::newest(1)).await.unwrap().value.rows.remove(0);
    let (at, digests) = desk.store.digests("inventory").await.unwrap();
    let mut wrong = row.clone();
    let place = models::table("balances").unwrap().index_of("last_position").unwrap();
    wrong.0[place] = Cell::Int(1);
    let batch = Batch {
        projection: "inventory",
        version: at.version,
        expected: at.position,
        checkpoint: at.position,
        event_id: at.event_id,
        changes: vec![Change::Put { table: "balances", row: wrong }],
        digests,
    };
    desk.store.apply(batch).await.unwrap();
    drop(hold);
    let inventory: Vec<_> = ALL.iter().filter(|projection| projection.name == "inventory").copied().collect();
    let only = Asked { projections: inventory, ..asked() };
    let outcome = desk.rebuilder().begin(only.clone()).await.unwrap().run().await.unwrap().remove(0);
    let Compared::Different(parts) = &outcome.compared else { panic!("{outcome:?}") };
    assert_eq!((parts.len(), parts[0].table, parts[0].side), (1, "balances", Side::Rows));
    assert_eq!(outcome.swap, None);
    let known = desk.store.rebuilds().await.unwrap().remove(0);
    assert_eq!(known.phase, RebuildPhase::Different);
    assert!(known.detail.contains("balances part 0"), "{}", known.detail);
    let wanted = Asked { despite_difference: true, ..only };
    let outcome = desk.rebuilder().begin(wanted).await.unwrap().run().await.unwrap().remove(0);
    assert!(outcome.swap.is_some());
    assert_eq!(dump(&*desk.store).await.unwrap(), folded(&*desk.log, ALL, &[]).await);
}

#[tokio::test]
async fn a_second_rebuild_in_memory_is_refused_until_the_first_lets_go() {
    let desk = Desk::of(1).await;
    let job = desk.rebuilder().begin(asked()).await.unwrap();
    let refused = desk.rebuilder().begin(asked()).await.err().unwrap();
    assert!(matches!(&refused, RebuildError::Store(StoreError::Rebuilding { by, .. }) if by == "a test"));
    drop(job);
    assert!(
        desk.store.rebuilds().await.unwrap().iter().all(|known| known.phase == RebuildPhase::Interrupted)
    );
    desk.rebuilder().begin(asked()).await.unwrap().run().await.unwrap();
}

#[tokio::test]
async fn a_swap_of_tables_that_moved_changes_nothing() {
    let desk = Desk::of(1).await;
    let wanted = Wanted { projections: vec!["quotes"], by: "a test".to_owned(), from_zero: false };
    let claim = desk.store.claim(wanted).await.unwrap();
    let live = desk.store.checkpoint("quotes").await.unwrap();
    let behind = stele_domain::port::read_store::Swap {
        projection: "quotes",
        live,
        next: Position::START,
        patience: Duration::ZERO,
    };
    let before = dump(&*desk.store).await.unwrap();
    let refused = claim.swap(behind).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert_eq!(dump(&*desk.store).await.unwrap(), before);
}
