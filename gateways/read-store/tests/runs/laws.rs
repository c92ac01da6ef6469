//! Whatever is applied, runs answer as memory does.

use crate::fixture::{SCHEMAS, STEPS, THINGS, batch, key, thing};
use crate::support::{Story, asked, open, questions, things};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, ReadStore, RowKey, ScanQuery};
use stele_domain::port::state_store::{Histories, StateStore};
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

/// A page of a past state begins where the state ends: a row beyond it would never be shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_from_after_its_state_is_refused_where_past_states_are_kept() {
    let early = || batch("first", 0, 1, vec![thing("a", 2, None)]);
    for (states, taken) in [(States::Newest, true), (States::Every, false)] {
        let directory = TempDir::new().unwrap();
        let runs = open(directory.path(), Histories::Keep, states);
        let outcome = runs.apply(early()).await;
        assert_eq!(outcome.is_ok(), taken, "{outcome:?}");
        let Err(refused) = outcome else { continue };
        assert!(refused.to_string().contains("has a position after 1"), "{refused}");
        assert_eq!(runs.checkpoint("first").await.unwrap().position, Position(0));
    }
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

/// Runs are written and merged all the time while a batch comes in: what is visible moves on for that, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_whole_batches_also_while_runs_are_written() {
    const ROUNDS: u64 = 400;
    for states in [States::Newest, States::Every] {
        let directory = TempDir::new().unwrap();
        let runs = open(directory.path(), Histories::Keep, states);
        let (settled, written) = (runs.clone(), runs.clone());
        let writer = tokio::spawn(async move {
            for round in 0..ROUNDS {
                let colour = round.to_string();
                let both = ["a", "b"].map(|id| thing(id, 1, Some(&colour))).to_vec();
                written.apply(batch("first", round, round + 1, both)).await.unwrap();
            }
        });
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let merger = std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                settled.settle().unwrap();
            }
        });
        loop {
            let answer = runs.scan(THINGS.name, &ScanQuery::by_key(10)).await.unwrap();
            let colours: Vec<_> = answer.value.rows.iter().map(|row| row.0[2].to_string()).collect();
            let expected = answer.as_of.0.checked_sub(1).map(|round| vec![round.to_string(); 2]);
            assert_eq!(colours, expected.unwrap_or_default(), "as of {}", answer.as_of);
            if answer.as_of == Position(ROUNDS) {
                break;
            }
        }
        writer.await.unwrap();
        over.store(true, Ordering::SeqCst);
        merger.join().unwrap();
    }
}

/// Whatever is forgotten, what the other states show is what they showed, also when their rows were read meanwhile.
#[test]
fn states_that_are_forgotten_leave_the_others_as_they_were() {
    fn law(story: Story, which: u32) -> bool {
        run(async move {
            let directory = TempDir::new().unwrap();
            let runs = open(directory.path(), Histories::Keep, States::Every);
            fed(&runs, &story).await;
            let all = runs.kept().await.unwrap();
            let gone = |at: &Position| which >> (at.0 % 32) & 1 == 1;
            let gone: Vec<Position> = all.iter().copied().filter(gone).collect();
            // Somebody reads one of those that are to go.
            let reader = runs.fork(gone.first().copied().unwrap_or_default(), Histories::Keep).await.unwrap();
            let mut before = vec![];
            for at in &all {
                before.push(answers(&*runs.fork(*at, Histories::Keep).await.unwrap()).await);
            }
            runs.forget(gone.clone()).await.unwrap();
            let mut same = answers(&*reader).await
                == gone.first().map_or_else(Vec::new, |first| {
                    before[all.iter().position(|at| at == first).unwrap()].clone()
                })
                || gone.is_empty();
            drop(reader);
            // Again, now that nobody reads; then once more from the disk.
            runs.forget(gone.clone()).await.unwrap();
            drop(runs);
            let runs = open(directory.path(), Histories::Keep, States::Every);
            let kept = runs.kept().await.unwrap();
            let newest = all.last();
            same &= all.iter().all(|at| kept.contains(at) == (!gone.contains(at) || Some(at) == newest));
            for at in &kept {
                let expected = &before[all.iter().position(|other| other == at).unwrap()];
                same &= *expected == answers(&*runs.fork(*at, Histories::Keep).await.unwrap()).await;
            }
            same
        })
    }
    let law: fn(Story, u32) -> bool = law;
    quickcheck::QuickCheck::new().tests(30).quickcheck(law);
}

/// Everything that a store answers, as text.
async fn answers(store: &dyn ReadStore) -> Vec<String> {
    let mut all = vec![format!("{:?}", things(store).await.unwrap())];
    for (table, query) in questions() {
        all.push(format!("{table} {query:?}: {:?}", asked(store, table, &query).await.unwrap()));
    }
    for projection in ["first", "second"] {
        all.push(format!("{:?}", store.digests(projection).await.unwrap()));
    }
    all
}

/// Forty states of one row: what is left is the room of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_forgotten_states_showed_leaves_the_disk() {
    let directory = TempDir::new().unwrap();
    let runs = open(directory.path(), Histories::Keep, States::Every);
    for at in 0..40 {
        let noise: String = (0..20_000_u64)
            .map(|i| char::from(b'a' + u8::try_from((i * i * (at + 3) / 7) % 26).unwrap()))
            .collect();
        let changes = vec![thing("a", i64::try_from(at).unwrap(), Some(&noise))];
        runs.apply_all(vec![batch("first", at, at + 1, changes), batch("second", at, at + 1, vec![])])
            .await
            .unwrap();
    }
    runs.settle().unwrap();
    let all = runs.kept().await.unwrap();
    // The journal takes its room beforehand, whatever is in it.
    let empty = TempDir::new().unwrap();
    let journal = open(empty.path(), Histories::Keep, States::Every).disk_bytes().await.unwrap();
    let before = runs.disk_bytes().await.unwrap() - journal;
    runs.forget(all.iter().copied().filter(|at| *at != Position(20)).collect()).await.unwrap();
    assert_eq!(runs.kept().await.unwrap(), [20, 40].map(Position));
    let after = runs.disk_bytes().await.unwrap() - journal;
    let found = runs.fork(Position(30), Histories::Keep).await.unwrap().load(&[key(THINGS.name, "a")]).await;
    assert_eq!(THINGS.position_of(found.unwrap()[0].as_ref().unwrap()), 19);
    assert!(after < before / 2, "{before} bytes became {after}");
}
