//! Room for callers: readings, and bytes of appends that are not complete yet.

use crate::no::No;
use crate::observe;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::access::Caller;

/// Most readings and subscriptions at the same time, and most of one caller.
const READINGS_MAX: usize = 512;
pub const READINGS_OF_ONE_MAX: usize = 256;
/// Most bytes of appends that are under way, and most of one caller: 128 MiB and 64 MiB, counted in KiB.
const INCOMING_KIB_MAX: usize = 128 * 1024;
const INCOMING_KIB_OF_ONE_MAX: usize = INCOMING_KIB_MAX / 2;

/// How much each caller has.
type Shares = Arc<Mutex<BTreeMap<String, usize>>>;

/// All room there is.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    readings: Shares,
    /// In KiB.
    incoming: Shares,
}

/// The place of one reading, given back however it ends.
#[derive(Debug)]
pub struct Seat {
    readings: Shares,
    actor: String,
}

/// The place of bytes of one caller, given back however their append ends.
#[derive(Debug)]
pub struct Room {
    incoming: Shares,
    actor: String,
    kib: usize,
}

type Counts<'a> = MutexGuard<'a, BTreeMap<String, usize>>;

fn counts(shares: &Mutex<BTreeMap<String, usize>>) -> Counts<'_> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_back(counts: &mut BTreeMap<String, usize>, actor: &str, share: usize) {
    if let Some(own) = counts.get_mut(actor) {
        *own = own.saturating_sub(share);
        if *own == 0 {
            counts.remove(actor);
        }
    }
}

impl Seats {
    /// A place for a reading.
    pub fn reading(&self, caller: &Caller) -> Result<Seat, No> {
        let actor = caller.actor.as_str().to_owned();
        let mut counts = counts(&self.readings);
        let all: usize = counts.values().sum();
        let own = counts.get(&actor).copied().unwrap_or(0);
        if all >= READINGS_MAX || own >= READINGS_OF_ONE_MAX {
            return Err(No::Busy(format!("{all} readings are open, {own} of them yours: no more fit")));
        }
        counts.insert(actor.clone(), own + 1);
        observe::reading(&actor, all + 1);
        drop(counts);
        Ok(Seat { readings: Arc::clone(&self.readings), actor })
    }

    /// Room for bytes of an append: none yet.
    pub fn room(&self, caller: &Caller) -> Room {
        Room { incoming: Arc::clone(&self.incoming), actor: caller.actor.as_str().to_owned(), kib: 0 }
    }
}

impl Room {
    /// Room of its own for the same caller: none yet.
    pub fn another(&self) -> Self {
        Self { incoming: Arc::clone(&self.incoming), actor: self.actor.clone(), kib: 0 }
    }

    /// Room for more bytes.
    ///
    /// # Errors
    ///
    /// [`No::Busy`] when the caller's share, or everything, is taken.
    pub fn more(&mut self, bytes: usize) -> Result<(), No> {
        let kib = bytes.div_ceil(1024);
        let mut counts = counts(&self.incoming);
        let all: usize = counts.values().sum();
        let own = counts.get(&self.actor).copied().unwrap_or(0);
        if own.saturating_add(kib) > INCOMING_KIB_OF_ONE_MAX {
            let words = format!(
                "{own} KiB of your appends are under way, and {INCOMING_KIB_OF_ONE_MAX} may be: complete some, and try again"
            );
            return Err(No::Busy(words));
        }
        if all.saturating_add(kib) > INCOMING_KIB_MAX {
            return Err(No::Busy("too many bytes of appends are under way: try again".to_owned()));
        }
        if kib > 0 {
            counts.insert(self.actor.clone(), own + kib);
            self.kib += kib;
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        give_back(&mut counts(&self.incoming), &self.actor, self.kib);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = counts(&self.readings);
        give_back(&mut counts, &self.actor, 1);
        observe::left(counts.values().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::{INCOMING_KIB_MAX, INCOMING_KIB_OF_ONE_MAX, READINGS_MAX, READINGS_OF_ONE_MAX, Seats};
    use crate::access::tests::process;

    #[test]
    fn one_caller_can_not_take_every_seat() {
        let seats = Seats::default();
        let (greedy, other) = (process("greedy", &["outside"]), process("other", &["outside"]));
        let taken: Vec<_> = (0..READINGS_MAX).map_while(|_| seats.reading(&greedy).ok()).collect();
        assert_eq!(taken.len(), READINGS_OF_ONE_MAX);
        let others: Vec<_> = (0..READINGS_MAX).map_while(|_| seats.reading(&other).ok()).collect();
        assert_eq!(taken.len() + others.len(), READINGS_MAX);
        drop(taken);
        assert!(seats.reading(&greedy).is_ok());
    }

    #[test]
    fn bytes_under_way_are_bounded_for_each_and_for_all_and_come_back() {
        const MIB: usize = 1024 * 1024;
        let seats = Seats::default();
        let [mut greedy, mut other, mut third] =
            ["greedy", "other", "third"].map(|name| seats.room(&process(name, &["outside"])));
        let taken = |room: &mut super::Room| (0..1_000).take_while(|_| room.more(16 * MIB).is_ok()).count();
        assert_eq!(taken(&mut greedy), INCOMING_KIB_OF_ONE_MAX / 16 / 1024);
        // Another room of the same caller is in the same share.
        assert!(greedy.another().more(1).is_err());
        assert_eq!(taken(&mut other), (INCOMING_KIB_MAX - INCOMING_KIB_OF_ONE_MAX) / 16 / 1024);
        assert!(third.more(1).is_err());
        drop(greedy);
        assert!(third.more(16 * MIB).is_ok());
        drop((other, third));
        assert!(seats.incoming.lock().unwrap().is_empty());
    }
}
