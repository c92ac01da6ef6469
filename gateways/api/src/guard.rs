//! What every request passes on its way in: who asks, whether they may, whether there is room, and how long it may
//! take.

use crate::api::{Api, Visitor};
use crate::asked;
use crate::desk::visit;
use crate::doors::{Allowance, Room};
use crate::observe;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Action;
use tokio::time::Instant;
use tower::ServiceExt;

/// Longest time for a request that is not a stream.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// What the media types of gRPC begin with.
const GRPC: &str = "application/grpc";
/// How many requests are let through in which time.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How many are left.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Who is let through a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Everybody: nothing is shown that is not in the repository.
    Nothing,
    /// Whoever has a credential.
    Credential,
    /// Whoever may do this.
    May(Action),
}

/// The way into one route.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) api: Arc<Api>,
    pub(crate) needs: Needs,
    /// Where it takes a seat until it is answered; streams take theirs themselves and keep it.
    pub(crate) room: Option<Room>,
}

/// Lets a request in, or says why not.
pub(crate) async fn enter(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    match entrance.admit(request) {
        Ok(Admitted { request, visitor, allowance }) => {
            let through = entrance.through(request, visitor.as_ref(), next).await;
            let mut response = through.unwrap_or_else(Problem::into_response);
            if let Some(allowance) = allowance {
                tell(&mut response, allowance);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// A request that is let in.
struct Admitted {
    request: Request,
    /// Who asks, where that matters.
    visitor: Option<Visitor>,
    allowance: Option<Allowance>,
}

impl Entrance {
    fn admit(&self, mut request: Request) -> Result<Admitted, Problem> {
        if self.needs == Needs::Nothing {
            return Ok(Admitted { request, visitor: None, allowance: None });
        }
        let visitor = visit::visitor(&self.api, request.extensions(), request.headers())?;
        let allowance = match self.needs {
            Needs::May(action) => {
                visit::admit(&self.api, &visitor, action, request.headers(), request.uri())?
            }
            Needs::Nothing | Needs::Credential => None,
        };
        request.extensions_mut().insert(visitor.clone());
        Ok(Admitted { request, visitor: Some(visitor), allowance })
    }

    async fn through(
        &self,
        request: Request,
        visitor: Option<&Visitor>,
        next: Next,
    ) -> Result<Response, Problem> {
        let (Some(room), Some(visitor)) = (self.room, visitor) else { return Ok(next.run(request).await) };
        let (rooms, who) = (&self.api.doors.rooms, visit::who(&visitor.caller));
        // Nobody takes a seat who has not said yet what for.
        let request = if request.method().is_safe() {
            request
        } else {
            let _on_its_way = rooms.seat(Room::Bodies, &who)?;
            asked::received(request).await?
        };
        let _seat = rooms.seat(room, &who)?;
        tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(|_| {
            let detail =
                format!("not answered within {} s; a command may have been done", REQUEST_TIMEOUT.as_secs());
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail)
        })
    }
}

/// The pace in force and what is left of it, in the form of draft-ietf-httpapi-ratelimit-headers-10.
fn tell(response: &mut Response, allowance: Allowance) {
    let Allowance { policy, pace, left } = allowance;
    let window = pace.burst.get().div_ceil(pace.per_second.get());
    let said = [
        (RATE_LIMIT_POLICY, format!("\"{policy}\";q={};w={window}", pace.burst)),
        (RATE_LIMIT, format!("\"{policy}\";r={left};t=1")),
    ];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Sends calls of gRPC and gRPC-Web to their methods; everything else goes on.
pub(crate) async fn dispatched(State(grpc): State<Router>, request: Request, next: Next) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with(GRPC)) {
        // A router never fails: it answers.
        return grpc.oneshot(request).await.into_response();
    }
    next.run(request).await
}

/// Says what was asked and answered.
pub(crate) async fn observed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // What a desk says is true now and for whoever asked.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    observe::answered(
        &method,
        route.as_deref().unwrap_or("none"),
        response.status().as_u16(),
        began.elapsed(),
    );
    response
}
