//! A history has the rows that a tree would have, in whatever order they come and go, and finds them by their values.

use super::History;
use crate::memory::name::Name;
use crate::packed::Packed;
use quickcheck::quickcheck;
use std::collections::BTreeMap;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{Cell, Row};

/// The column that rows are found by.
const FOUND_BY: usize = 1;

fn name(number: u8) -> Name {
    Name::Number(i64::from(number))
}

fn row(number: u8, value: u8) -> Packed {
    Packed::of(&Row(vec![Cell::Int(i64::from(number)), Cell::Int(i64::from(value))]))
}

fn value(number: u8) -> Vec<u8> {
    Packed::bytes_of(&Cell::Int(i64::from(number)))
}

/// Whether a history says what a tree does of every row, from the beginning and after every one of them.
fn same(history: &History, model: &BTreeMap<Name, Packed>) -> bool {
    let asked = |direction: Direction, after: Option<&Name>, wanted: Option<u8>| {
        let bytes = wanted.map(value);
        let found = history.after(after, direction, bytes.as_deref().map(|bytes| (FOUND_BY, bytes)));
        let is_after = |(name, packed): &(&Name, &Packed)| {
            let later = after.is_none_or(|after| match direction {
                Direction::Forward => *name > after,
                Direction::Backward => *name < after,
            });
            later && bytes.as_ref().is_none_or(|bytes| packed.cell(FOUND_BY) == *bytes)
        };
        let mut expected: Vec<&Packed> = model.iter().filter(is_after).map(|(_, packed)| packed).collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        found.collect::<Vec<_>>() == expected
    };
    let cursors: Vec<Name> = (0..=u8::MAX).step_by(5).map(name).collect();
    history.len() == model.len()
        && history.iter().eq(model)
        && model.iter().all(|(name, packed)| history.get(name) == Some(packed))
        && [Direction::Forward, Direction::Backward].into_iter().all(|direction| {
            [None, Some(0), Some(1), Some(7)].into_iter().all(|wanted| {
                asked(direction, None, wanted)
                    && cursors.iter().all(|cursor| asked(direction, Some(cursor), wanted))
            })
        })
}

quickcheck! {
    fn rows_come_in_their_order(steps: Vec<(u8, u8, u8)>) -> bool {
        let (mut history, mut model) = (History::new([FOUND_BY].into_iter()), BTreeMap::new());
        steps.into_iter().all(|(number, what, value)| {
            let agrees = match what % 4 {
                0 => history.remove(&name(number)) == model.remove(&name(number)),
                1 => history.pop() == model.pop_first().map(|(_, packed)| packed),
                _ => {
                    let packed = row(number, value % 3);
                    history.put(name(number), packed.clone()) == model.insert(name(number), packed)
                }
            };
            agrees && same(&history, &model)
        })
    }

    /// As they mostly do.
    fn so_do_those_that_come_at_one_end_and_go_at_the_other(kept: u8) -> bool {
        let (mut history, mut model) = (History::new([FOUND_BY].into_iter()), BTreeMap::new());
        (0..100).all(|number| {
            history.put(name(number), row(number, number % 3));
            model.insert(name(number), row(number, number % 3));
            while model.len() > usize::from(kept % 20).max(1) {
                model.pop_first();
                history.pop();
            }
            same(&history, &model)
        })
    }
}

#[test]
fn a_column_without_an_index_leaves_everything_to_look_at() {
    let mut history = History::new([FOUND_BY].into_iter());
    for number in 0..4 {
        history.put(name(number), row(number, number));
    }
    assert!(history.finds(FOUND_BY) && !history.finds(0));
    assert_eq!(history.after(None, Direction::Forward, Some((0, &value(2)))).count(), 4);
    assert_eq!(history.after(None, Direction::Forward, Some((FOUND_BY, &value(2)))).count(), 1);
}
