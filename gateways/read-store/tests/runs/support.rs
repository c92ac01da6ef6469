//! Random batches, and everything that a store answers.

use crate::fixture::{SCHEMAS, STEPS, THINGS, batch, gone, step, thing};
use quickcheck::{Arbitrary, Gen};
use std::path::Path;
use stele_domain::port::read_store::{
    Answer, Batch, Cell, Change, Page, ReadStore, Row, RowKey, ScanQuery, StoreError,
};
use stele_domain::port::state_store::Histories;
use stele_read_store::{Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};

/// What one batch does to some of a few things.
#[derive(Debug, Clone)]
pub struct Story(pub Vec<Vec<(u8, Act)>>);

#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// With this colour, at this position or, when the log is shorter, at its end.
    Put(u8, u8),
    Delete,
}

impl Arbitrary for Story {
    fn arbitrary(g: &mut Gen) -> Self {
        let batches = usize::from(u8::arbitrary(g)) % 24;
        let act = |g: &mut Gen| {
            if u8::arbitrary(g) % 4 == 0 {
                Act::Delete
            } else {
                Act::Put(u8::arbitrary(g) % 4, u8::arbitrary(g) % 9)
            }
        };
        let batch = |g: &mut Gen| {
            let mut acts: Vec<(u8, Act)> =
                (0..u8::arbitrary(g) % 6).map(|_| (u8::arbitrary(g) % 12, act(g))).collect();
            acts.sort_by_key(|(id, _)| *id);
            acts.dedup_by_key(|(id, _)| *id);
            acts
        };
        Self((0..batches).map(|_| batch(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink_to_shorter().map(Self))
    }
}

trait Shorter: Sized {
    fn shrink_to_shorter(&self) -> std::vec::IntoIter<Self>;
}

impl<T: Clone> Shorter for Vec<T> {
    fn shrink_to_shorter(&self) -> std::vec::IntoIter<Self> {
        let without = |i: usize| {
            let mut shorter = self.clone();
            shorter.remove(i);
            shorter
        };
        (0..self.len()).map(without).collect::<Vec<_>>().into_iter()
    }
}

impl Story {
    /// Its batches, one position each. Every projection is brought along, so that each of them is a state.
    pub fn batches(&self) -> Vec<Vec<Batch>> {
        let one = |(at, acts): (u64, &Vec<(u8, Act)>)| {
            let position = i64::try_from(at + 1).unwrap();
            let mut changes: Vec<Change> = acts.iter().map(|(id, act)| change(*id, *act, position)).collect();
            changes.extend(
                (0..acts.len() % 3).map(|part| {
                    step(position, i64::try_from(part).unwrap(), if part == 0 { "x" } else { "y" })
                }),
            );
            vec![batch("first", at, at + 1, changes), batch("second", at, at + 1, vec![])]
        };
        (0..).zip(&self.0).map(one).collect()
    }
}

fn change(id: u8, act: Act, newest: i64) -> Change {
    let name = format!("{id:02}");
    match act {
        Act::Put(colour, position) => {
            let colour = ["red", "green", "blue"].get(usize::from(colour)).copied();
            thing(&name, i64::from(position).min(newest), colour)
        }
        Act::Delete => gone(&name),
    }
}

/// Every question that is worth asking of things and steps.
pub fn questions() -> Vec<(&'static str, ScanQuery)> {
    let mut questions = vec![];
    for query in [ScanQuery::newest(1_000), ScanQuery::by_key(1_000)] {
        for query in [query.clone(), query.reversed()] {
            questions.push((STEPS.name, query.clone()));
            questions.push((STEPS.name, query.clone().filter("thing", "x")));
            questions.push((THINGS.name, query.clone()));
            questions.push((THINGS.name, query.clone().filter("colour", "red")));
            questions.push((THINGS.name, query.clone().filter("colour", Cell::Null)));
            questions.push((THINGS.name, query.clone().filter("position", Cell::Int(3))));
        }
    }
    questions
}

/// All rows of an answer, in pages of three, and the answer's other words.
pub async fn asked(
    store: &dyn ReadStore,
    table: &str,
    query: &ScanQuery,
) -> Result<Answer<Vec<Row>>, StoreError> {
    let mut query = ScanQuery { limit: 3, ..query.clone() };
    let mut rows = vec![];
    loop {
        let Answer { value: Page { rows: page, next }, as_of, cut_rows } = store.scan(table, &query).await?;
        rows.extend(page);
        if next.is_none() {
            return Ok(Answer { value: rows, as_of, cut_rows });
        }
        query.after = next;
    }
}

/// Every thing by name, the missing ones included.
pub async fn things(store: &dyn ReadStore) -> Result<Vec<Option<Row>>, StoreError> {
    let keys: Vec<RowKey> = (0..12).map(|id| crate::fixture::key(THINGS.name, &format!("{id:02}"))).collect();
    store.load(&keys).await
}

pub fn open(directory: &Path, histories: Histories, states: States) -> RunStore {
    let options = RunOptions { memory_bytes: RUN_MEMORY_BYTES_MIN, histories, states, orders: Orders::All };
    RunStore::open(directory, SCHEMAS, options).unwrap()
}
