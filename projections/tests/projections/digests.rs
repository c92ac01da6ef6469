//! Digests as the fold keeps them: the same whatever the batching, the same as those of the rows, and other ones as soon
//! as somebody touches a row behind the runner's back.

use crate::audit::{audited, of_table, story, tables_of};
use crate::support::{ALL, Act, act, block_on, empty_store, log_of, settled_story};
use stele_domain::port::event_log::{EventLog, Position};
use stele_domain::port::read_store::{Batch, Cell, Change, Digest, ReadStore, Row, ScanQuery, Table};
use stele_projections::audit::Verdict;
use stele_projections::compare::fold_to;
use stele_projections::digest::{Digests, Scanned, scan};
use stele_projections::models;
use stele_projections::runner::{Options, Runner};

async fn scanned(store: &dyn ReadStore) -> Vec<Scanned> {
    let mut all = vec![];
    for projection in ALL {
        all.push(scan(store, projection).await.unwrap());
    }
    all
}

/// The digests after these batches, and whether they are those of the rows.
async fn folded(log: &dyn EventLog, ends: &[u64]) -> Vec<Digests> {
    let store = empty_store(ALL);
    let head = log.head().await.unwrap();
    for end in ends.iter().map(|end| Position(*end)).filter(|end| *end < head).chain([head]) {
        fold_to(log, &*store, ALL, end, |_| {}).await.unwrap();
    }
    let all = scanned(&*store).await;
    for (one, projection) in all.iter().zip(ALL) {
        assert_eq!(one.found.differences(&one.stored), [], "{}", projection.name);
        assert_eq!(one.as_of, head);
    }
    all.into_iter().map(|one| one.stored).collect()
}

#[test]
fn any_batching_gives_the_same_digests_and_they_are_those_of_the_rows() {
    fn law(acts: Vec<Act>, ends: Vec<u8>) -> bool {
        let mut ends: Vec<u64> = ends.into_iter().map(|end| u64::from(end) % 100).collect();
        ends.sort_unstable();
        block_on(async move {
            let log = log_of(&acts).await;
            folded(&*log, &[]).await == folded(&*log, &ends).await
        })
    }
    quickcheck::QuickCheck::new().tests(30).quickcheck(law as fn(Vec<Act>, Vec<u8>) -> bool);
}

#[tokio::test]
async fn every_table_that_has_rows_has_a_digest() {
    let acts: Vec<Act> = stele_domain::codec::EVENT_TYPES.iter().map(|known| act(known, 0)).collect();
    let log = log_of(&[settled_story(0), acts].concat()).await;
    let store = empty_store(ALL);
    fold_to(&*log, &*store, ALL, log.head().await.unwrap(), |_| {}).await.unwrap();
    let mut digested = std::collections::BTreeMap::new();
    for one in scanned(&*store).await {
        digested.extend(one.stored.to_vec().into_iter().map(|digest| (digest.table, digest.rows)));
    }
    for table in models::tables() {
        let rows = store.scan(table.name, &ScanQuery::by_key(1_000)).await.unwrap().value.rows.len();
        let expected = digested.get(table.name).copied().unwrap_or(0);
        assert_eq!(u64::try_from(rows).unwrap(), expected, "{}", table.name);
    }
}

#[tokio::test]
async fn a_runner_keeps_the_digests_that_a_fold_from_zero_gives() {
    let log = log_of(&[settled_story(0), settled_story(1)].concat()).await;
    let live = empty_store(ALL);
    for end in [7, 30] {
        // A second runner goes on with what the first one left.
        let options = Options { batch_records_max: 4, catch_up_records_max: 4, ..Options::default() };
        let (runner, handle) =
            Runner::new(log.clone(), live.clone(), crate::support::later_clock(), ALL, options);
        let running = tokio::spawn(runner.run());
        handle.reached(Position(end), std::time::Duration::from_secs(10)).await.unwrap();
        handle.stop();
        running.await.unwrap().unwrap();
    }
    let live: Vec<Digests> = scanned(&*live).await.into_iter().map(|one| one.stored).collect();
    assert_eq!(live, folded(&*log, &[]).await);
}

/// Changes rows of a table as somebody with access to the store could: the digests stay what they were.
async fn behind_its_back(store: &dyn ReadStore, table: &Table, change: impl FnOnce(Row) -> Vec<Change>) {
    let schema = store.schemas().iter().find(|schema| schema.tables.contains(table)).unwrap();
    let row = store.scan(table.name, &ScanQuery::newest(1)).await.unwrap().value.rows.remove(0);
    let (at, digests) = store.digests(schema.projection).await.unwrap();
    let batch = Batch {
        projection: schema.projection,
        version: schema.version,
        expected: at.position,
        checkpoint: at.position,
        event_id: None,
        changes: change(row),
        digests,
    };
    store.apply(batch).await.unwrap();
}

#[tokio::test]
async fn a_row_that_was_touched_shows_for_ever_whatever_is_folded_on_top_of_it() {
    let first: Vec<Act> = settled_story(0).into_iter().take(12).collect();
    let log = log_of(&first).await;
    let table = models::table("reservations").unwrap();
    let name = ALL.iter().position(|projection| projection.tables.contains(table)).unwrap();
    let tampering: [fn(Row) -> Vec<Change>; 3] = [
        |mut row| {
            row.0[2] = Cell::from("somebody-else.near");
            vec![Change::Put { table: "reservations", row }]
        },
        |row| {
            let key = models::table("reservations").unwrap().key_of(&row);
            vec![Change::Delete(stele_domain::port::read_store::RowKey { table: "reservations", key })]
        },
        |mut row| {
            row.0[0] = Cell::from("00000000-0000-0000-0000-000000000000");
            vec![Change::Put { table: "reservations", row }]
        },
    ];
    for tamper in tampering {
        let store = empty_store(ALL);
        fold_to(&*log, &*store, ALL, Position(12), |_| {}).await.unwrap();
        behind_its_back(&*store, table, tamper).await;
        let found = scan(&*store, &ALL[name]).await.unwrap();
        let differences = found.found.differences(&found.stored);
        assert_eq!(differences.iter().map(|d| (d.table, d.part)).collect::<Vec<_>>(), [("reservations", 0)]);

        // The reservation is released: the row leaves, and what was wrong with it stays in the digest.
        for more in &settled_story(0)[12..] {
            crate::support::append(&*log, more).await;
        }
        let head = log.head().await.unwrap();
        fold_to(&*log, &*store, ALL, head, |_| {}).await.unwrap();
        let after = scan(&*store, &ALL[name]).await.unwrap();
        let honest = folded(&*log, &[]).await;
        assert_ne!(
            (&after.stored, &after.found),
            (&honest[name], &honest[name]),
            "the tampering is nowhere to be seen"
        );
    }
}

#[tokio::test]
async fn a_stored_digest_of_another_number_of_rows_is_told_with_that_number() {
    let log = story().await;
    let store = tables_of(&*log).await;
    let (at, digests) = store.digests("quotes").await.unwrap();
    let honest = digests.into_iter().find(|digest| digest.table == "quotes").unwrap();
    let rows = honest.rows;
    let batch = Batch {
        projection: "quotes",
        version: at.version,
        expected: at.position,
        checkpoint: at.position,
        event_id: at.event_id,
        changes: vec![],
        digests: vec![Digest { rows: rows + 1, ..honest }],
    };
    store.apply(batch).await.unwrap();
    let found = audited(&log, &store).await;
    let wrong = of_table(&found, "quotes");
    assert_eq!((wrong.verdict, wrong.rows_different()), (Verdict::Differs, 0));
    let part = &wrong.parts[0];
    assert_eq!((&part.stored, part.rows, part.rows_stored), (&part.folded, rows, Some(rows + 1)), "{part:?}");
    let others = found.tables().filter(|table| table.table != "quotes");
    assert!(others.flat_map(|table| &table.parts).all(|part| part.rows_stored.is_none()));
}

/// What a check in Python, which shares no code with this crate, says of a file of vectors.
fn python(file: &std::path::Path) -> (Option<i32>, String) {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = std::process::Command::new("python3");
    command.arg(root.join("tests/verifier/digests.py")).arg(file);
    let done = command.output().expect("python3 is not installed here");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn others_come_to_the_same_digests_and_see_a_changed_row() {
    let vectors = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/digests.json");
    let (code, said) = python(&vectors);
    assert_eq!((code, said.matches(" agrees").count()), (Some(0), 4), "{said}");
    let text = std::fs::read_to_string(&vectors).unwrap();
    let changed = text.replacen("\\\"plain\\\",9,", "\\\"plain\\\",8,", 1);
    assert_ne!(changed, text);
    let file = std::env::temp_dir().join(format!("stele-digests-{}.json", std::process::id()));
    std::fs::write(&file, changed).unwrap();
    let (code, said) = python(&file);
    std::fs::remove_file(&file).unwrap();
    assert_eq!((code, said.matches("DOES NOT AGREE").count()), (Some(1), 1), "{said}");
}
