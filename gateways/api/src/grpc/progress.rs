//! How far something is: told at once, whenever that has changed, and now and then while it has not, until it is over.

use super::deadline::Deadline;
use crate::api::{Api, Visitor};
use crate::desk::visit;
use crate::doors::{Room, Seat};
use crate::handover::{STALL_MAX, handed_over};
use crate::problem::Problem;
use axum::http::StatusCode;
use futures_util::Stream;
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use tokio::time::Instant;
use tonic::Status;

/// How long is waited between two looks. Some look at the database.
const PAUSE: Duration = Duration::from_millis(500);
/// How long nothing is said at most.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The stream of one call.
pub(super) type Progress<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is seen by one look.
pub(super) struct Seen<T> {
    /// What is told.
    pub(super) told: T,
    /// Whether nothing more will come of it.
    pub(super) over: bool,
}

/// What has to be remembered between two messages.
struct State<T, L> {
    api: Arc<Api>,
    visitor: Visitor,
    deadline: Deadline,
    look: L,
    last: Option<T>,
    silent_until: Instant,
    ended: bool,
    _seat: Seat,
}

/// Begins to tell what `look` sees.
///
/// # Errors
///
/// 503 `busy` or 429 `too-many-at-once` when as many follow as may.
pub(super) fn open<T, L>(
    api: &Arc<Api>,
    visitor: Visitor,
    deadline: Deadline,
    look: L,
) -> Result<Progress<T>, Problem>
where
    T: Clone + PartialEq + Send + 'static,
    L: FnMut() -> PortFuture<'static, Result<Seen<T>, Problem>> + Send + 'static,
{
    let seat = api.doors.rooms.seat(Room::Followers, &visit::who(&visitor.caller))?;
    let (api, silent_until) = (Arc::clone(api), Instant::now());
    let state = State { api, visitor, deadline, look, last: None, silent_until, ended: false, _seat: seat };
    let told = stream::unfold(state, |mut state| async move {
        let told = state.told().await?;
        Some((told, state))
    });
    Ok(Box::pin(handed_over(told, None, || Err(stalled().into()))))
}

impl<T, L> State<T, L>
where
    T: Clone + PartialEq,
    L: FnMut() -> PortFuture<'static, Result<Seen<T>, Problem>>,
{
    /// The next message; `None` when it is over.
    async fn told(&mut self) -> Option<Result<T, Status>> {
        if self.ended {
            return None;
        }
        loop {
            let seen = match self.seen().await {
                Ok(seen) => seen,
                Err(problem) => {
                    self.ended = true;
                    return Some(Err(problem.into()));
                }
            };
            let now = Instant::now();
            if seen.over || now >= self.silent_until || self.last.as_ref() != Some(&seen.told) {
                (self.ended, self.silent_until) = (seen.over, now + HEARTBEAT);
                self.last = Some(seen.told.clone());
                return Some(Ok(seen.told));
            }
        }
    }

    /// What there is to see, after a pause when something was told already.
    async fn seen(&mut self) -> Result<Seen<T>, Problem> {
        self.api.gatekeeper.stands(&self.visitor.caller).map_err(|denied| visit::refused(&denied))?;
        let (first, look) = (self.last.is_none(), &mut self.look);
        let looked = async move {
            if !first {
                tokio::time::sleep(PAUSE).await;
            }
            look().await
        };
        tokio::select! {
            biased;
            () = self.visitor.stop.requested() => Err(closing()),
            () = self.deadline.passed() => Err(late()),
            seen = looked => seen,
        }
    }
}

fn closing() -> Problem {
    Problem::unavailable("closing", "the desk stops: ask again when it is back")
}

/// The caller's time is over.
pub(super) fn late() -> Problem {
    let detail = "the deadline that the caller set has passed: ask again";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail)
}

/// The end of a stream that nobody reads.
pub(super) fn stalled() -> Problem {
    let detail = format!("nothing of the stream was taken for {} s: ask again", STALL_MAX.as_secs());
    Problem::unavailable("stalled", detail)
}
