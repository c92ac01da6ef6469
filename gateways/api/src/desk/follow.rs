//! The log as it grows, record by record, for as long as somebody listens.

use crate::api::{Api, Visitor};
use crate::desk::visit;
use crate::doors::{Room, Seat};
use crate::problem::Problem;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::access::Denied;
use stele_domain::port::event_log::{Filter, Follow, LogError, Page, Position, Record, StreamId};
use tokio::time::Instant;

/// How long nothing is said at most.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Records that are read in one go.
const PAGE: usize = 256;

/// What a follower hears next.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// Records, in the order of the log; at least one.
    Records(Vec<Record>),
    /// Everything that was wanted up to the head has been told; from here on it is live.
    CaughtUp {
        /// The last position of the log.
        head: Position,
    },
    /// Nothing that was wanted has happened, and the desk is alive.
    Heartbeat {
        /// The last position of the log when it was read last.
        head: Position,
    },
    /// The desk stops. Nothing comes after it.
    Closing {
        /// Go on from here.
        next: Position,
    },
    /// The key that the follower came with is no longer taken. Nothing comes after it.
    ShutOut {
        /// Why.
        denied: Denied,
        /// Go on from here.
        next: Position,
    },
    /// The log can't be read. Nothing comes after it.
    Failed {
        /// Why.
        problem: Problem,
        /// Go on from here.
        next: Position,
    },
}

/// One who follows the log.
pub(crate) struct Follower {
    api: Arc<Api>,
    follow: Box<dyn Follow>,
    /// Only this stream of what is followed.
    stream: Option<StreamId>,
    visitor: Visitor,
    /// Where to go on.
    next: Position,
    head: Position,
    caught_up: bool,
    /// Reached the head, and has not said so yet.
    arrived: bool,
    ended: bool,
    silent_until: Instant,
    _seat: Seat,
}

enum Event {
    Page(Result<Page, LogError>),
    Nothing,
    Stop,
}

/// Begins to follow, from a position or from now on; of what passes the filter only one stream, where one is named.
///
/// # Errors
///
/// 503 `busy` or 429 `too-many-at-once` when as many follow as may; 409 `position-beyond-head` when the log has not come
/// that far: what is to come can't be asked for by number.
pub(crate) async fn follow(
    api: &Arc<Api>,
    filter: Filter,
    stream: Option<StreamId>,
    from: Option<u64>,
    visitor: Visitor,
) -> Result<Follower, Problem> {
    let seat = api.doors.rooms.seat(Room::Followers, &visit::who(&visitor.caller))?;
    let head = api.log.head().await?;
    let next = from.map_or(head.next(), |from| Position(from.max(1)));
    if next > head.next() {
        return Err(Problem::beyond(head));
    }
    let follow = api.log.follow(next, filter);
    // With nothing to read yet, no page will come to say so.
    let arrived = next > head;
    let silent_until = Instant::now() + HEARTBEAT;
    Ok(Follower {
        api: Arc::clone(api),
        follow,
        stream,
        visitor,
        next,
        head,
        caught_up: arrived,
        arrived,
        ended: false,
        silent_until,
        _seat: seat,
    })
}

impl Follower {
    /// What is heard next; `None` when it is over. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        if self.ended {
            return None;
        }
        let shut_out = self.api.gatekeeper.stands(&self.visitor.caller).err();
        let heard = loop {
            if let Some(denied) = shut_out {
                break Heard::ShutOut { denied, next: self.next };
            }
            if std::mem::take(&mut self.arrived) {
                break Heard::CaughtUp { head: self.head };
            }
            let event = tokio::select! {
                biased;
                () = self.visitor.stop.requested() => Event::Stop,
                // Before the page: pages that match nothing must not keep a heartbeat from being sent.
                () = tokio::time::sleep_until(self.silent_until) => Event::Nothing,
                page = self.follow.next(PAGE) => Event::Page(page),
            };
            match event {
                Event::Page(Ok(mut page)) => {
                    self.reach(&page);
                    // What happens beside the stream is no news, and no reason to be silent.
                    page.records
                        .retain(|record| self.stream.as_ref().is_none_or(|only| record.stream == *only));
                    if !page.records.is_empty() {
                        break Heard::Records(page.records);
                    }
                }
                Event::Page(Err(error)) => {
                    break Heard::Failed { problem: Problem::from(error), next: self.next };
                }
                Event::Nothing => break Heard::Heartbeat { head: self.head },
                Event::Stop => break Heard::Closing { next: self.next },
            }
        };
        self.ended = matches!(heard, Heard::Closing { .. } | Heard::ShutOut { .. } | Heard::Failed { .. });
        self.silent_until = Instant::now() + HEARTBEAT;
        Some(heard)
    }

    fn reach(&mut self, page: &Page) {
        (self.next, self.head) = (page.next, page.head);
        self.arrived = page.caught_up() && !self.caught_up;
        self.caught_up = page.caught_up();
    }
}
