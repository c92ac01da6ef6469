//! The log as it grows: one line of JSON per event, for as long as somebody listens.

use crate::api::{Api, Visitor};
use crate::dto::FollowLine;
use crate::guard::{Gate, Seat};
use crate::observe;
use crate::params::Params;
use crate::problem::Problem;
use crate::routes::log::filter;
use crate::translate;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use stele_domain::port::event_log::{Follow, LogError, Page, Position};
use tokio::time::Instant;

/// One JSON value per line.
pub(crate) const MEDIA_TYPE: &str = "application/x-ndjson";
/// How long nothing is said at most.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Events that are read in one go.
const PAGE: usize = 256;

/// A stream in progress.
struct Following {
    follow: Box<dyn Follow>,
    stop: Stop,
    /// Where to go on.
    next: Position,
    head: Position,
    caught_up: bool,
    ended: bool,
    silent_until: Instant,
    _seat: Seat,
}

enum Heard {
    Page(Result<Page, LogError>),
    Nothing,
    Stop,
}

pub(crate) async fn follow(
    State(api): State<Arc<Api>>,
    Extension(gate): Extension<Gate>,
    Extension(visitor): Extension<Visitor>,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = filter(&mut params)?;
    let from = params.parse("from", "a position")?;
    params.finish()?;
    let seat = gate.stream()?;
    let head = api.log.head().await?;
    let next = from.map_or(head.next(), |from: u64| Position(from.max(1)));
    let follow = api.log.follow(next, filter);
    let following = Following {
        follow,
        stop: visitor.stop,
        next,
        head,
        caught_up: false,
        ended: false,
        silent_until: Instant::now() + HEARTBEAT,
        _seat: seat,
    };
    let lines = stream::unfold(following, |mut following| async move {
        if following.ended {
            return None;
        }
        let lines = following.lines().await;
        Some((Ok::<Bytes, Infallible>(lines), following))
    });
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(lines)).into_response())
}

impl Following {
    /// What is to be said next: one line at least.
    async fn lines(&mut self) -> Bytes {
        let mut text = Vec::new();
        if !self.caught_up && self.next > self.head {
            // Nothing to read yet, so no page will come to say so.
            self.caught_up = true;
            line(&mut text, &FollowLine::CaughtUp { head: self.head.0 });
        }
        while text.is_empty() {
            let heard = tokio::select! {
                biased;
                () = self.stop.requested() => Heard::Stop,
                // Before the page: pages that match nothing must not keep a heartbeat from being sent.
                () = tokio::time::sleep_until(self.silent_until) => Heard::Nothing,
                page = self.follow.next(PAGE) => Heard::Page(page),
            };
            match heard {
                Heard::Page(Ok(page)) => self.take(&page, &mut text),
                Heard::Page(Err(error)) => {
                    self.end(&mut text, &FollowLine::Failed { detail: error.to_string(), next: self.next.0 });
                }
                Heard::Nothing => line(&mut text, &FollowLine::Heartbeat { head: self.head.0 }),
                Heard::Stop => self.end(&mut text, &FollowLine::Closing { next: self.next.0 }),
            }
        }
        self.silent_until = Instant::now() + HEARTBEAT;
        Bytes::from(text)
    }

    fn take(&mut self, page: &Page, text: &mut Vec<u8>) {
        for record in &page.records {
            line(text, &FollowLine::Event(translate::log::event(record)));
        }
        (self.next, self.head) = (page.next, page.head);
        if page.caught_up() && !self.caught_up {
            line(text, &FollowLine::CaughtUp { head: page.head.0 });
        }
        self.caught_up = page.caught_up();
    }

    fn end(&mut self, text: &mut Vec<u8>, last: &FollowLine) {
        line(text, last);
        self.ended = true;
    }
}

/// Adds one line. A line that can't be written is left out and said to the operators.
fn line(text: &mut Vec<u8>, line: &FollowLine) {
    match serde_json::to_writer(&mut *text, line) {
        Ok(()) => text.push(b'\n'),
        Err(error) => observe::unwritable(&error),
    }
}
