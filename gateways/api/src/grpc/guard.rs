//! What stands before every method: who asks, whether they may, and for how long; and after it: no answer leaves
//! without a code.

use super::deadline::{self, Deadline};
use super::methods::{self, Method};
use super::{MESSAGE_BYTES_MAX, no};
use crate::api::Api;
use crate::asked::BODY_TIMEOUT;
use crate::desk::visit;
use crate::guard::REQUEST_TIMEOUT;
use crate::observe;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};

/// What stands before a message on the wire: a flag and its length.
const FRAME_HEAD_BYTES: usize = 5;
/// Where a status has its details.
const DETAILS: &str = "grpc-status-details-bin";

/// Lets a call through to its method, or refuses it.
pub(crate) async fn guarded(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let known = methods::of(request.uri().path());
    let everybody = known.is_none() && methods::for_everybody(request.uri().path());
    let asked = deadline::asked(request.headers());
    request.extensions_mut().insert(Deadline(asked.and_then(|wait| began.checked_add(wait))));
    let response = match known {
        Some(method) => through(&api, method, asked, request, next).await,
        None if everybody => next.run(request).await,
        None => no::answer(&unknown(request.uri().path())),
    };
    let name = known.map_or(if everybody { "everybody" } else { "none" }, |method| method.name);
    observe::called(name, code_of(response.headers()), began.elapsed());
    response
}

/// The answer in time, or a no. A stream's answer is its beginning; it minds the deadline itself.
async fn through(
    api: &Api,
    method: &Method,
    asked: Option<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let longest = asked.unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT);
    let answered = async {
        let request = read(admitted(api, method, request)?).await?;
        // Nobody takes a seat who has not said yet what for.
        let _seat = method.room.map(|room| api.doors.rooms.seat(room)).transpose()?;
        Ok(with_code(next.run(request).await))
    };
    let answer: Result<Response, Problem> =
        tokio::time::timeout(longest, answered).await.unwrap_or_else(|_| Err(late(method, longest)));
    answer.unwrap_or_else(|problem| no::answer(&problem))
}

fn admitted(api: &Api, method: &Method, mut request: Request) -> Result<Request, Problem> {
    let visitor = visit::visitor(api, request.extensions(), request.headers())?;
    if let Some(action) = method.action {
        visit::admit(api, &visitor, action)?;
    }
    request.extensions_mut().insert(visitor);
    Ok(request)
}

/// The request with its one message, whole.
async fn read(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MESSAGE_BYTES_MAX + FRAME_HEAD_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, body.collect()).await {
        Ok(Ok(collected)) => Ok(Request::from_parts(parts, Body::from(collected.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::bad_request(format!("the message can't be read: {error}"))),
        Err(_) => {
            let detail = format!("the message did not come within {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the message has more than {MESSAGE_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}

fn late(method: &Method, longest: Duration) -> Problem {
    let detail = format!(
        "{} was not answered within {} ms; a wish may have been done: ask again with the same idempotency_key",
        method.name,
        longest.as_millis()
    );
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail)
}

fn unknown(path: &str) -> Problem {
    let path: String = path.chars().take(200).collect();
    Problem::not_found("unknown-route", format!("there is no method {path}"))
}

/// What the layers below say of a message that never reached its method gets a code too.
fn with_code(response: Response) -> Response {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    if status.code() == Code::Ok || response.headers().contains_key(DETAILS) {
        return response;
    }
    let problem = match status.code() {
        // tonic's words for a message that is longer than the limit.
        Code::OutOfRange => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", status.message()),
        // tonic's words for bytes that are no such message, or no message at all.
        Code::Internal => Problem::bad_request(status.message()),
        // An encoding that we do not speak: the headers say which ones we do.
        Code::Unimplemented
        | Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => return response,
    };
    no::answer(&problem)
}

/// The code that an answer begins with; a stream that has begun is OK so far.
fn code_of(headers: &HeaderMap) -> Code {
    Status::from_header_map(headers).map_or(Code::Ok, |status| status.code())
}
