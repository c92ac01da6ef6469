//! Its indexes and orders find what a plain search finds.

use crate::fixture::{SCHEMAS, apply, row};
use quickcheck::{Arbitrary, Gen};
use std::collections::BTreeMap;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{Cell, Change, Cursor, Key, Order, ReadStore, Row, RowKey, ScanQuery};
use stele_read_store::MemoryStore;

/// What a batch does to a row, in a word.
#[derive(Debug, Clone)]
enum Act {
    Put { id: i64, position: i64, mark: Option<i64> },
    Delete { id: i64 },
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = |g: &mut Gen| i64::from(u8::arbitrary(g) % 12);
        if u8::arbitrary(g) % 5 == 0 {
            return Self::Delete { id: small(g) };
        }
        let mark = bool::arbitrary(g).then(|| small(g) % 3);
        Self::Put { id: small(g), position: small(g), mark }
    }
}

#[derive(Debug, Clone)]
struct Question {
    by_key: bool,
    backward: bool,
    mark: Option<Cell>,
    position: Option<i64>,
    limit: usize,
    after: Option<(i64, i64)>,
}

impl Arbitrary for Question {
    fn arbitrary(g: &mut Gen) -> Self {
        let small = |g: &mut Gen| i64::from(u8::arbitrary(g) % 12);
        Self {
            by_key: bool::arbitrary(g),
            backward: bool::arbitrary(g),
            mark: bool::arbitrary(g)
                .then(|| if bool::arbitrary(g) { Cell::Int(small(g) % 3) } else { Cell::Null }),
            position: (u8::arbitrary(g) % 4 == 0).then(|| small(g)),
            limit: usize::from(u8::arbitrary(g) % 5) + 1,
            after: bool::arbitrary(g).then(|| (small(g), small(g))),
        }
    }
}

impl Question {
    fn query(&self) -> ScanQuery {
        let direction = if self.backward { Direction::Backward } else { Direction::Forward };
        let mark = self.mark.clone().map(|mark| ("mark".to_owned(), mark));
        let position = self.position.map(|position| ("position".to_owned(), Cell::Int(position)));
        ScanQuery {
            filters: position.into_iter().chain(mark).collect(),
            order: if self.by_key { Order::Key(direction) } else { Order::Position(direction) },
            limit: self.limit,
            after: self.after.map(|(position, id)| Cursor { position, key: Key(vec![Cell::Int(id)]) }),
        }
    }

    /// The same, found by looking at every row.
    fn plainly(&self, rows: &BTreeMap<i64, Row>) -> Vec<Row> {
        let place = |row: &Row| {
            let (id, position) = (row.0[0].clone(), row.0[1].clone());
            if self.by_key { (Cell::Null, id) } else { (position, id) }
        };
        let mut found: Vec<Row> = rows.values().cloned().collect();
        found.sort_by_key(place);
        if self.backward {
            found.reverse();
        }
        if let Some((position, id)) = self.after {
            let first = if self.by_key { Cell::Null } else { Cell::Int(position) };
            let after = (first, Cell::Int(id));
            found.retain(|row| if self.backward { place(row) < after } else { place(row) > after });
        }
        found.retain(|row| self.mark.as_ref().is_none_or(|mark| row.0[2] == *mark));
        found.retain(|row| self.position.is_none_or(|position| row.0[1] == Cell::Int(position)));
        found.truncate(self.limit);
        found
    }
}

#[test]
fn a_scan_finds_what_a_plain_search_finds() {
    fn law(acts: Vec<Act>, questions: Vec<Question>) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = MemoryStore::new(SCHEMAS).unwrap();
        let mut plain = BTreeMap::new();
        runtime.block_on(async {
            for act in acts {
                let change = match act {
                    Act::Put { id, position, mark } => {
                        let row = row(id, position, mark, "text");
                        plain.insert(id, row.clone());
                        Change::Put { table: "moving", row }
                    }
                    Act::Delete { id } => {
                        plain.remove(&id);
                        Change::Delete(RowKey { table: "moving", key: Key(vec![Cell::Int(id)]) })
                    }
                };
                apply(&store, vec![change]).await;
            }
            for question in questions {
                let page = store.scan("moving", &question.query()).await.unwrap().value;
                if page.rows != question.plainly(&plain) {
                    return false;
                }
            }
            true
        })
    }
    quickcheck::quickcheck(law as fn(Vec<Act>, Vec<Question>) -> bool);
}
