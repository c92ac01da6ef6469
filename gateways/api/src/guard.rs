//! What protects the desk from its callers: bounds on time and number. Stopping has its own room, so that reads
//! can't keep a kill waiting.

use crate::api::Visitor;
use crate::observe;
use crate::problem::Problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Longest time for a request that is not a stream.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Most reads at the same time.
const READS_MAX: usize = 64;
/// Most wishes at the same time.
const WISHES_MAX: usize = 32;
/// Most followers of the log.
const STREAMS_MAX: usize = 64;
/// Most proofs at the same time: each holds the projections still.
const PROOFS_MAX: usize = 1;

/// Room for callers.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    reads: Arc<Semaphore>,
    wishes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    proofs: Arc<Semaphore>,
}

/// A place that a caller holds.
pub(crate) type Seat = OwnedSemaphorePermit;

impl Gate {
    pub(crate) fn new() -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self {
            reads: room(READS_MAX),
            wishes: room(WISHES_MAX),
            streams: room(STREAMS_MAX),
            proofs: room(PROOFS_MAX),
        }
    }

    pub(crate) fn stream(&self) -> Result<Seat, Problem> {
        seat(&self.streams, "as many follow the log as may")
    }

    pub(crate) fn proof(&self) -> Result<Seat, Problem> {
        seat(&self.proofs, "a proof is being sent: one at a time")
    }
}

fn seat(room: &Arc<Semaphore>, full: &str) -> Result<Seat, Problem> {
    Arc::clone(room).try_acquire_owned().map_err(|_| Problem::unavailable("busy", full))
}

/// Bounds a read.
pub(crate) async fn read(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    bounded(&gate.reads, request, next).await
}

/// Bounds a wish.
pub(crate) async fn wish(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    bounded(&gate.wishes, request, next).await
}

async fn bounded(room: &Arc<Semaphore>, request: Request, next: Next) -> Response {
    let _seat = match seat(room, "too many requests at the same time") {
        Ok(seat) => seat,
        Err(problem) => return problem.into_response(),
    };
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        let detail =
            format!("not answered within {} s; a command may have been done", REQUEST_TIMEOUT.as_secs());
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response()
    })
}

/// Refuses what no door vouches for.
pub(crate) async fn vouched(request: Request, next: Next) -> Response {
    if request.extensions().get::<Visitor>().is_some() {
        return next.run(request).await;
    }
    Problem::new(StatusCode::UNAUTHORIZED, "no-credential", "nobody vouches for this request").into_response()
}

/// Says what was asked and answered.
pub(crate) async fn observed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    observe::answered(
        &method,
        route.as_deref().unwrap_or("none"),
        response.status().as_u16(),
        began.elapsed(),
    );
    response
}
