//! The log as it grows: one line of JSON per event, for as long as somebody listens.

use crate::api::{Api, Visitor};
use crate::desk::follow::{self, Follower, Heard};
use crate::desk::log;
use crate::dto::FollowLine;
use crate::handover::{handed_over, in_pieces, stalled};
use crate::observe;
use crate::params::Params;
use crate::problem::Problem;
use crate::translate;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::sync::Arc;

/// One JSON value per line.
pub(crate) const MEDIA_TYPE: &str = "application/x-ndjson";

pub(crate) async fn follow(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    mut params: Params,
) -> Result<Response, Problem> {
    let stream = params.take("stream")?;
    let (categories, types) = (params.take_all("category"), params.take_all("type"));
    let (filter, stream) = log::followed(categories, types, stream.as_deref())?;
    let from = params.parse("from", "a position")?;
    params.finish()?;
    let follower = follow::follow(&api, filter, stream, from, visitor).await?;
    let lines = stream::unfold(follower, |mut follower: Follower| async move {
        let heard = follower.next().await?;
        Some((lines(&heard), follower))
    });
    let pieces = lines.flat_map(|lines| stream::iter(in_pieces(lines).map(Ok)));
    let body = Body::from_stream(handed_over(pieces, None, || Err(stalled())));
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

fn lines(heard: &Heard) -> Bytes {
    let mut text = Vec::new();
    match heard {
        Heard::Records(records) => {
            for record in records {
                line(&mut text, &FollowLine::Event(translate::log::event(record)));
            }
        }
        Heard::CaughtUp { head } => line(&mut text, &FollowLine::CaughtUp { head: head.0 }),
        Heard::Heartbeat { head } => line(&mut text, &FollowLine::Heartbeat { head: head.0 }),
        Heard::Closing { next } => line(&mut text, &FollowLine::Closing { next: next.0 }),
        Heard::ShutOut { denied, next } => {
            let (code, detail) = (denied.code.to_owned(), denied.message.clone());
            line(&mut text, &FollowLine::Failed { code, detail, next: next.0 });
        }
        Heard::Failed { problem, next } => {
            let (code, detail) = (problem.said().code.clone(), problem.detail().to_owned());
            line(&mut text, &FollowLine::Failed { code, detail, next: next.0 });
        }
    }
    Bytes::from(text)
}

/// Adds one line. A line that can't be written is left out and said to the operators.
fn line(text: &mut Vec<u8>, line: &FollowLine) {
    match serde_json::to_writer(&mut *text, line) {
        Ok(()) => text.push(b'\n'),
        Err(error) => observe::unwritable(&error),
    }
}
