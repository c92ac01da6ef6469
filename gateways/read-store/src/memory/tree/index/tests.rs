//! An index names the rows with a value in the order of their positions, in whatever order they came and go.

use super::Index;
use crate::memory::name::Name;
use crate::memory::tree::Place;
use quickcheck::quickcheck;
use std::collections::BTreeSet;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::{Cell, Cursor, Key};

fn place(number: u8) -> Place {
    (i64::from(number / 2), Name::Number(i64::from(number % 2)))
}

fn key(name: &Name) -> Key {
    match name {
        Name::Number(number) => Key::from(*number),
        Name::Text(text) => Key(vec![Cell::Text(text.clone())]),
        Name::Key(key) => (**key).clone(),
    }
}

/// Whether an index names these places, and no others, from the beginning and after every one of them.
fn names(index: &Index, places: &BTreeSet<Place>) -> bool {
    let asked = |direction: Direction, after: Option<&Place>| {
        let cursor = after.map(|(position, name)| Cursor { position: *position, key: key(name) });
        let found: Vec<Name> = index.places(b"value", direction, cursor.as_ref()).cloned().collect();
        let is_after = |place: &&Place| {
            after.is_none_or(|after| match direction {
                Direction::Forward => *place > after,
                Direction::Backward => *place < after,
            })
        };
        let mut expected: Vec<Name> = places.iter().filter(is_after).map(|(_, name)| name.clone()).collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        found == expected
    };
    let cursors: Vec<Place> = (0..=u8::MAX).step_by(5).map(place).collect();
    [Direction::Forward, Direction::Backward].into_iter().all(|direction| {
        asked(direction, None) && cursors.iter().all(|cursor| asked(direction, Some(cursor)))
    })
}

quickcheck! {
    fn places_come_in_their_order(steps: Vec<(u8, bool)>) -> bool {
        let (mut index, mut model) = (Index::new(0), BTreeSet::new());
        steps.into_iter().all(|(number, comes)| {
            let place = place(number);
            if comes && model.insert(place.clone()) {
                index.insert(b"value", place);
            } else if !comes && model.remove(&place) {
                index.remove(b"value", &place);
            }
            names(&index, &model)
        })
    }

    /// As in a history: they come at one end and go at the other.
    fn so_do_those_of_a_queue(kept: u8, out_of_order: Option<u8>) -> bool {
        let (mut index, mut model) = (Index::new(0), BTreeSet::new());
        (0..100).all(|number| {
            index.insert(b"value", place(number));
            model.insert(place(number));
            if out_of_order == Some(number) && let Some(gone) = model.iter().nth(usize::from(kept) / 2).cloned() {
                model.remove(&gone);
                index.remove(b"value", &gone);
            }
            while model.len() > usize::from(kept % 20).max(1) {
                let Some(oldest) = model.pop_first() else { break };
                index.remove(b"value", &oldest);
            }
            names(&index, &model)
        })
    }
}

#[test]
fn a_value_without_rows_is_forgotten() {
    let mut index = Index::new(0);
    for number in 0..4 {
        index.insert(b"value", place(number));
    }
    for number in [1, 0, 3, 2] {
        index.remove(b"value", &place(number));
    }
    assert!(index.entries.is_empty());
}
