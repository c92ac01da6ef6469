//! Decisions as they are made. Each is decoded and encoded once, however many watch.

use super::deadline::Deadline;
use super::no;
use super::outward::decision::decision;
use super::tail::{closing, gone};
use crate::api::{Api, Visitor};
use crate::desk::live::{self, From, Heard, Listener, Told, Topics};
use crate::desk::visit;
use crate::handover::handed_over;
use crate::observe;
use crate::problem::Problem;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::watch_decisions_response::Event;
use tonic::Status;

/// What is listened to.
const TOPIC: &str = "decisions";

/// The stream of one call.
pub(super) type Watching = Pin<Box<dyn Stream<Item = Result<pb::WatchDecisionsResponse, Status>> + Send>>;

/// What has to be remembered between two messages.
struct State {
    listener: Listener,
    deadline: Deadline,
    ended: bool,
}

pub(super) async fn open(
    api: &Arc<Api>,
    from: Option<u64>,
    visitor: Visitor,
    deadline: Deadline,
) -> Result<Watching, Problem> {
    let topics = Topics::named([TOPIC]);
    let topics = topics.map_err(|name| Problem::internal(format!("there is no topic {name}")))?;
    let listener = live::listen(api, topics, from.map_or(From::Now, From::Position), visitor).await?;
    let state = State { listener, deadline, ended: false };
    let heard = stream::unfold(state, |mut state| async move {
        let told = state.told().await?;
        Some((told, state))
    });
    let handed_over = handed_over(heard, None, || vec![Err(no::stalled().into())]);
    Ok(Box::pin(handed_over.flat_map(stream::iter)))
}

impl State {
    /// The next messages; `None` when it is over.
    async fn told(&mut self) -> Option<Vec<Result<pb::WatchDecisionsResponse, Status>>> {
        if self.ended {
            return None;
        }
        let heard = tokio::select! {
            biased;
            () = self.deadline.passed() => {
                self.ended = true;
                return Some(vec![Err(gone().into())]);
            }
            heard = self.listener.next() => heard?,
        };
        // Everything before it has been told, so it is where to go on.
        let position = self.listener.position().0.saturating_sub(1);
        Some(match heard {
            Heard::Events(events) => {
                events.iter().map(|told| Ok(message(Event::Decision(told.message(encoded))))).collect()
            }
            Heard::CaughtUp { .. } => vec![Ok(message(Event::CaughtUp(pb::CaughtUp { position })))],
            Heard::FellBehind { .. } => vec![Ok(message(Event::FellBehind(pb::FellBehind { position })))],
            Heard::Heartbeat { .. } => vec![Ok(message(Event::Heartbeat(pb::Heartbeat { position })))],
            Heard::Closing => vec![Err(closing(position.saturating_add(1)).into())],
            Heard::ShutOut(denied) => vec![Err(visit::refused(&denied).at(position).into())],
            Heard::Failed { problem } => vec![Err(problem.at(position).into())],
        })
    }
}

fn message(event: Event) -> pb::WatchDecisionsResponse {
    pb::WatchDecisionsResponse { event: Some(event) }
}

/// A decision on the wire. One that this build can't read is told by its place: a watcher must not miss that there was
/// one.
fn encoded(told: &Told) -> Bytes {
    let record = &told.record;
    let decision = decision(record).unwrap_or_else(|error| {
        observe::untold(record.position.0, &error);
        None
    });
    let decision = decision.unwrap_or_else(|| pb::Decision {
        position: record.position.0,
        event_id: record.event_id.to_string(),
        recorded_at: Some(super::words::moment(record.recorded_at)),
        ..pb::Decision::default()
    });
    Bytes::from(decision.encode_to_vec())
}
