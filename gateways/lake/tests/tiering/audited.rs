//! The audit of rows that went to the lake: a log of more than a million events, folded into PostgreSQL, whose first partition of
//! quotes has left for a directory.

use crate::desk::{Desk, MILLION, quotes, registered};
use crate::support::{HandClock, record};
use std::path::Path;
use std::sync::Arc;
use stele_blob_store::{Address, Options, open_changing};
use stele_domain::codec;
use stele_domain::ids::{EventId, derived};
use stele_domain::port::blob_store::{BlobName, ChangingBlobs};
use stele_domain::port::event_log::{
    APPEND_RECORDS_MAX, EventLog, Expected, Filter, NewRecord, Position, StreamId,
};
use stele_domain::port::read_store::ReadStore;
use stele_domain::port::tiering::HistoryLake;
use stele_event_log::MemoryLog;
use stele_lake::history::HistoryTables;
use stele_projections::audit::{Audit, Findings, Lake, Leaving, Live, OfTable, OfTiered, Verdict};
use stele_projections::compare::fold_to;
use stele_projections::projection::Registered;
use stele_projections::tier::Outcome;
use stele_read_store::MemoryStore;

const DAY_MS: i64 = 86_400_000;

/// A lake in a directory.
fn directory(place: &Path) -> Arc<dyn ChangingBlobs> {
    let options = Options { shared: true, ..Options::default() };
    open_changing(&Address::Directory(place.to_owned()), &options).unwrap()
}

/// Some quotes on each of two days at the beginning and at the end of the first million of positions and some behind it,
/// and what somebody else writes between them.
async fn long_log() -> Arc<MemoryLog> {
    let clock = HandClock::now_shared();
    clock.pass(-120 * DAY_MS);
    let log = Arc::new(MemoryLog::new(clock.clone()));
    some_quotes(&log, 5).await;
    let rain = StreamId::new("weather-berlin").unwrap();
    let nothing: Arc<[u8]> = Arc::from(*b"{}");
    while log.head().await.unwrap().0 < MILLION - 5 {
        let head = log.head().await.unwrap().0;
        let left = (MILLION - 5 - head).min(APPEND_RECORDS_MAX as u64);
        let records = (head..head + left).map(|nth| NewRecord {
            event_id: EventId(derived("rain", &[&nth.to_string()])),
            event_type: "weather.Rained".into(),
            data: nothing.clone(),
            metadata: nothing.clone(),
        });
        log.append(&rain, Expected::Any, records.collect()).await.unwrap();
    }
    clock.pass(DAY_MS);
    some_quotes(&log, 10).await;
    log
}

async fn some_quotes(log: &MemoryLog, count: usize) {
    let received =
        codec::samples().into_iter().find(|event| codec::type_of(event) == "intents.QuoteReceived");
    let (received, stream) = (received.unwrap(), StreamId::new("quote-btc-eure").unwrap());
    let head = log.head().await.unwrap().0 as usize;
    for nth in head..head + count {
        log.append(&stream, Expected::Any, vec![record(nth, &received)]).await.unwrap();
    }
}

fn only_quotes() -> [Registered; 1] {
    [*registered("quotes")]
}

async fn audited(desk: &Desk, there: Result<&dyn HistoryLake, &str>, position: Option<Position>) -> Findings {
    let (log, store): (Arc<dyn EventLog>, &dyn ReadStore) = (desk.log.clone(), &*desk.store);
    let projections = only_quotes();
    let live = Live::take(store, &projections, Leaving::ByTheLog).await.unwrap();
    let room = |schemas: &[_]| Ok(Arc::new(MemoryStore::new(schemas)?) as Arc<dyn ReadStore>);
    let lake = Lake { there, tell: &|read, all| assert!(read <= all) };
    let audit = Audit {
        log: &log,
        projections: &projections,
        position,
        room: &room,
        tell: &|_, _| {},
        lake,
        at_once: 2,
    };
    audit.run(Some(&live)).await.unwrap()
}

fn of_quotes(found: &Findings) -> &OfTable {
    found.tables().find(|table| table.table == "quotes").unwrap()
}

fn tiered(found: &Findings) -> &OfTiered {
    let [one] = &of_quotes(found).tiered[..] else { panic!("{found:?}") };
    one
}

/// What is said of the first partition when something was done to the lake: the file that is named, and what is wrong with it.
fn accused<'f>(found: &'f Findings, parts: &[u64]) -> (&'f str, &'f str) {
    assert_eq!((found.verdict(), tiered(found).verdict), (Verdict::Differs, Verdict::Differs));
    let [wrong] = &tiered(found).wrong[..] else { panic!("{found:?}") };
    assert_eq!(wrong.parts, parts);
    assert_eq!(of_quotes(found).rows_different(), 0, "no row in the tables is accused");
    (&wrong.file, &wrong.what)
}

/// The first partition has left, and is what follows from the log.
async fn agrees(desk: &Desk, lake: &HistoryTables) {
    let found = audited(desk, Ok(lake), None).await;
    assert_eq!((found.verdict(), found.not_looked_at.len()), (Verdict::Agrees, 0), "{found:?}");
    let (table, one) = (of_quotes(&found), tiered(&found));
    assert_eq!((table.rows_older, table.rows_live), (9, Some(6)), "{table:?}");
    let [first, second] = &table.parts[..] else { panic!("{table:?}") };
    assert!(first.tiered.is_some() && first.tiered == first.folded && first.scanned.is_none(), "{first:?}");
    assert!(second.tiered.is_none() && second.scanned == second.folded, "{second:?}");
    assert_eq!((one.rows, one.verdict, one.to_position), (9, Verdict::Agrees, Position(MILLION)));
    let bytes = lake.manifest(&one.manifest).await.unwrap();
    assert_eq!(one.manifest_blake3, blake3::hash(&bytes).to_hex().to_string());
    let event = desk.log.read_all(one.event.position, &Filter::all(), 1).await.unwrap().records.remove(0);
    assert_eq!((&*event.event_type, event.event_id), ("operations.PartitionTiered", one.event.event_id));
}

/// Without a lake, with another one, and with a fold that ends before: said, and nobody is accused.
async fn what_is_not_read_is_said(desk: &Desk, lake: &HistoryTables) {
    let elsewhere = tempfile::tempdir().unwrap();
    let other = HistoryTables::new(directory(elsewhere.path()), desk.clock.clone());
    let early = Some(Position(MILLION - 10));
    for (there, position, why) in [
        (Err("no lake is configured"), None, "no lake is configured"),
        (Ok(&other as &dyn HistoryLake), None, "the one that is configured is"),
        (Ok(lake as &dyn HistoryLake), early, "behind position 999990"),
    ] {
        let found = audited(desk, there, position).await;
        assert_eq!(found.verdict(), Verdict::Agrees, "{why}");
        let unseen = found.not_looked_at.iter().find(|unseen| unseen.why.contains(why));
        let unseen = unseen.unwrap_or_else(|| panic!("{why}: {:?}", found.not_looked_at));
        assert!(unseen.what.contains("quotes in the lake, 1 partitions from position 0 to 1000000"));
        assert!(of_quotes(&found).parts.iter().all(|part| part.tiered.is_none()));
    }
}

/// Somebody removes the two oldest rows that are left, and has the table say that they were dropped.
async fn what_leaves_without_an_event_is_lost(desk: &Desk, lake: &HistoryTables) {
    let quietly = "DELETE FROM read_model.quotes WHERE position IN \
         (SELECT position FROM read_model.quotes ORDER BY position LIMIT 2); \
         UPDATE read_model.storage_policy SET cut_rows = cut_rows + 2 WHERE table_name = 'quotes'";
    let kept = "CREATE TABLE public.kept AS SELECT * FROM read_model.quotes";
    desk.database.run("stele_owner", &format!("{kept}; {quietly}")).await.unwrap();
    let found = audited(desk, Ok(lake), None).await;
    let table = of_quotes(&found);
    assert_eq!((found.verdict(), table.verdict, tiered(&found).verdict), {
        (Verdict::Differs, Verdict::Differs, Verdict::Agrees)
    });
    let lost = table.lost.as_ref().unwrap();
    assert_eq!((table.rows_older, table.rows_different(), lost.rows), (9, 0, 2), "{table:?}");
    // Those of the second day begin right behind the first million.
    assert!(lost.from_position >= Position(MILLION) && lost.last_position == lost.from_position.next());
    let back = "INSERT INTO read_model.quotes SELECT * FROM public.kept ON CONFLICT DO NOTHING; \
         UPDATE read_model.storage_policy SET cut_rows = cut_rows - 2 WHERE table_name = 'quotes'";
    desk.database.run("stele_owner", back).await.unwrap();
    agrees(desk, lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_for_the_lake_follows_from_the_log_or_the_audit_names_the_file_that_does_not() {
    let place = tempfile::tempdir().unwrap();
    let mut desk = Desk::with(directory(place.path())).await;
    desk.log = long_log().await;
    let head = desk.log.head().await.unwrap();
    fold_to(&*desk.log, &*desk.store, &only_quotes(), head, |_| {}).await.unwrap();
    assert_eq!(desk.ran("quotes", &quotes()).await, [(0, Outcome::Left), (1, Outcome::Stays)]);
    let lake = HistoryTables::new(Arc::clone(&desk.blobs), desk.clock.clone());
    agrees(&desk, &lake).await;
    what_is_not_read_is_said(&desk, &lake).await;
    what_leaves_without_an_event_is_lost(&desk, &lake).await;

    let shelf = stele_projections::tier::ShelfOf::of("quotes").unwrap().shelf;
    let files = lake.files(shelf, Position::START, Position(MILLION)).await.unwrap();
    assert_eq!(files.len(), 3, "one for each day, and one of the last row");
    let name = BlobName::new(&files[1].path).unwrap();
    let whole = desk.blobs.get(&name).await.unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    desk.blobs.replace(&name, flipped).await.unwrap();
    let found = audited(&desk, Ok(&lake), None).await;
    let (file, what) = accused(&found, &[0]);
    assert!(file == files[1].path && what.contains("not those that were put there"), "{what}");
    let part = &of_quotes(&found).parts[0];
    assert!(part.verdict == Verdict::Differs && part.tiered.is_none() && part.stored == part.folded);

    desk.blobs.remove(&name).await.unwrap();
    let found = audited(&desk, Ok(&lake), None).await;
    let (file, what) = accused(&found, &[0]);
    assert!(file == files[1].path && what.contains("there is no"), "{what}");
    desk.blobs.replace(&name, whole).await.unwrap();

    // With another manifest, what the files have is compared all the same.
    let manifest = BlobName::new(&tiered(&found).manifest).unwrap();
    let named = desk.blobs.get(&manifest).await.unwrap();
    desk.blobs.replace(&manifest, b"{}".to_vec()).await.unwrap();
    let found = audited(&desk, Ok(&lake), None).await;
    let (file, what) = accused(&found, &[]);
    assert!(file == manifest.as_str() && what.contains("is not what the log says"), "{what}");
    assert_eq!(of_quotes(&found).parts[0].verdict, Verdict::Agrees);
    desk.blobs.replace(&manifest, named).await.unwrap();
    agrees(&desk, &lake).await;
}
