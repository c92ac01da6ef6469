//! Whatever is applied, runs answer as memory does.

use crate::fixture::{SCHEMAS, STEPS, THINGS, batch, key, thing};
use crate::support::{Story, asked, open, questions, things};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, ReadStore, RowKey, ScanQuery};
use stele_domain::port::state_store::Histories;
use stele_read_store::{MemoryStore, RunStore, States};
use tempfile::TempDir;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Memory cuts steps to five: their newest rows are the same, and what is cut and what is there is all.
async fn same(memory: &MemoryStore, runs: &dyn ReadStore) -> bool {
    for (table, query) in questions() {
        let (expected, found) =
            (asked(memory, table, &query).await.unwrap(), asked(runs, table, &query).await.unwrap());
        let all = table == THINGS.name && expected.value == found.value;
        let newest = table == STEPS.name && expected.value.iter().all(|row| found.value.contains(row));
        if expected.as_of != found.as_of || found.cut_rows != 0 || !(all || newest) {
            println!("{table} {query:?}: {expected:?} and not {found:?}");
            return false;
        }
    }
    for projection in ["first", "second"] {
        if memory.digests(projection).await.unwrap() != runs.digests(projection).await.unwrap() {
            return false;
        }
    }
    things(memory).await.unwrap() == things(runs).await.unwrap()
}

async fn fed(onto: &dyn ReadStore, story: &Story) {
    for batches in story.batches() {
        onto.apply_all(batches).await.unwrap();
    }
}

#[test]
fn runs_of_one_state_and_of_every_state_answer_as_memory_does() {
    fn law(story: Story) -> bool {
        run(async move {
            let story = story;
            let memory = MemoryStore::new(SCHEMAS).unwrap();
            fed(&memory, &story).await;
            let mut all = true;
            for states in [States::Newest, States::Every] {
                let directory = TempDir::new().unwrap();
                let runs = open(directory.path(), Histories::Keep, states);
                fed(&runs, &story).await;
                all &= same(&memory, &runs).await;
                // What is in runs is what was in memory.
                runs.settle().unwrap();
                all &= same(&memory, &runs).await;
                drop(runs);
                all &= same(&memory, &open(directory.path(), Histories::Keep, states)).await;
            }
            all
        })
    }
    let law: fn(Story) -> bool = law;
    quickcheck::QuickCheck::new().tests(20).quickcheck(law);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_are_passed_by_are_counted_as_cut() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::PassBy, States::Newest);
    let mut changes = vec![thing("a", 1, None)];
    changes.push(crate::fixture::step(1, 0, "x"));
    let mut first = batch("first", 0, 1, changes);
    first.digests.iter_mut().filter(|digest| digest.table == STEPS.name).for_each(|digest| digest.rows = 7);
    runs.apply(first).await.unwrap();
    let answer = runs.scan(STEPS.name, &ScanQuery::newest(9)).await.unwrap();
    assert_eq!((answer.value.rows.len(), answer.cut_rows, answer.as_of), (0, 7, Position(1)));
    let name = stele_domain::port::read_store::Key(vec![Cell::Int(1), Cell::Int(0)]);
    let answer = runs.get(STEPS.name, &name).await.unwrap();
    assert_eq!((answer.value, answer.cut_rows), (None, 7));
    assert_eq!(runs.digests("first").await.unwrap().1.len(), 2, "digests are of all rows");
    assert_eq!(runs.scan(THINGS.name, &ScanQuery::newest(9)).await.unwrap().cut_rows, 0);
}

/// Ten times as many rows as the memory for them holds, each written three times, in an order of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_many_times_larger_than_the_memory_are_kept_whole() {
    const ROWS: u64 = 30_000;
    const BATCH: u64 = 2_000;
    let directory = TempDir::new().unwrap();
    let runs: RunStore = open(directory.path(), Histories::Keep, States::Newest);
    let name = |i: u64| format!("{:08x}-{}", i.wrapping_mul(2_654_435_761) % 4_294_967_296, "x".repeat(400));
    let mut at = 0;
    for round in 0..3 {
        for first in (0..ROWS).step_by(usize::try_from(BATCH).unwrap()) {
            let colour = ["red", "green", "blue"][round];
            let rows =
                (first..first + BATCH).map(|i| thing(&name(i), i64::try_from(i).unwrap(), Some(colour)));
            runs.apply(batch("first", at, at + 1, rows.collect())).await.unwrap();
            at += 1;
        }
    }
    let keys: Vec<RowKey> = (0..ROWS).step_by(97).map(|i| key(THINGS.name, &name(i))).collect();
    let found = runs.load(&keys).await.unwrap();
    assert!(found.iter().all(|row| row.as_ref().is_some_and(|row| row.0[2] == Cell::from("blue"))));
    let count = async |query: ScanQuery| {
        let mut query = query;
        let mut rows = 0;
        loop {
            let page = runs.scan(THINGS.name, &query).await.unwrap().value;
            rows += u64::try_from(page.rows.len()).unwrap();
            let Some(next) = page.next else { return rows };
            query.after = Some(next);
        }
    };
    assert_eq!(count(ScanQuery::by_key(1_000)).await, ROWS);
    assert_eq!(count(ScanQuery::newest(1_000).filter("colour", "blue")).await, ROWS);
    assert_eq!(count(ScanQuery::newest(1_000).filter("colour", "red")).await, 0);
}
