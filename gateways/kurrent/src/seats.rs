//! Room for callers: readings, and bytes of appends that are not complete yet.

use crate::no::No;
use crate::observe;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::access::Caller;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most readings and subscriptions at the same time, and most of one caller.
const READINGS_MAX: usize = 512;
const READINGS_OF_ONE_MAX: usize = 256;
/// Most bytes of appends that are under way: 128 MiB, counted in KiB.
const INCOMING_KIB_MAX: usize = 128 * 1024;

/// All room there is.
#[derive(Clone, Debug)]
pub struct Seats {
    readings: Arc<Mutex<BTreeMap<String, usize>>>,
    incoming: Arc<Semaphore>,
}

/// The place of one reading, given back however it ends.
#[derive(Debug)]
pub struct Seat {
    readings: Arc<Mutex<BTreeMap<String, usize>>>,
    actor: String,
}

/// The place of bytes, given back however their append ends.
#[derive(Debug, Default)]
pub struct Room(Vec<OwnedSemaphorePermit>);

type Counts<'a> = MutexGuard<'a, BTreeMap<String, usize>>;

fn counts(readings: &Mutex<BTreeMap<String, usize>>) -> Counts<'_> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seats {
    pub fn new() -> Self {
        Self { readings: Arc::default(), incoming: Arc::new(Semaphore::new(INCOMING_KIB_MAX)) }
    }

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

    /// Room for more bytes of an append.
    pub fn more(&self, room: &mut Room, bytes: usize) -> Result<(), No> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.incoming).try_acquire_many_owned(kib);
        let full = || No::Busy("too many bytes of appends are under way: try again".to_owned());
        room.0.push(permit.map_err(|_| full())?);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = counts(&self.readings);
        if let Some(own) = counts.get_mut(&self.actor) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.actor);
            }
        }
        observe::left(counts.values().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::{INCOMING_KIB_MAX, READINGS_MAX, READINGS_OF_ONE_MAX, Room, Seats};
    use crate::access::tests::process;

    #[test]
    fn one_caller_can_not_take_every_seat() {
        let seats = Seats::new();
        let (greedy, other) = (process("greedy", &["outside"]), process("other", &["outside"]));
        let taken: Vec<_> = (0..READINGS_MAX).map_while(|_| seats.reading(&greedy).ok()).collect();
        assert_eq!(taken.len(), READINGS_OF_ONE_MAX);
        let others: Vec<_> = (0..READINGS_MAX).map_while(|_| seats.reading(&other).ok()).collect();
        assert_eq!(taken.len() + others.len(), READINGS_MAX);
        drop(taken);
        assert!(seats.reading(&greedy).is_ok());
    }

    #[test]
    fn bytes_under_way_are_bounded_and_come_back() {
        let seats = Seats::new();
        let mut room = Room::default();
        while seats.more(&mut room, 16 * 1024 * 1024).is_ok() {}
        assert_eq!(room.0.len(), INCOMING_KIB_MAX / 16 / 1024);
        drop(room);
        assert!(seats.more(&mut Room::default(), 1).is_ok());
    }
}
