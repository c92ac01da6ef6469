//! Names and what they stand for, in order, as of one state.
//!
//! A store of every state writes each value under its name and, behind it, the state that it came with, the newest
//! first. One of the newest state only has no such ending.

use super::keys::PAST;
use fjall::{Guard, Iter, Keyspace, Readable, Snapshot};
use std::ops::Bound;
use stele_domain::port::event_log::Direction;

/// How many older values of one name are stepped over before the next name is looked for by a search.
const STEPS_MAX: u32 = 8;

/// Bytes of the ending that says with which state a value came.
pub const ENDING_BYTES: usize = 8;

/// As of when values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The one state that is kept.
    Only,
    /// The newest value of every name that came no later than this position.
    UpTo(u64),
}

impl Moment {
    /// A name as it is written with the state at `position`.
    pub fn written(self, name: &[u8], position: u64) -> Vec<u8> {
        match self {
            Self::Only => name.to_vec(),
            Self::UpTo(_) => [name, &(!position).to_be_bytes()].concat(),
        }
    }
}

/// What a name stands for; nothing when it was never written, or taken away.
pub fn value(
    snapshot: &Snapshot,
    space: &Keyspace,
    name: &[u8],
    moment: Moment,
) -> Result<Option<Vec<u8>>, fjall::Error> {
    let found = match moment {
        Moment::Only => snapshot.get(space, name)?,
        Moment::UpTo(_) => {
            let newest = moment.written(name, moment.position());
            let range = (Bound::Included(newest), Bound::Excluded([name, &PAST].concat()));
            snapshot.range(space, range).next().map(Guard::value).transpose()?
        }
    };
    Ok(found.filter(|value| !value.is_empty()).map(|value| value.to_vec()))
}

impl Moment {
    fn position(self) -> u64 {
        match self {
            Self::Only => u64::MAX,
            Self::UpTo(position) => position,
        }
    }

    /// The first position that was not reached yet; nothing when all there is counts.
    pub fn later(self) -> Option<i64> {
        match self {
            Self::Only => None,
            Self::UpTo(position) => i64::try_from(position).ok()?.checked_add(1),
        }
    }
}

/// Every name between two bounds that stands for something, with it.
pub struct Walk<'s> {
    snapshot: &'s Snapshot,
    space: &'s Keyspace,
    moment: Moment,
    direction: Direction,
    low: Vec<u8>,
    high: Vec<u8>,
    entries: Iter,
    /// The name that was dealt with last: what else is written under it is passed over.
    done: Option<Vec<u8>>,
    steps: u32,
}

type Entry = (Vec<u8>, Vec<u8>);

impl<'s> Walk<'s> {
    /// From `low` to before `high`, or the other way round.
    pub fn new(
        snapshot: &'s Snapshot,
        space: &'s Keyspace,
        (low, high): (Vec<u8>, Vec<u8>),
        direction: Direction,
        moment: Moment,
    ) -> Self {
        let high = high.max(low.clone());
        let entries = snapshot.range(space, low.clone()..high.clone());
        Self { snapshot, space, moment, direction, low, high, entries, done: None, steps: 0 }
    }

    fn step(&mut self) -> Option<Result<Entry, fjall::Error>> {
        let guard = match self.direction {
            Direction::Forward => self.entries.next(),
            Direction::Backward => self.entries.next_back(),
        };
        let pair = guard?.into_inner();
        Some(pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    /// Goes on behind a name by a search instead of by steps.
    fn search(&mut self, name: &[u8]) {
        match self.direction {
            Direction::Forward => self.low = [name, &PAST].concat().max(self.low.clone()),
            Direction::Backward => self.high = name.to_vec().max(self.low.clone()),
        }
        let low = self.low.clone().min(self.high.clone());
        self.entries = self.snapshot.range(self.space, low..self.high.clone());
        self.steps = 0;
    }

    /// The next value that counts, or nothing when what was found says nothing as of the moment.
    fn look(&mut self, (written, found): Entry, up_to: u64) -> Result<Option<Entry>, fjall::Error> {
        let at = written.len().saturating_sub(ENDING_BYTES);
        let (name, ending) = written.split_at(at);
        if self.done.as_deref() == Some(name) {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                self.search(name);
            }
            return Ok(None);
        }
        let position = ending.try_into().map_or(0, |bytes| !u64::from_be_bytes(bytes));
        let found = match self.direction {
            Direction::Forward if position > up_to => {
                // Newer than asked for; the one that counts, if there is any, comes behind.
                self.steps += 1;
                if self.steps <= STEPS_MAX {
                    return Ok(None);
                }
                let found = value(self.snapshot, self.space, name, self.moment)?;
                self.search(name);
                found
            }
            Direction::Forward => Some(found).filter(|value| !value.is_empty()),
            // The oldest comes first: a search finds the one that counts.
            Direction::Backward => value(self.snapshot, self.space, name, self.moment)?,
        };
        self.steps = 0;
        self.done = Some(name.to_vec());
        Ok(found.map(|value| (name.to_vec(), value)))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Entry, fjall::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.step()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            match self.moment {
                Moment::Only => return Some(Ok(entry)),
                Moment::UpTo(up_to) => match self.look(entry, up_to) {
                    Ok(None) => {}
                    Ok(Some(entry)) => return Some(Ok(entry)),
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}
