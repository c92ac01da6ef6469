//! Room for callers. Stopping has its own, so that nothing keeps a kill waiting, and nobody takes a whole room: each
//! caller has a share of it, and some places are for whoever stands at the machine.

use crate::problem::Problem;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a room is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Most callers at the same time.
    pub(crate) places: usize,
    /// Most places of one caller: two keys of one owner are one. The machine's own socket has no such bound.
    pub(crate) of_one: usize,
    /// Places that only the machine's own socket may take.
    pub(crate) kept: usize,
}

/// Reads.
const READS: Bounds = Bounds { places: 64, of_one: 40, kept: 8 };
/// Wishes other than to stop.
const WISHES: Bounds = Bounds { places: 32, of_one: 16, kept: 4 };
/// Kills.
const KILLS: Bounds = Bounds { places: 16, of_one: 8, kept: 4 };
/// Disarms.
const DISARMS: Bounds = Bounds { places: 16, of_one: 8, kept: 4 };
/// Bodies that are on their way, of 256 KiB at most. A place for each principal's share whoever else sends: no number of
/// half-sent wishes keeps another one's out.
const BODIES: Bounds = Bounds { places: 4_096, of_one: 64, kept: 64 };
/// Readers of raw records of the log, each of whom reads it by themselves.
const FOLLOWERS: Bounds = Bounds { places: 64, of_one: 32, kept: 4 };
/// Listeners to live events: they share one reading of the log. A wall of screens often shares one key.
const LISTENERS: Bounds = Bounds { places: 8_192, of_one: 6_144, kept: 64 };
/// Proofs: each holds the projections still.
const PROOFS: Bounds = Bounds { places: 1, of_one: 1, kept: 0 };
/// Questions after the health, by address: whoever asks needs no credential.
const PROBES: Bounds = Bounds { places: 64, of_one: 16, kept: 4 };
/// Watches of the health, by address.
const WATCHES: Bounds = Bounds { places: 16, of_one: 4, kept: 2 };
/// Conversations about the definitions, by address.
const REFLECTIONS: Bounds = Bounds { places: 32, of_one: 8, kept: 4 };

/// Calls of processes of the desk to the log: the one with the doors passes on what its own callers ask.
const LOG_CALLS: Bounds = Bounds { places: 1_024, of_one: 256, kept: 0 };
/// Live readings of the log by processes of the desk. Each has about ten, and one with doors those of its callers too.
const LOG_FOLLOWERS: Bounds = Bounds { places: 512, of_one: 128, kept: 0 };
/// Reads of the log by persons past the doors for them: each answer may have 24 MiB.
const LOG_READS: Bounds = Bounds { places: 16, of_one: 4, kept: 2 };
/// Messages to the log that are on their way or being answered, in pieces of 64 KiB: 128 MiB in all, 48 of one caller.
const LOG_MESSAGES: Bounds = Bounds { places: 2_048, of_one: 768, kept: 0 };

/// Which room a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// A read.
    Reads,
    /// A wish.
    Wishes,
    /// A kill.
    Kills,
    /// A disarm.
    Disarms,
    /// A body that is on its way.
    Bodies,
    /// A reading of raw records that goes on.
    Followers,
    /// Live events.
    Listeners,
    /// A proof.
    Proofs,
    /// A look at the health.
    Probes,
    /// A watch of the health.
    Watches,
    /// A conversation about the definitions.
    Reflections,
    /// A process's call to the log.
    LogCalls,
    /// A process's live reading of the log.
    LogFollowers,
    /// A person's read of the log past the doors for persons.
    LogReads,
    /// 64 KiB of a message to the log.
    LogMessages,
}

/// Who takes a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    name: Arc<str>,
    on_the_machine: bool,
}

impl Who {
    /// A caller by their name, or a stranger by their network.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: Arc::from(name), on_the_machine: false }
    }

    /// Whoever stands at the machine itself.
    pub(crate) fn on_the_machine(name: &str) -> Self {
        Self { name: Arc::from(name), on_the_machine: true }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_on_the_machine(&self) -> bool {
        self.on_the_machine
    }
}

/// Room for callers.
#[derive(Debug)]
pub(crate) struct Rooms {
    reads: Arc<Hall>,
    wishes: Arc<Hall>,
    kills: Arc<Hall>,
    disarms: Arc<Hall>,
    bodies: Arc<Hall>,
    followers: Arc<Hall>,
    listeners: Arc<Hall>,
    proofs: Arc<Hall>,
    probes: Arc<Hall>,
    watches: Arc<Hall>,
    reflections: Arc<Hall>,
    log_calls: Arc<Hall>,
    log_followers: Arc<Hall>,
    log_reads: Arc<Hall>,
    log_messages: Arc<Hall>,
}

impl Default for Rooms {
    fn default() -> Self {
        let hall = |bounds| Arc::new(Hall::new(bounds));
        Self {
            reads: hall(READS),
            wishes: hall(WISHES),
            kills: hall(KILLS),
            disarms: hall(DISARMS),
            bodies: hall(BODIES),
            followers: hall(FOLLOWERS),
            listeners: hall(LISTENERS),
            proofs: hall(PROOFS),
            probes: hall(PROBES),
            watches: hall(WATCHES),
            reflections: hall(REFLECTIONS),
            log_calls: hall(LOG_CALLS),
            log_followers: hall(LOG_FOLLOWERS),
            log_reads: hall(LOG_READS),
            log_messages: hall(LOG_MESSAGES),
        }
    }
}

impl Rooms {
    /// A place at once, or a no.
    ///
    /// # Errors
    ///
    /// 503 `busy` when there is none, 429 `too-many-at-once` when the caller has as many as one may.
    pub(crate) fn seat(&self, room: Room, who: &Who) -> Result<Seat, Problem> {
        let (hall, full) = match room {
            Room::Reads => (&self.reads, "too many reads at the same time"),
            Room::Wishes => (&self.wishes, "too many wishes at the same time"),
            Room::Kills => (&self.kills, "too many kills at the same time: one is enough"),
            Room::Disarms => (&self.disarms, "too many disarms at the same time: one is enough"),
            Room::Bodies => (&self.bodies, "too many bodies are on their way at the same time"),
            Room::Followers => (&self.followers, "as many follow the log as may"),
            Room::Listeners => (&self.listeners, "as many listen as may"),
            Room::Proofs => (&self.proofs, "a proof is being sent: one at a time"),
            Room::Probes => (&self.probes, "too many ask after the health at the same time"),
            Room::Watches => (&self.watches, "as many watch the health as may"),
            Room::Reflections => (&self.reflections, "as many ask for the definitions as may"),
            Room::LogCalls => (&self.log_calls, "too many calls to the log at the same time"),
            Room::LogFollowers => (&self.log_followers, "as many processes follow the log as may"),
            Room::LogReads => (&self.log_reads, "too many read the log at the same time"),
            Room::LogMessages => (&self.log_messages, "too many bytes are on their way to the log"),
        };
        hall.take(who).map_err(|refused| match refused {
            Taken::ByAll => Problem::unavailable("busy", full),
            Taken::ByOne => {
                let (name, most) = (&who.name, hall.bounds.of_one);
                let detail = format!("{name} has {most} of these open, and one caller has at most that many");
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-at-once", detail).retry_after(1)
            }
        })
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The room is full.
    ByAll,
    /// The caller has as many as one may.
    ByOne,
}

/// One room.
#[derive(Debug)]
pub(crate) struct Hall {
    bounds: Bounds,
    sitting: Mutex<Sitting>,
}

#[derive(Debug, Default)]
struct Sitting {
    /// Those who stand at the machine.
    on_the_machine: usize,
    /// All others.
    others: usize,
    /// The others by name; who has left is forgotten.
    by_name: BTreeMap<Arc<str>, usize>,
}

/// A place that a caller holds until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hall: Arc<Hall>,
    who: Who,
}

impl Hall {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, sitting: Mutex::default() }
    }

    /// A place, or whose places there are none of.
    pub(crate) fn take(self: &Arc<Self>, who: &Who) -> Result<Seat, Taken> {
        let Bounds { places, of_one, kept } = self.bounds;
        let mut sitting = self.sitting();
        let free = places.saturating_sub(sitting.on_the_machine.saturating_add(sitting.others));
        let for_others = places.saturating_sub(kept).saturating_sub(sitting.others);
        if free == 0 || (!who.on_the_machine && for_others == 0) {
            return Err(Taken::ByAll);
        }
        if who.on_the_machine {
            sitting.on_the_machine += 1;
        } else {
            let own = sitting.by_name.entry(Arc::clone(&who.name)).or_default();
            if *own >= of_one {
                return Err(Taken::ByOne);
            }
            *own += 1;
            sitting.others += 1;
        }
        drop(sitting);
        Ok(Seat { hall: Arc::clone(self), who: who.clone() })
    }

    fn leave(&self, who: &Who) {
        let mut sitting = self.sitting();
        if who.on_the_machine {
            sitting.on_the_machine = sitting.on_the_machine.saturating_sub(1);
            return;
        }
        sitting.others = sitting.others.saturating_sub(1);
        let left = sitting.by_name.get_mut(&who.name).map_or(0, |own| {
            *own = own.saturating_sub(1);
            *own
        });
        if left == 0 {
            sitting.by_name.remove(&who.name);
        }
    }

    fn sitting(&self) -> MutexGuard<'_, Sitting> {
        // What it guards is whole between any two statements, so a panic elsewhere spoils nothing.
        self.sitting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hall.leave(&self.who);
    }
}

#[cfg(test)]
mod tests {
    use super::{DISARMS, KILLS, LISTENERS, READS, Room, Rooms, Who};

    fn code(rooms: &Rooms, room: Room, who: &Who) -> Option<String> {
        rooms.seat(room, who).err().map(|problem| problem.said().code.clone())
    }

    fn everybody(rooms: &Rooms, room: Room) -> Vec<super::Seat> {
        let (mut seats, mut nth) = (vec![], 0);
        loop {
            match rooms.seat(room, &Who::named(&format!("person:{nth}"))) {
                Ok(seat) => seats.push(seat),
                Err(no) if no.said().code == "too-many-at-once" => nth += 1,
                Err(_) => return seats,
            }
        }
    }

    #[test]
    fn the_last_place_is_given_and_the_one_after_it_is_busy_until_somebody_leaves() {
        let rooms = Rooms::default();
        let ann = Who::named("person:ann");
        let mut seats = everybody(&rooms, Room::Listeners);
        assert_eq!(seats.len(), LISTENERS.places - LISTENERS.kept);
        assert_eq!(code(&rooms, Room::Listeners, &ann).as_deref(), Some("busy"));
        assert!(rooms.seat(Room::Reads, &ann).is_ok(), "another room has its own places");
        seats.pop();
        assert!(rooms.seat(Room::Listeners, &ann).is_ok());
    }

    #[test]
    fn nobody_takes_a_whole_room_and_two_keys_of_one_owner_are_one() {
        let rooms = Rooms::default();
        let (ann, bob) = (Who::named("person:ann"), Who::named("person:bob"));
        let seats: Vec<_> = (0..READS.of_one).map(|_| rooms.seat(Room::Reads, &ann).unwrap()).collect();
        let no = rooms.seat(Room::Reads, &ann).unwrap_err();
        assert_eq!((no.said().status, no.said().code.as_str()), (429, "too-many-at-once"));
        assert!(no.retry_after_s().is_some() && no.detail().contains("person:ann"), "{}", no.detail());
        assert!(rooms.seat(Room::Reads, &bob).is_ok(), "others find room");
        drop(seats);
        assert!(rooms.seat(Room::Reads, &ann).is_ok());
    }

    #[test]
    fn the_machine_s_own_socket_finds_room_when_everybody_else_has_taken_theirs() {
        let rooms = Rooms::default();
        let root = Who::on_the_machine("operator:root");
        let _seats = everybody(&rooms, Room::Kills);
        let own: Vec<_> = (0..KILLS.kept).map(|_| rooms.seat(Room::Kills, &root).unwrap()).collect();
        assert_eq!(code(&rooms, Room::Kills, &root).as_deref(), Some("busy"), "even there it has an end");
        drop(own);
    }

    #[test]
    fn no_number_of_disarms_keeps_a_kill_out() {
        let rooms = Rooms::default();
        let seats = everybody(&rooms, Room::Disarms);
        assert_eq!(seats.len(), DISARMS.places - DISARMS.kept);
        assert!(rooms.seat(Room::Kills, &Who::named("person:ann")).is_ok());
    }

    #[test]
    fn a_seat_that_was_left_is_forgotten_with_the_name_of_its_holder() {
        let rooms = Rooms::default();
        for nth in 0..1_000 {
            drop(rooms.seat(Room::Watches, &Who::named(&format!("192.0.2.{nth}"))).unwrap());
        }
        let sitting = rooms.watches.sitting();
        assert_eq!((sitting.by_name.len(), sitting.others, sitting.on_the_machine), (0, 0, 0));
    }
}
