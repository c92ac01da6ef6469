//! Rows by the value of one column, in the order of their positions.

use super::Place;
use crate::memory::name::Name;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Bound;
use stele_domain::port::event_log::Direction;
use stele_domain::port::read_store::Cursor;

/// Rows by the value of one column. Values are kept as digests of eight bytes, for most of them are texts that the
/// rows have already: what an index names is a candidate, and whoever asks looks at the row itself.
#[derive(Clone)]
pub struct Index {
    /// Place of the column in the row.
    pub column: usize,
    /// Another one in every process, so that nobody outside can choose values that meet.
    digests: RandomState,
    entries: HashMap<u64, Places, BuildHasherDefault<AsItIs>>,
}

/// What is a digest already need not be hashed again.
#[derive(Clone, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

/// The rows with one value: mostly one, for most values are ids.
#[derive(Clone)]
enum Places {
    One(Place),
    /// In their order, for as long as they come at one end and go at the other, as those of a history do.
    Queue(VecDeque<Place>),
    Many(BTreeSet<Place>),
}

type Names<'s> = Box<dyn Iterator<Item = &'s Name> + 's>;

impl Index {
    pub fn new(column: usize) -> Self {
        Self { column, digests: RandomState::new(), entries: HashMap::default() }
    }

    pub fn insert(&mut self, value: &[u8], place: Place) {
        match self.entries.entry(self.digests.hash_one(value)) {
            Entry::Vacant(entry) => {
                entry.insert(Places::One(place));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Places::One(only) => {
                    let both = if *only < place { [only.clone(), place] } else { [place, only.clone()] };
                    entry.insert(Places::Queue(VecDeque::from(both)));
                }
                Places::Queue(places) if places.back().is_none_or(|last| *last < place) => {
                    places.push_back(place);
                }
                Places::Queue(places) => {
                    let others = places.drain(..).chain([place]).collect();
                    entry.insert(Places::Many(others));
                }
                Places::Many(places) => {
                    places.insert(place);
                }
            },
        }
    }

    pub fn remove(&mut self, value: &[u8], place: &Place) {
        let Entry::Occupied(mut entry) = self.entries.entry(self.digests.hash_one(value)) else { return };
        let empty = match entry.get_mut() {
            Places::One(only) => only == place,
            Places::Queue(places) if places.front() == Some(place) => {
                places.pop_front();
                places.is_empty()
            }
            Places::Queue(places) => {
                let mut others: BTreeSet<Place> = places.drain(..).collect();
                others.remove(place);
                let empty = others.is_empty();
                entry.insert(Places::Many(others));
                empty
            }
            Places::Many(places) => {
                places.remove(place);
                places.is_empty()
            }
        };
        if empty {
            entry.remove();
        }
    }

    /// Every row with this value, and hardly ever one with another, in the order of their positions.
    pub fn places(&self, value: &[u8], direction: Direction, after: Option<&Cursor>) -> Names<'_> {
        let after = after.map(|cursor| (cursor.position, Name::from(&cursor.key)));
        let places = match self.entries.get(&self.digests.hash_one(value)) {
            None => return Box::new(std::iter::empty()),
            Some(Places::Many(places)) => places,
            Some(Places::Queue(places)) => return queued(places, direction, after.as_ref()),
            Some(Places::One(only)) => {
                let asked = after.is_none_or(|after| match direction {
                    Direction::Forward => *only > after,
                    Direction::Backward => *only < after,
                });
                return Box::new(asked.then_some(&only.1).into_iter());
            }
        };
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        match direction {
            Direction::Forward => Box::new(places.range((bound, Bound::Unbounded)).map(|(_, name)| name)),
            Direction::Backward => {
                Box::new(places.range((Bound::Unbounded, bound)).rev().map(|(_, name)| name))
            }
        }
    }
}

/// Every place of a queue after this one in a direction.
fn queued<'s>(places: &'s VecDeque<Place>, direction: Direction, after: Option<&Place>) -> Names<'s> {
    match direction {
        Direction::Forward => {
            let first = after.map_or(0, |after| places.partition_point(|place| place <= after));
            Box::new(places.range(first..).map(|(_, name)| name))
        }
        Direction::Backward => {
            let end = after.map_or(places.len(), |after| places.partition_point(|place| place < after));
            Box::new(places.range(..end).rev().map(|(_, name)| name))
        }
    }
}

#[cfg(test)]
mod tests;
