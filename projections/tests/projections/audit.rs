//! The audit: whatever was done to the rows, or to what is kept beside them, is named; what is in order agrees.

use crate::support::{
    ALL, NO_LAKE, act, append, block_on, clock, empty_log, empty_store, log_of, settled_story,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use stele_domain::ids::{EventId, derived};
use stele_domain::port::event_log::{Direction, EventLog, Expected, Filter, NewRecord, Position, StreamId};
use stele_domain::port::read_store::{
    Batch, Cell, Change, Checkpoint, Digest, Order, ReadStore, Row, ScanQuery, Schema, Table,
};
use stele_domain::port::state_store::Histories;
use stele_projections::audit::{
    Audit, AuditError, Deed, Findings, Leaving, Live, OfTable, ROWS_NAMED_MAX, Verdict,
};
use stele_projections::compare::fold_to;
use stele_projections::models;
use stele_projections::projection::Registered;
use stele_read_store::{MemoryStore, Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};

pub async fn story() -> Arc<dyn EventLog> {
    let mut acts = settled_story(0);
    acts.extend(settled_story(1));
    log_of(&acts).await
}

pub async fn tables_of(log: &dyn EventLog) -> Arc<dyn ReadStore> {
    let store = empty_store(ALL);
    fold_to(log, &*store, ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    store
}

pub async fn audited_to(
    log: &Arc<dyn EventLog>,
    store: Option<&Arc<dyn ReadStore>>,
    projections: &[Registered],
    position: Option<Position>,
) -> Result<Findings, AuditError> {
    let live = match store {
        Some(store) => Some(Live::take(&**store, projections, Leaving::ByAge).await?),
        None => None,
    };
    let room = |schemas: &[_]| Ok(Arc::new(MemoryStore::new(schemas)?) as Arc<dyn ReadStore>);
    let audit =
        Audit { log, projections, position, room: &room, tell: &|_, _| {}, lake: NO_LAKE, at_once: 2 };
    audit.run(live.as_ref()).await
}

pub async fn audited(log: &Arc<dyn EventLog>, store: &Arc<dyn ReadStore>) -> Findings {
    audited_to(log, Some(store), ALL, None).await.unwrap()
}

pub fn of_table<'f>(findings: &'f Findings, table: &str) -> &'f OfTable {
    findings.tables().find(|found| found.table == table).unwrap()
}

pub fn table(name: &str) -> &'static Table {
    models::table(name).unwrap()
}

/// A store in which somebody changed rows by hand: what a person with the database's password can do.
async fn tampered(
    log: &dyn EventLog,
    name: &str,
    change: impl Fn(Vec<Row>) -> Vec<Row>,
) -> Arc<dyn ReadStore> {
    let honest = tables_of(log).await;
    let store = empty_store(ALL);
    for projection in ALL {
        let (at, digests) = honest.digests(projection.name).await.unwrap();
        let mut changes = vec![];
        for table in projection.tables {
            let rows = rows_of(&*honest, table).await;
            let rows = if table.name == name { change(rows) } else { rows };
            changes.extend(rows.into_iter().map(|row| Change::Put { table: table.name, row }));
        }
        put(&*store, projection, at, changes, digests).await;
    }
    store
}

async fn rows_of(store: &dyn ReadStore, table: &Table) -> Vec<Row> {
    store.scan(table.name, &ScanQuery::by_key(1_000)).await.unwrap().value.rows
}

pub async fn put(
    store: &dyn ReadStore,
    projection: &Registered,
    at: Checkpoint,
    changes: Vec<Change>,
    digests: Vec<Digest>,
) {
    let batch = Batch {
        projection: projection.name,
        version: at.version,
        expected: Position::START,
        checkpoint: at.position,
        event_id: at.event_id,
        changes,
        digests,
    };
    store.apply(batch).await.unwrap();
}

/// The same row with another text or number in a column.
pub fn altered(table: &Table, mut row: Row, column: &str) -> Row {
    let at = table.index_of(column).unwrap();
    row.0[at] = match &row.0[at] {
        Cell::Text(text) => Cell::text(&format!("{text}!")),
        Cell::Int(number) => Cell::Int(number + 1),
        other @ (Cell::Null
        | Cell::Bool(_)
        | Cell::Time(_)
        | Cell::Units(_)
        | Cell::Decimal(_)
        | Cell::Json(_)) => panic!("{column} is {other:?}"),
    };
    row
}

#[tokio::test]
async fn what_was_folded_by_the_runner_agrees_in_every_table_and_part() {
    let log = story().await;
    let found = audited(&log, &tables_of(&*log).await).await;
    assert_eq!(
        (found.verdict(), found.position, found.not_looked_at.len()),
        (Verdict::Agrees, Position(30), 0)
    );
    let names: BTreeSet<&str> = found.tables().map(|table| table.table.as_str()).collect();
    assert_eq!(names, models::tables().map(|table| table.name).collect(), "every table is looked at");
    for table in found.tables() {
        assert_eq!(table.rows_live, Some(table.rows_folded), "{}", table.table);
        for part in &table.parts {
            assert!(part.folded.is_some() && part.folded == part.stored && part.folded == part.scanned);
        }
    }
    assert!(of_table(&found, "decisions").rows_folded == 2 && of_table(&found, "balances").rows_folded > 0);
}

#[tokio::test]
async fn a_row_that_was_changed_is_named_with_both_rows_and_its_last_event() {
    let log = story().await;
    for (name, column, position) in [("quotes", "detail", 7), ("results", "state", 30)] {
        let definition = table(name);
        let store = tampered(&*log, name, |mut rows| {
            rows[0] = altered(definition, rows[0].clone(), column);
            rows
        });
        let store = store.await;
        let found = audited(&log, &store).await;
        let wrong = of_table(&found, name);
        assert_eq!(
            (found.verdict(), wrong.verdict, wrong.rows_changed),
            (Verdict::Differs, Verdict::Differs, 1)
        );
        let [row] = &wrong.differences[..] else { panic!("{:?}", wrong.differences) };
        let (live, folded) = (row.live.as_ref().unwrap(), row.folded.as_ref().unwrap());
        assert!(row.deed == Deed::Changed && live != folded && live.contains('!'), "{row:?}");
        let last = row.last_event.as_ref().unwrap();
        let key: serde_json::Value = serde_json::from_str(&row.key).unwrap();
        assert!(key.is_array());
        if definition.append_only {
            assert_eq!(
                (last.position, last.event_type.as_str()),
                (Position(position), "intents.QuoteReceived")
            );
        } else {
            assert_eq!(last.event_type, "trading.ReservationReleased", "{row:?}");
        }
        let record = log.read_all(last.position, &Filter::all(), 1).await.unwrap().records.remove(0);
        assert_eq!((record.event_id, &*record.event_type), (last.event_id, last.event_type.as_str()));
        let others = found.tables().filter(|table| table.table != name);
        assert!(others.into_iter().all(|table| table.verdict != Verdict::Differs), "only {name} is accused");
    }
}

#[tokio::test]
async fn a_row_that_was_deleted_is_named_with_the_event_that_wrote_it() {
    let log = story().await;
    for name in ["decisions", "balances"] {
        let store = tampered(&*log, name, |rows| rows[1..].to_vec()).await;
        let found = audited(&log, &store).await;
        let wrong = of_table(&found, name);
        assert_eq!(
            (wrong.verdict, wrong.rows_deleted, wrong.rows_different()),
            (Verdict::Differs, 1, 1),
            "{name}"
        );
        let [row] = &wrong.differences[..] else { panic!("{:?}", wrong.differences) };
        assert!(row.deed == Deed::Deleted && row.live.is_none() && row.folded.is_some());
        assert!(row.last_event.is_some(), "{name}: {row:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_added_is_named_and_no_event_is_blamed_for_it() {
    let log = story().await;
    for (name, column) in [("quotes", "position"), ("balances", "token")] {
        let definition = table(name);
        let store = tampered(&*log, name, |mut rows| {
            rows.push(altered(definition, rows[0].clone(), column));
            rows
        });
        let found = audited(&log, &store.await).await;
        let wrong = of_table(&found, name);
        assert_eq!(
            (wrong.verdict, wrong.rows_added, wrong.rows_different()),
            (Verdict::Differs, 1, 1),
            "{name}"
        );
        let [row] = &wrong.differences[..] else { panic!("{:?}", wrong.differences) };
        assert!(row.deed == Deed::Added && row.folded.is_none() && row.last_event.is_none(), "{row:?}");
    }
}

#[tokio::test]
async fn all_rows_that_differ_are_counted_and_some_are_named() {
    let log = empty_log();
    for quote in 0..40 {
        append(&*log, &act("intents.QuoteReceived", quote)).await;
    }
    let definition = table("quotes");
    let store = tampered(&*log, "quotes", |rows| {
        rows.into_iter().map(|row| altered(definition, row, "detail")).collect()
    });
    let found = audited(&log, &store.await).await;
    let wrong = of_table(&found, "quotes");
    assert_eq!((wrong.rows_changed, wrong.differences.len()), (40, ROWS_NAMED_MAX));
}

#[tokio::test]
async fn a_stored_digest_that_was_changed_is_told_from_rows_that_were() {
    let log = story().await;
    let honest = tables_of(&*log).await;
    let store = empty_store(ALL);
    for projection in ALL {
        let (at, mut digests) = honest.digests(projection.name).await.unwrap();
        if let Some(digest) = digests.iter_mut().find(|digest| digest.table == "quotes") {
            digest.value[0] ^= 1;
        }
        let mut changes = vec![];
        for table in projection.tables {
            let rows = rows_of(&*honest, table).await;
            changes.extend(rows.into_iter().map(|row| Change::Put { table: table.name, row }));
        }
        put(&*store, projection, at, changes, digests).await;
    }
    let found = audited(&log, &store).await;
    let wrong = of_table(&found, "quotes");
    assert_eq!((wrong.verdict, wrong.rows_different()), (Verdict::Differs, 0));
    let part = &wrong.parts[0];
    assert!(part.folded == part.scanned && part.folded != part.stored, "{part:?}");
}

#[tokio::test]
async fn rows_that_a_store_has_dropped_for_their_age_are_counted_and_accuse_nobody() {
    let log = empty_log();
    let kept = 1_000;
    for number in 0..kept + 7 {
        append(
            &*log,
            &crate::support::Act {
                other: u8::try_from(number % 3).unwrap(),
                ..act("trading.ArmRequested", u8::try_from(number % 250).unwrap())
            },
        )
        .await;
    }
    for number in 0..3_000_u32 {
        append(&*log, &act("trading.LimitsSet", u8::try_from(number % 250).unwrap())).await;
    }
    let store = tables_of(&*log).await;
    let found = audited(&log, &store).await;
    let history = of_table(&found, "limits_history");
    assert_eq!((history.rows_folded, history.rows_live, history.rows_older), (3_000, Some(2_000), 1_000));
    assert_eq!((found.verdict(), history.verdict), (Verdict::Agrees, Verdict::Agrees));
    let part = &history.parts[0];
    assert!(part.scanned.is_none() && part.stored == part.folded, "{part:?}");
}

#[tokio::test]
async fn a_log_that_is_older_than_the_tables_and_another_log_are_each_told_apart() {
    let log = story().await;
    let store = tables_of(&*log).await;
    let older = log_of(&settled_story(0)).await;
    let found = audited(&older, &store).await;
    assert_eq!(found.verdict(), Verdict::Differs);
    let why = found.projections[0].why.clone().unwrap();
    assert!(why.contains("position 30") && why.contains("ends at 15"), "{why}");

    let other = empty_log();
    for number in 0..30 {
        let record = NewRecord {
            event_id: EventId(derived("other", &[&number.to_string()])),
            event_type: "weather.Rained".into(),
            data: Arc::from(*b"{}"),
            metadata: Arc::from(*b"{}"),
        };
        let stream = StreamId::new("weather-berlin").unwrap();
        other.append(&stream, Expected::Any, vec![record]).await.unwrap();
    }
    let live = empty_store(ALL);
    let (runner, handle) = stele_projections::runner::Runner::new(
        Arc::clone(&log),
        Arc::clone(&live),
        clock(),
        ALL,
        stele_projections::runner::Options::default(),
    );
    handle.drain();
    runner.run().await.unwrap();
    let found = audited(&other, &live).await;
    let why = found.projections[0].why.clone().unwrap();
    assert!(found.verdict() == Verdict::Differs && why.contains("another log"), "{why}");
}

#[tokio::test]
async fn rows_of_another_version_are_not_judged() {
    let log = story().await;
    let store = empty_store(ALL);
    let projection = ALL.iter().find(|projection| projection.name == "quotes").unwrap();
    let at = Checkpoint { version: projection.version + 1, position: Position(30), event_id: None };
    put(&*store, projection, at, vec![], vec![]).await;
    let found = audited_to(&log, Some(&store), &[*projection], None).await.unwrap();
    assert_eq!((found.verdict(), found.not_looked_at.len()), (Verdict::NotCompared, 1));
    assert!(found.not_looked_at[0].why.contains("rebuild"), "{:?}", found.not_looked_at);
}

#[tokio::test]
async fn up_to_an_earlier_position_histories_are_compared_and_the_rest_is_said_to_be_left_out() {
    let log = story().await;
    let store = tables_of(&*log).await;
    let found = audited_to(&log, Some(&store), ALL, Some(Position(15))).await.unwrap();
    assert_eq!((found.verdict(), found.position), (Verdict::Agrees, Position(15)));
    let (quotes, balances) = (of_table(&found, "quotes"), of_table(&found, "balances"));
    assert_eq!((quotes.rows_folded, quotes.rows_live, quotes.verdict), (1, Some(1), Verdict::Agrees));
    assert_eq!((balances.rows_live, balances.verdict), (None, Verdict::NotCompared));
    assert!(found.not_looked_at.iter().any(|unseen| unseen.what.contains("balances")));
    let beyond = audited_to(&log, Some(&store), ALL, Some(Position(31))).await;
    assert!(matches!(beyond, Err(AuditError::Short { .. })), "{beyond:?}");
}

#[tokio::test]
async fn without_tables_there_is_nothing_to_compare_and_nothing_agrees() {
    let log = story().await;
    let found = audited_to(&log, None, ALL, None).await.unwrap();
    assert_eq!((found.verdict(), found.rows_different()), (Verdict::NotCompared, 0));
    assert!(of_table(&found, "quotes").parts[0].folded.is_some());
}

#[test]
fn rows_that_come_while_the_audit_runs_accuse_nobody() {
    block_on(async {
        let log = story().await;
        let store = tables_of(&*log).await;
        let live = Live::take(&*store, ALL, Leaving::ByAge).await.unwrap();
        for quote in 2..9 {
            append(&*log, &act("intents.QuoteReceived", quote)).await;
            append(&*log, &act("treasury.BalancesObserved", quote)).await;
        }
        fold_to(&*log, &*store, ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
        let room = |schemas: &[_]| Ok(Arc::new(MemoryStore::new(schemas)?) as Arc<dyn ReadStore>);
        let told = Mutex::new(vec![]);
        let tell = |at: Position, of: Position| told.lock().unwrap().push((at, of));
        let audit = Audit {
            log: &log,
            projections: ALL,
            position: None,
            room: &room,
            tell: &tell,
            lake: NO_LAKE,
            at_once: 2,
        };
        let found = audit.run(Some(&live)).await.unwrap();
        assert_eq!((found.verdict(), found.position), (Verdict::Agrees, Position(30)));
        assert_eq!(told.lock().unwrap().last(), Some(&(Position(30), Position(30))));
    });
}

#[test]
fn histories_are_ordered_by_position_for_they_are_compared_on_the_way() {
    assert_eq!(ScanQuery::by_key(1).order, Order::Key(Direction::Forward));
    for table in models::tables().filter(|table| table.append_only) {
        assert!(table.key_is_position(), "{}", table.name);
    }
}

/// Tables of runs on the disk that are not empty, wherever they are below a directory.
fn runs_below(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: PathBuf| {
        if path.is_dir() {
            return runs_below(&path);
        }
        let is_run = path.parent().is_some_and(|folder| folder.ends_with("tables"));
        usize::from(is_run && path.metadata().unwrap().len() > 0)
    };
    entries.map(count).sum()
}

/// Some stories over and over: rows that change again and again, and more of it than the least memory holds.
#[test]
fn a_fold_that_does_not_fit_into_its_memory_spills_and_finds_the_same() {
    block_on(async {
        let log = empty_log();
        for act in (0..6).flat_map(|_| 0..=249).flat_map(settled_story) {
            append(&*log, &act).await;
        }
        let results = table("results");
        let store = tampered(&*log, "results", |mut rows| {
            rows[7] = altered(results, rows[7].clone(), "state");
            rows
        });
        let live = Live::take(&*store.await, ALL, Leaving::ByAge).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (spilled, opened) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let on_disk = |schemas: &[Schema]| {
            let room = folder.path().join(opened.fetch_add(1, Ordering::SeqCst).to_string());
            let (histories, states) = (Histories::PassBy, States::Newest);
            let options =
                RunOptions { memory_bytes: RUN_MEMORY_BYTES_MIN, histories, states, orders: Orders::Key };
            Ok(Arc::new(RunStore::open(&room, schemas, options).unwrap()) as Arc<dyn ReadStore>)
        };
        let in_memory = |schemas: &[Schema]| Ok(Arc::new(MemoryStore::new(schemas)?) as Arc<dyn ReadStore>);
        let look = |_, _| {
            spilled.fetch_max(runs_below(folder.path()), Ordering::SeqCst);
        };
        let audit = Audit {
            log: &log,
            projections: ALL,
            position: None,
            room: &on_disk,
            tell: &look,
            lake: NO_LAKE,
            at_once: 2,
        };
        let found = audit.run(Some(&live)).await.unwrap();
        assert!(spilled.load(Ordering::SeqCst) > 0, "nothing went to the disk: more events are needed");
        let beside = Audit { room: &in_memory, ..audit }.run(Some(&live)).await.unwrap();
        assert!(found == beside, "{found:?} and in memory {beside:?}");
        let wrong = of_table(&found, "results");
        assert_eq!((wrong.rows_changed, wrong.rows_folded), (1, 250));
        assert!(wrong.differences[0].last_event.is_some());
    });
}

/// The tables of one projection with the rows that follow from the whole log, and with another checkpoint.
async fn at_another_position(
    log: &dyn EventLog,
    projection: &Registered,
    position: Position,
) -> Arc<dyn ReadStore> {
    let honest = tables_of(log).await;
    let (at, digests) = honest.digests(projection.name).await.unwrap();
    let mut changes = vec![];
    for table in projection.tables {
        let rows = rows_of(&*honest, table).await;
        changes.extend(rows.into_iter().map(|row| Change::Put { table: table.name, row }));
    }
    let store = empty_store(ALL);
    put(&*store, projection, Checkpoint { position, event_id: None, ..at }, changes, digests).await;
    store
}

#[tokio::test]
async fn rows_whose_checkpoint_is_gone_are_not_said_to_be_added_by_hand() {
    let log = story().await;
    for name in ["quotes", "account"] {
        let projection = ALL.iter().find(|projection| projection.name == name).unwrap();
        let store = at_another_position(&*log, projection, Position::START).await;
        let found = audited_to(&log, Some(&store), &[*projection], None).await.unwrap();
        assert_eq!((found.verdict(), found.rows_different()), (Verdict::Differs, 0), "{name}");
        let why = found.projections[0].why.as_ref().unwrap();
        assert!(why.contains("its checkpoint is missing") && why.contains("not judged"), "{why}");
        assert_eq!(&found.not_looked_at[0].why, why);
    }
    // Where nothing stands, nothing is missing.
    let found = audited(&log, &empty_store(ALL)).await;
    assert!(found.projections.iter().all(|projection| projection.why.is_none()));
}

#[tokio::test]
async fn a_row_that_is_ahead_of_its_checkpoint_is_told_with_the_event_that_wrote_it() {
    let log = story().await;
    for name in ["quotes", "results"] {
        let owns = |projection: &&Registered| projection.tables.iter().any(|table| table.name == name);
        let projection = ALL.iter().find(owns).unwrap();
        let store = at_another_position(&*log, projection, Position(1)).await;
        let found = audited_to(&log, Some(&store), &[*projection], None).await.unwrap();
        let wrong = of_table(&found, name);
        assert!(wrong.rows_added > 0, "{name}");
        for row in &wrong.differences {
            let last = row.last_event.as_ref().unwrap_or_else(|| panic!("{name}: {row:?}"));
            assert!(row.deed == Deed::Added && last.position > Position(1), "{name}: {row:?}");
        }
    }
}
