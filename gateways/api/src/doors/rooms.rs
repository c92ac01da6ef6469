//! Room for callers. Stopping has its own, so that reads can't keep a kill waiting.

use crate::problem::Problem;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most reads at the same time.
const READS_MAX: usize = 64;
/// Most wishes at the same time.
const WISHES_MAX: usize = 32;
/// Most kills and disarms at the same time.
const STOPS_MAX: usize = 16;
/// Most readers of raw records of the log, each of whom reads it by themselves.
const FOLLOWERS_MAX: usize = 64;
/// Most listeners to live events: they share one reading of the log.
pub(crate) const LISTENERS_MAX: usize = 8_192;
/// Most proofs at the same time: each holds the projections still.
const PROOFS_MAX: usize = 1;

/// Which room a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// A read.
    Reads,
    /// A wish.
    Wishes,
    /// A kill or a disarm.
    Stops,
    /// A reading of raw records that goes on.
    Followers,
    /// Live events.
    Listeners,
    /// A proof.
    Proofs,
}

/// Room for callers.
#[derive(Debug)]
pub(crate) struct Rooms {
    reads: Arc<Semaphore>,
    wishes: Arc<Semaphore>,
    stops: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
    proofs: Arc<Semaphore>,
}

/// A place that a caller holds.
pub(crate) type Seat = OwnedSemaphorePermit;

impl Default for Rooms {
    fn default() -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self {
            reads: room(READS_MAX),
            wishes: room(WISHES_MAX),
            stops: room(STOPS_MAX),
            followers: room(FOLLOWERS_MAX),
            listeners: room(LISTENERS_MAX),
            proofs: room(PROOFS_MAX),
        }
    }
}

impl Rooms {
    /// A place, or 503 `busy` at once.
    pub(crate) fn seat(&self, room: Room) -> Result<Seat, Problem> {
        let (places, full) = match room {
            Room::Reads => (&self.reads, "too many reads at the same time"),
            Room::Wishes => (&self.wishes, "too many wishes at the same time"),
            Room::Stops => (&self.stops, "too many kills and disarms at the same time: one is enough"),
            Room::Followers => (&self.followers, "as many follow the log as may"),
            Room::Listeners => (&self.listeners, "as many listen as may"),
            Room::Proofs => (&self.proofs, "a proof is being sent: one at a time"),
        };
        Arc::clone(places).try_acquire_owned().map_err(|_| Problem::unavailable("busy", full))
    }
}

#[cfg(test)]
mod tests {
    use super::{LISTENERS_MAX, Room, Rooms};

    #[test]
    fn the_last_place_is_given_and_the_one_after_it_is_busy_until_somebody_leaves() {
        let rooms = Rooms::default();
        let mut seats: Vec<_> = (0..LISTENERS_MAX).map(|_| rooms.seat(Room::Listeners).unwrap()).collect();
        assert_eq!(rooms.seat(Room::Listeners).unwrap_err().said().code, "busy");
        assert!(rooms.seat(Room::Reads).is_ok(), "another room has its own places");
        seats.pop();
        assert!(rooms.seat(Room::Listeners).is_ok());
    }
}
