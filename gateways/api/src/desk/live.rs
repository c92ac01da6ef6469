//! Live events for many: one reading of the log, shared by all who listen.
//!
//! Whoever is behind what the shared reading still remembers reads the log by themselves, at their own pace, and
//! joins when they have caught up. So a slow listener costs no memory and misses nothing.

mod hub;
mod topics;

pub(crate) use hub::{Hub, Told};
pub(crate) use topics::{TOPICS, Topics};

use crate::api::{Api, Visitor};
use crate::desk::visit;
use crate::doors::{Room, Seat};
use crate::problem::Problem;
use hub::{Running, Taken};
use std::sync::Arc;
use std::time::Duration;
use stele_commands::access::Denied;
use stele_domain::port::event_log::{Filter, LogError, Position};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long nothing is said at most.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// Most events that are handed over in one go, and that are read from the log in one go.
const BATCH: usize = 256;

/// How long a listener rests between two looks while it is behind and finds nothing.
const PAUSE: Duration = Duration::from_millis(1);

/// What a listener hears next.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// At least one, in the order of the log.
    Events(Vec<Arc<Told>>),
    /// Everything wanted up to the head has been told; from here on it is live. Again after falling behind.
    CaughtUp {
        /// The last position of the log.
        head: Position,
    },
    /// The listener was too slow for what is remembered, and reads the log by itself until it has caught up again.
    FellBehind {
        /// Everything wanted up to here has been told.
        position: Position,
    },
    /// Nothing has happened, and the desk is alive.
    Heartbeat {
        /// The last position of the log.
        head: Position,
    },
    /// The desk stops. Nothing comes after it.
    Closing,
    /// The key that the listener came with is no longer taken. Nothing comes after it.
    ShutOut(Denied),
    /// The log can't be read. Nothing comes after it.
    Failed {
        /// Why.
        problem: Problem,
    },
}

/// Where a listener begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With what happens from now on.
    Now,
    /// With the event at this position.
    Position(u64),
    /// With the event after the one at this position: the last that was heard before.
    After(u64),
}

/// One who listens.
pub(crate) struct Listener {
    api: Arc<Api>,
    running: Arc<Running>,
    bell: watch::Receiver<Position>,
    topics: Topics,
    filter: Filter,
    visitor: Visitor,
    /// Everything wanted before this position has been told.
    next: Position,
    head: Position,
    caught_up: bool,
    ended: bool,
    silent_until: Instant,
    _seat: Seat,
}

/// Begins to listen.
///
/// # Errors
///
/// 503 `busy` or 429 `too-many-at-once` when as many listen as may; 409 `position-beyond-head` when the log has not come that far.
pub(crate) async fn listen(
    api: &Arc<Api>,
    topics: Topics,
    from: From,
    visitor: Visitor,
) -> Result<Listener, Problem> {
    let seat = api.doors.rooms.seat(Room::Listeners, &visit::who(&visitor.caller))?;
    let running = api.doors.hub.running(&api.log).await?;
    let head = api.log.head().await?;
    let next = match from {
        From::Now => head.next(),
        From::Position(position) => Position(position.max(1)),
        From::After(position) => Position(position).next(),
    };
    if next > head.next() {
        return Err(Problem::beyond(head));
    }
    let (bell, filter) = (running.bell(topics), topics.filter());
    let silent_until = Instant::now() + HEARTBEAT;
    Ok(Listener {
        api: Arc::clone(api),
        running,
        bell,
        topics,
        filter,
        visitor,
        next,
        head,
        caught_up: false,
        ended: false,
        silent_until,
        _seat: seat,
    })
}

impl Listener {
    /// Everything wanted before this position has been told: listen from here to go on.
    pub(crate) fn position(&self) -> Position {
        self.next
    }

    /// What is heard next; `None` when it is over. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        if self.ended {
            return None;
        }
        let shut_out = self.api.gatekeeper.stands(&self.visitor.caller).err();
        let heard = loop {
            if let Some(denied) = shut_out {
                break Heard::ShutOut(denied);
            }
            if self.visitor.stop.is_requested() {
                break Heard::Closing;
            }
            if self.caught_up && self.running.has_forgotten(self.next) {
                self.caught_up = false;
                break Heard::FellBehind { position: Position(self.next.0.saturating_sub(1)) };
            }
            match self.take().await {
                Ok(told) if !told.is_empty() => break Heard::Events(told),
                Ok(_) => {}
                Err(problem) => break Heard::Failed { problem },
            }
            if self.next > self.head && !self.caught_up {
                self.caught_up = true;
                break Heard::CaughtUp { head: self.head };
            }
            if Instant::now() >= self.silent_until {
                break Heard::Heartbeat { head: self.head };
            }
            if self.next <= self.head {
                // Pages that match nothing, or a shared reading that is about to get there.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.visitor.stop.requested() => break Heard::Closing,
                _ = self.bell.changed() => {}
                () = tokio::time::sleep_until(self.silent_until) => {}
            }
        };
        self.ended = matches!(heard, Heard::Closing | Heard::ShutOut(_) | Heard::Failed { .. });
        self.silent_until = Instant::now() + HEARTBEAT;
        Some(heard)
    }

    /// What there is after what was told, at most a batch; empty when nothing wanted is there yet.
    async fn take(&mut self) -> Result<Vec<Arc<Told>>, Problem> {
        match self.running.take(self.next, self.topics, BATCH) {
            Taken::Page { told, next, head } => {
                (self.next, self.head) = (next.max(self.next), head.max(self.head));
                Ok(told)
            }
            Taken::Forgotten => Ok(self.read().await?),
            Taken::Failed(problem) => Err(problem),
        }
    }

    async fn read(&mut self) -> Result<Vec<Arc<Told>>, LogError> {
        let page = self.api.log.read_all(self.next, &self.filter, BATCH).await?;
        (self.next, self.head) = (page.next.max(self.next), page.head.max(self.head));
        Ok(page.records.into_iter().filter_map(Told::of).map(Arc::new).collect())
    }
}
