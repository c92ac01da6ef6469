//! What is known of streams that somebody else's client deleted, truncated or described: all of it follows from the log, a
//! bounded part of it is remembered.
//!
//! Whoever changes it holds the stream's lock alone; whoever relies on it holds the lock together with others. Only this
//! door writes metadata streams and tombstones, so what is remembered stays true.

use crate::name::Name;
use crate::settings::Settings;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::port::event_log::Revision;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Most streams that one generation remembers; there are two.
const REMEMBERED_MAX: usize = 32_768;
/// How many locks there are. Streams that share one wait for each other's deletions, no more.
const LOCKS: usize = 256;

/// What is known of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether it is deleted for ever.
    pub tombstone: bool,
    /// How much of it is shown.
    pub settings: Settings,
    /// The last revision of the stream that describes it.
    pub described_at: Option<Revision>,
}

/// Held by writers of a stream, together.
pub type Shared = OwnedRwLockReadGuard<()>;
/// Held by who changes what is known of a stream, alone.
pub type Alone = OwnedRwLockWriteGuard<()>;

/// Everything that is remembered, and the locks.
pub struct Standings {
    remembered: Mutex<Generations>,
    locks: Vec<Arc<RwLock<()>>>,
    hasher: RandomState,
}

/// What was asked for since the last turn, and before it. What is in neither is read again.
#[derive(Default)]
struct Generations {
    young: HashMap<Name, Standing>,
    old: HashMap<Name, Standing>,
}

impl Standings {
    pub fn new() -> Self {
        let locks = (0..LOCKS).map(|_| Arc::default()).collect();
        Self { remembered: Mutex::default(), locks, hasher: RandomState::new() }
    }

    fn remembered(&self) -> MutexGuard<'_, Generations> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a stream.
    pub fn get(&self, stream: &Name) -> Option<Standing> {
        let mut generations = self.remembered();
        if let Some(standing) = generations.young.get(stream) {
            return Some(*standing);
        }
        let standing = generations.old.remove(stream)?;
        generations.put(stream.clone(), standing);
        Some(standing)
    }

    /// Remembers it. Needs the stream's lock.
    pub fn put(&self, stream: &Name, standing: Standing) {
        self.remembered().put(stream.clone(), standing);
    }

    /// Forgets it: what became of it is not known. Needs the stream's lock.
    pub fn forget(&self, stream: &Name) {
        let mut generations = self.remembered();
        generations.young.remove(stream);
        generations.old.remove(stream);
    }

    /// Which lock is a stream's.
    pub fn lock_of(&self, stream: &Name) -> usize {
        let hash = self.hasher.hash_one(stream);
        usize::try_from(hash % (LOCKS as u64)).unwrap_or(0)
    }

    /// Waits for a lock, to be held with others.
    pub async fn shared(&self, lock: usize) -> Option<Shared> {
        let lock = self.locks.get(lock)?;
        Some(Arc::clone(lock).read_owned().await)
    }

    /// Waits for a lock, to be held alone.
    pub async fn alone(&self, lock: usize) -> Option<Alone> {
        let lock = self.locks.get(lock)?;
        Some(Arc::clone(lock).write_owned().await)
    }
}

impl Generations {
    fn put(&mut self, stream: Name, standing: Standing) {
        if self.young.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, standing);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED_MAX, Standing, Standings};
    use crate::name::Name;

    #[test]
    fn what_is_asked_for_is_remembered_and_the_rest_is_bounded() {
        let standings = Standings::new();
        let often = Name::new("often").unwrap();
        standings.put(&often, Standing { tombstone: true, ..Standing::default() });
        for number in 0..REMEMBERED_MAX * 4 {
            standings.put(&Name::new(&format!("s-{number}")).unwrap(), Standing::default());
            assert!(standings.get(&often).unwrap().tombstone);
        }
        let generations = standings.remembered();
        assert!(generations.young.len() + generations.old.len() <= REMEMBERED_MAX * 2);
    }

    #[test]
    fn what_is_forgotten_is_read_again() {
        let standings = Standings::new();
        let name = Name::new("a").unwrap();
        standings.put(&name, Standing::default());
        standings.forget(&name);
        assert_eq!(standings.get(&name), None);
    }
}
