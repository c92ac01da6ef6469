//! What a runner is steered and watched by. Cheap to clone.

use super::state::{State, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stele_domain::port::event_log::Position;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// What a runner was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    Pause,
    Drain,
    Stop,
}

/// Steers and watches a runner.
#[derive(Clone)]
pub struct Handle {
    wishes: Arc<watch::Sender<Wish>>,
    status: watch::Receiver<Status>,
    turn: Arc<Mutex<()>>,
    /// Whether the tables are others than the runner knows.
    anew: Arc<AtomicBool>,
}

/// While this lives, no projection moves, and all of them show one stretch of the log. Dropping it lets the
/// runner go on.
pub struct Hold {
    /// What the runner said last.
    pub status: Status,
    anew: Arc<AtomicBool>,
    _turn: OwnedMutexGuard<()>,
}

impl Hold {
    /// Other tables have taken the place of those that the runner knows: it looks at them anew before it goes on.
    pub fn took_place(&self) {
        self.anew.store(true, Ordering::SeqCst);
    }
}

/// Why a position was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Waited {
    /// The time is up.
    #[error("the tables are at position {at}, and {asked} was asked for")]
    Behind {
        /// What was asked for.
        asked: Position,
        /// Where the tables are.
        at: Position,
    },
    /// Waiting makes no sense: the runner is paused, blocked or gone.
    #[error("the tables are at position {at} and don't move: {state:?}")]
    Unavailable {
        /// Where the tables are.
        at: Position,
        /// Why they don't move.
        state: State,
    },
}

impl Handle {
    pub(super) fn new(
        wishes: watch::Sender<Wish>,
        status: watch::Receiver<Status>,
        turn: Arc<Mutex<()>>,
    ) -> Self {
        Self { wishes: Arc::new(wishes), status, turn, anew: Arc::default() }
    }

    /// Whether other tables have taken the place of those that the runner knows; it is told once.
    pub(super) fn has_others(&self) -> bool {
        self.anew.swap(false, Ordering::SeqCst)
    }

    /// Folds nothing until [`Handle::resume`]. A page that is being folded is finished.
    pub fn pause(&self) {
        self.wishes.send_replace(Wish::Pause);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.wishes.send_replace(Wish::Run);
    }

    /// Folds what is in the log now, then ends.
    pub fn drain(&self) {
        self.wishes.send_replace(Wish::Drain);
    }

    /// Ends after the page that is being folded.
    pub fn stop(&self) {
        self.wishes.send_replace(Wish::Stop);
    }

    /// What the runner says of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until every table shows everything up to `position`: read your own write.
    ///
    /// # Errors
    ///
    /// [`Waited::Behind`] when `at_most` is over; [`Waited::Unavailable`] at once when the runner does not work.
    pub async fn reached(&self, position: Position, at_most: Duration) -> Result<Position, Waited> {
        let mut status = self.status.clone();
        let settled = status.wait_for(|status| status.position() >= position || !self.may_move(status));
        let _ = tokio::time::timeout(at_most, settled).await;
        // Looking again is right however the wait ended: in time, too late, or because the runner is gone.
        let status = self.status();
        let at = status.position();
        if at >= position {
            Ok(at)
        } else if !self.may_move(&status) {
            Err(Waited::Unavailable { at, state: status.state })
        } else if self.status.has_changed().is_err() {
            Err(Waited::Unavailable { at, state: State::Ended })
        } else {
            Err(Waited::Behind { asked: position, at })
        }
    }

    /// A runner that was told to go on may say for a moment that it is paused.
    fn may_move(&self, status: &Status) -> bool {
        let resumed = status.state == State::Paused && *self.wishes.borrow() != Wish::Pause;
        resumed || status.state.is_working()
    }

    /// Brings the runner to rest between two pages, with every projection at one position once it has caught
    /// up.
    pub async fn hold(&self) -> Hold {
        let turn = self.turn.clone().lock_owned().await;
        Hold { status: self.status(), anew: self.anew.clone(), _turn: turn }
    }
}
