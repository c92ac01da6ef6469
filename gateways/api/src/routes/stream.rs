//! Live events as Server-Sent Events: the id of each is its place in the log, so that a browser that lost its
//! connection goes on where it was.

use super::Answer;
use crate::api::{Api, Visitor};
use crate::desk::live::{self, From, Heard, Listener, TOPICS, Told, Topics};
use crate::dto::{LiveEvent, LiveFailure, LivePlace};
use crate::handover::{handed_over, in_pieces, stalled};
use crate::observe;
use crate::params::Params;
use crate::problem::Problem;
use crate::translate;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use std::fmt::Write;
use std::sync::Arc;
use stele_domain::port::event_log::Position;

/// Server-Sent Events.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";
/// The last event that was heard before.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long a browser waits before it comes again, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// Tells a proxy to pass events on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) async fn stream(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    mut params: Params,
) -> Answer {
    let topics = topics(params.take("topics")?.as_deref())?;
    let from = params.parse("from", "a position")?;
    params.finish()?;
    let from = match (last_heard(&headers)?, from) {
        // A browser comes again with the address it came with first.
        (Some(last), _) => From::After(last),
        (None, Some(from)) => From::Position(from),
        (None, None) => From::Now,
    };
    let listener = live::listen(&api, topics, from, visitor).await?;
    let opening = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
    let events = stream::unfold((Some(opening), listener), |(opening, mut listener)| async move {
        let text = match opening {
            Some(opening) => opening,
            None => said(&mut listener).await?,
        };
        Some((text, (None, listener)))
    });
    let pieces = events.flat_map(|text| stream::iter(in_pieces(text).map(Ok)));
    let mut response = Response::new(Body::from_stream(handed_over(pieces, None, || Err(stalled()))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response.into_response())
}

fn topics(given: Option<&str>) -> Result<Topics, Problem> {
    let Some(given) = given else { return Ok(Topics::ALL) };
    Topics::named(given.split(',').map(str::trim)).map_err(|unknown| {
        let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
        let short: String = unknown.chars().take(80).collect();
        Problem::field("topics", format!("{short:?} is no topic: {}", names.join(", ")))
    })
}

fn last_heard(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    position.map(Some).ok_or_else(|| Problem::field("Last-Event-ID", "must be a log position"))
}

/// What the listener hears next, in the words of the wire; `None` when it is over.
async fn said(listener: &mut Listener) -> Option<Bytes> {
    let heard = listener.next().await?;
    // Everything before it has been told, so it is where to go on.
    let told = Position(listener.position().0.saturating_sub(1));
    Some(match heard {
        Heard::Events(events) => {
            let frames = events.iter().map(|told| told.frame(frame)).collect::<Vec<_>>();
            Bytes::from(frames.concat())
        }
        Heard::CaughtUp { head } => event(told, "caught_up", &LivePlace { head: head.0 }),
        Heard::FellBehind { position } => event(told, "fell_behind", &LivePlace { head: position.0 }),
        Heard::Heartbeat { head } => event(told, "heartbeat", &LivePlace { head: head.0 }),
        Heard::Closing => event(told, "closing", &LivePlace { head: told.0 }),
        Heard::ShutOut(denied) => {
            event(told, "failed", &LiveFailure { code: denied.code.to_owned(), detail: denied.message })
        }
        Heard::Failed { problem } => {
            let (code, detail) = (problem.said().code.clone(), problem.detail().to_owned());
            event(told, "failed", &LiveFailure { code, detail })
        }
    })
}

fn frame(told: &Told) -> Bytes {
    let record = &told.record;
    let live = LiveEvent {
        position: record.position.0,
        event_id: record.event_id.0,
        event_type: record.event_type.to_string(),
        stream: record.stream.to_string(),
        recorded_at: record.recorded_at,
        data: translate::log::payload(&record.data).0,
    };
    event(record.position, told.topic.name, &live)
}

/// One event. JSON on one line: a line break would end the field.
fn event<T: Serialize>(id: Position, name: &str, data: &T) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_else(|error| {
        observe::unwritable(&error);
        "null".to_owned()
    });
    let mut text = String::with_capacity(data.len().saturating_add(64));
    // Writing to a string can't fail.
    let _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
    Bytes::from(text)
}
