//! The audit of histories that are longer than the pages that they are compared by: wherever a row was changed, taken away or
//! added, that row is named and no other, and what the live rows come to is what a scan of them says.

use crate::audit::{altered, audited_to, of_table, put, table};
use crate::meddled::{Meddled, Meddling};
use crate::support::{act, append, block_on, empty_log, empty_store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{
    Answer, Batch, Change, Checkpoint, PAGE_ROWS_MAX, Page, ReadStore, Row, ScanQuery, StoreError, Table,
};
use stele_projections::audit::{AuditError, Deed, Findings, Verdict};
use stele_projections::compare::fold_to;
use stele_projections::digest::{scan, short};
use stele_projections::models;
use stele_projections::projection::Registered;

/// Two pages and some rows.
const ROWS: usize = 2 * PAGE_ROWS_MAX + 50;

fn quotes() -> Registered {
    *models::ALL.iter().find(|projection| projection.name == "quotes").unwrap()
}

/// A quote at every second position.
async fn long_story() -> Arc<dyn EventLog> {
    let log = empty_log();
    for number in 0..ROWS {
        let quote = u8::try_from(number % 250).unwrap();
        append(&*log, &act("intents.QuoteReceived", quote)).await;
        append(&*log, &act("trading.LimitsSet", quote)).await;
    }
    log
}

async fn all_rows(store: &dyn ReadStore, table: &Table) -> Vec<Row> {
    let (mut rows, mut query) = (vec![], ScanQuery::by_key(PAGE_ROWS_MAX));
    loop {
        let page = store.scan(table.name, &query).await.unwrap().value;
        rows.extend(page.rows);
        query.after = page.next;
        if query.after.is_none() {
            return rows;
        }
    }
}

struct Story {
    log: Arc<dyn EventLog>,
    honest: Arc<dyn ReadStore>,
    rows: Vec<Row>,
}

impl Story {
    async fn tell() -> Self {
        let log = long_story().await;
        let honest = empty_store(&[quotes()]);
        fold_to(&*log, &*honest, &[quotes()], log.head().await.unwrap(), |_| {}).await.unwrap();
        let rows = all_rows(&*honest, table("quotes")).await;
        assert_eq!(rows.len(), ROWS);
        Self { log, honest, rows }
    }

    /// A store that says to be the honest one, with other rows.
    async fn with(&self, rows: &[Row]) -> Arc<dyn ReadStore> {
        let (at, digests): (Checkpoint, _) = self.honest.digests("quotes").await.unwrap();
        let store = empty_store(&[quotes()]);
        let changes = rows.iter().map(|row| Change::Put { table: "quotes", row: row.clone() });
        put(&*store, &quotes(), at, changes.collect(), digests).await;
        store
    }

    async fn audited(&self, store: &Arc<dyn ReadStore>, position: Option<Position>) -> Findings {
        audited_to(&self.log, Some(store), &[quotes()], position).await.unwrap()
    }
}

/// One row is named, with this deed and this key, and counts and digests are those of the rows that are there.
async fn named(told: &Story, rows: &[Row], deed: Deed, key: &Row) {
    let store = told.with(rows).await;
    let found = told.audited(&store, None).await;
    let wrong = of_table(&found, "quotes");
    let at = table("quotes").position_of(key);
    let [named] = &wrong.differences[..] else { panic!("{deed:?} at {at}: {:?}", wrong.differences) };
    assert_eq!((named.deed, &named.key), (deed, &table("quotes").key_of(key).to_string()));
    let counted = (wrong.rows_changed, wrong.rows_deleted, wrong.rows_added);
    let expected = match deed {
        Deed::Changed => (1, 0, 0),
        Deed::Deleted => (0, 1, 0),
        Deed::Added => (0, 0, 1),
    };
    assert_eq!((wrong.verdict, counted), (Verdict::Differs, expected), "{deed:?} at {at}");
    let (folded, live) = (u64::try_from(ROWS).unwrap(), u64::try_from(rows.len()).unwrap());
    assert_eq!((wrong.rows_folded, wrong.rows_live), (folded, Some(live)), "{deed:?} at {at}");
    let scanned = scan(&*store, &quotes()).await.unwrap().found.to_vec();
    let part = &wrong.parts[0];
    assert_eq!(part.scanned, scanned.first().map(short), "{deed:?} at {at}");
    assert!(part.folded == part.stored && part.folded != part.scanned, "{deed:?} at {at}: {part:?}");
}

#[test]
fn a_row_is_named_wherever_it_stands_among_the_pages() {
    block_on(async {
        let told = Story::tell().await;
        let found = told.audited(&told.honest, None).await;
        let right = of_table(&found, "quotes");
        assert_eq!((right.verdict, right.rows_live), (Verdict::Agrees, Some(right.rows_folded)));
        let scanned = scan(&*told.honest, &quotes()).await.unwrap().found.to_vec();
        assert_eq!(right.parts[0].scanned, scanned.first().map(short));

        let page = PAGE_ROWS_MAX;
        for at in [0, page - 1, page, 2 * page - 1, 2 * page, ROWS - 1] {
            let mut rows = told.rows.clone();
            rows[at] = altered(table("quotes"), rows[at].clone(), "detail");
            named(&told, &rows, Deed::Changed, &told.rows[at]).await;

            let mut rows = told.rows.clone();
            let gone = rows.remove(at);
            named(&told, &rows, Deed::Deleted, &gone).await;

            // Between this quote and the next one, or behind the last.
            let mut rows = told.rows.clone();
            let more = altered(table("quotes"), rows[at].clone(), "position");
            rows.insert(at + 1, more.clone());
            named(&told, &rows, Deed::Added, &more).await;
        }
    });
}

#[test]
fn after_a_first_difference_the_others_are_found_too() {
    block_on(async {
        let told = Story::tell().await;
        let mut rows = told.rows.clone();
        rows[3] = altered(table("quotes"), rows[3].clone(), "detail");
        rows.remove(PAGE_ROWS_MAX + 5);
        let more = altered(table("quotes"), rows[2 * PAGE_ROWS_MAX].clone(), "position");
        rows.insert(2 * PAGE_ROWS_MAX + 1, more);
        let found = told.audited(&told.with(&rows).await, None).await;
        let wrong = of_table(&found, "quotes");
        assert_eq!((wrong.rows_changed, wrong.rows_deleted, wrong.rows_added), (1, 1, 1));
        let deeds: Vec<Deed> = wrong.differences.iter().map(|row| row.deed).collect();
        assert_eq!(deeds, [Deed::Changed, Deed::Deleted, Deed::Added]);
        assert_eq!((wrong.rows_folded, wrong.rows_live), (ROWS as u64, Some(ROWS as u64)));
    });
}

#[test]
fn up_to_a_position_rows_behind_it_are_not_looked_at() {
    block_on(async {
        let told = Story::tell().await;
        let last = told.rows[PAGE_ROWS_MAX + 9].clone();
        let until = Position(u64::try_from(table("quotes").position_of(&last)).unwrap());
        let behind = altered(table("quotes"), last.clone(), "position");
        let mut rows = told.rows.clone();
        rows.insert(PAGE_ROWS_MAX + 10, behind.clone());
        let store = told.with(&rows).await;
        let found = told.audited(&store, Some(until)).await;
        let right = of_table(&found, "quotes");
        let seen = u64::try_from(PAGE_ROWS_MAX + 10).unwrap();
        assert_eq!((right.rows_folded, right.rows_live, right.rows_different()), (seen, Some(seen), 0));
        // One position later it is looked at, and nothing follows from the log there.
        let found = told.audited(&store, Some(until.next())).await;
        let wrong = of_table(&found, "quotes");
        assert_eq!((wrong.rows_folded, wrong.rows_live, wrong.rows_added), (seen, Some(seen + 1), 1));
        assert_eq!(wrong.differences[0].key, table("quotes").key_of(&behind).to_string());
    });
}

/// Answers one question about a long history, and none after that.
#[derive(Clone)]
struct Gone(Arc<dyn ReadStore>, Arc<AtomicU64>);

impl Meddling for Gone {
    fn inner(&self) -> &dyn ReadStore {
        &*self.0
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        let same: Arc<dyn ReadStore> = Arc::new(Meddled(self.clone()));
        Box::pin(async { Ok(same) })
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.0.apply(batch)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        if table == "quotes" && self.1.fetch_add(1, Ordering::SeqCst) > 0 {
            return Box::pin(async { Err(StoreError::Unavailable("gone".into())) });
        }
        self.0.scan(table, query)
    }
}

#[test]
fn a_store_that_goes_away_between_two_pages_ends_the_audit() {
    block_on(async {
        let told = Story::tell().await;
        let gone = Gone(Arc::clone(&told.honest), Arc::new(AtomicU64::new(0)));
        let store: Arc<dyn ReadStore> = Arc::new(Meddled(gone));
        let ended = audited_to(&told.log, Some(&store), &[quotes()], None).await;
        assert!(matches!(ended, Err(AuditError::Store(StoreError::Unavailable(_)))), "{ended:?}");
    });
}

/// Has given up the moment by the time that somebody asks.
#[derive(Clone)]
struct GivenUp(Arc<dyn ReadStore>);

impl Meddling for GivenUp {
    fn inner(&self) -> &dyn ReadStore {
        &*self.0
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        let same: Arc<dyn ReadStore> = Arc::new(Meddled(self.clone()));
        Box::pin(async { Ok(same) })
    }

    fn checkpoint<'a>(&'a self, _: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("given up".into())) })
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        self.0.apply(batch)
    }
}

#[test]
fn a_store_is_asked_before_anything_is_folded_and_one_that_gave_up_ends_the_audit() {
    block_on(async {
        let log = crate::audit::story().await;
        let honest = crate::audit::tables_of(&*log).await;
        let store: Arc<dyn ReadStore> = Arc::new(Meddled(GivenUp(honest)));
        let ended = audited_to(&log, Some(&store), &[quotes()], None).await;
        assert!(matches!(ended, Err(AuditError::Store(StoreError::Unavailable(_)))), "{ended:?}");
    });
}
