//! The log as it grows, one message per event.

use super::deadline::Deadline;
use super::no;
use super::outward::log::event;
use crate::api::{Api, Visitor};
use crate::desk::follow::{self, Follower, Heard};
use crate::desk::{log, visit};
use crate::handover::handed_over;
use crate::problem::Problem;
use axum::http::StatusCode;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::tail_response::Item;
use tonic::Status;

/// The stream of one call.
pub(super) type Tailing = Pin<Box<dyn Stream<Item = Result<pb::TailResponse, Status>> + Send>>;

/// What has to be remembered between two messages.
struct State {
    follower: Follower,
    /// Go on when the end is reached.
    endless: bool,
    deadline: Deadline,
    ended: bool,
}

pub(super) async fn open(
    api: &Arc<Api>,
    request: pb::TailRequest,
    visitor: Visitor,
    deadline: Deadline,
) -> Result<Tailing, Problem> {
    let stream = Some(request.stream.as_str()).filter(|stream| !stream.is_empty());
    let (filter, stream) = log::followed(request.categories, request.event_types, stream)?;
    let endless = request.follow;
    let follower = follow::follow(api, filter, stream, request.from_position, visitor).await?;
    let state = State { follower, endless, deadline, ended: false };
    let heard = stream::unfold(state, |mut state| async move {
        let told = state.told().await?;
        Some((told, state))
    });
    let handed_over = handed_over(heard, None, || vec![Err(no::stalled().into())]);
    Ok(Box::pin(handed_over.flat_map(stream::iter)))
}

impl State {
    /// The next messages; `None` when it is over.
    async fn told(&mut self) -> Option<Vec<Result<pb::TailResponse, Status>>> {
        if self.ended {
            return None;
        }
        let heard = tokio::select! {
            biased;
            () = self.deadline.passed() => {
                self.ended = true;
                return Some(vec![Err(gone().into())]);
            }
            heard = self.follower.next() => heard?,
        };
        Some(match heard {
            Heard::Records(records) => {
                records.iter().map(|record| Ok(message(Item::Event(event(record))))).collect()
            }
            Heard::CaughtUp { head } => {
                self.ended = !self.endless;
                vec![Ok(message(Item::CaughtUp(pb::TailCaughtUp { head: head.0 })))]
            }
            Heard::Heartbeat { head } => {
                vec![Ok(message(Item::Heartbeat(pb::TailHeartbeat { head: head.0 })))]
            }
            Heard::Closing { next } => vec![Err(closing(next.0).into())],
            Heard::ShutOut { denied, next } => {
                let told = next.0.saturating_sub(1);
                vec![Err(visit::refused(&denied).at(told).into())]
            }
            Heard::Failed { problem, next } => vec![Err(problem.at(next.0.saturating_sub(1)).into())],
        })
    }
}

fn message(item: Item) -> pb::TailResponse {
    pb::TailResponse { item: Some(item) }
}

/// The desk stops.
pub(super) fn closing(next: u64) -> Problem {
    let told = next.saturating_sub(1);
    Problem::unavailable("closing", format!("the desk stops: go on from position {next}")).at(told)
}

/// The caller's time is over.
pub(super) fn gone() -> Problem {
    let detail = "the deadline that the caller set has passed: go on after the last position that came";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail)
}
