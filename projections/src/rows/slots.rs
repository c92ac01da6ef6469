//! The rows of one table by key, for the length of a batch. Most keys come in order, as those of a history do and those
//! that were fetched: they are laid down one after the other, and no tree is climbed for them.

use std::collections::BTreeMap;
use stele_domain::port::read_store::Key;

/// What stands under each key.
#[derive(Debug)]
pub struct Slots<T> {
    /// In the order of their keys.
    ordered: Vec<(Key, T)>,
    /// Those whose key came after a larger one, by key.
    others: BTreeMap<Key, T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { ordered: vec![], others: BTreeMap::new() }
    }
}

impl<T: Default> Slots<T> {
    /// What stands under a key.
    pub fn get(&self, key: &Key) -> Option<&T> {
        let found = self.place(key).ok().and_then(|at| self.ordered.get(at)).map(|(_, slot)| slot);
        found.or_else(|| self.others.get(key))
    }

    /// What stands under a key, made when it isn't there.
    pub fn slot(&mut self, key: Key) -> &mut T {
        let place = self.place(&key);
        let at_the_end = place == Err(self.ordered.len()) && !self.others.contains_key(&key);
        match place {
            Ok(at) => &mut self.ordered[at].1,
            Err(_) if at_the_end => &mut self.ordered.push_mut((key, T::default())).1,
            Err(_) => self.others.entry(key).or_default(),
        }
    }

    /// Everything, in the order of keys.
    pub fn into_ordered(self) -> Vec<(Key, T)> {
        let Self { mut ordered, others } = self;
        if !others.is_empty() {
            ordered.extend(others);
            ordered.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        ordered
    }

    /// Where a key stands in what came in order, or where it would.
    fn place(&self, key: &Key) -> Result<usize, usize> {
        match self.ordered.last() {
            None => Err(0),
            Some((last, _)) if last < key => Err(self.ordered.len()),
            Some(_) => self.ordered.binary_search_by(|(at, _)| at.cmp(key)),
        }
    }
}

#[cfg(test)]
mod tests;
