//! What stands before every method: who asks, whether they may, and for how long; and after it: no answer leaves
//! without a code. What is for everybody is bounded too, and by address: nobody needs a key to ask for it.

use super::deadline::{self, Deadline};
use super::methods::{self, Method, Open};
use super::{MESSAGE_BYTES_MAX, no};
use crate::api::{Api, Visitor};
use crate::asked::BODY_TIMEOUT;
use crate::desk::visit;
use crate::doors::Room;
use crate::guard::REQUEST_TIMEOUT;
use crate::handover::handed_over;
use crate::observe;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use http_body_util::{BodyExt, BodyStream, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};

/// Most bytes of a question after the health: the name of a service.
pub(super) const HEALTH_BYTES_MAX: usize = 1_024;
/// Most bytes of one question after the definitions: the name of something.
pub(super) const REFLECTION_BYTES_MAX: usize = 16 * 1_024;
/// Most bytes of all questions of one conversation about the definitions.
const REFLECTIONS_BYTES_MAX: usize = 256 * 1_024;
/// Longest conversation about the definitions.
const REFLECTION_MAX: Duration = Duration::from_mins(1);
/// What stands before a message on the wire: a flag and its length.
pub(super) const FRAME_HEAD_BYTES: usize = 5;
/// Where a status has its details.
const DETAILS: &str = "grpc-status-details-bin";

/// Lets a call through to its method, or refuses it.
pub(crate) async fn guarded(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let known = methods::of(request.uri().path());
    let everybody = methods::for_everybody(request.uri().path());
    let asked = deadline::asked(request.headers());
    request.extensions_mut().insert(Deadline(asked.and_then(|wait| began.checked_add(wait))));
    let longest = asked.unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT);
    let (name, answer) = match (known, everybody) {
        (Some(method), _) => {
            (method.name, in_time(longest, method.name, through(&api, method, request, next)).await)
        }
        (None, Some(Open::Health { room })) => {
            ("everybody", in_time(longest, "Health", health(&api, room, request, next)).await)
        }
        (None, Some(Open::Reflection)) => {
            let until = began + asked.unwrap_or(REFLECTION_MAX).min(REFLECTION_MAX);
            ("everybody", reflection(&api, until, request, next).await)
        }
        (None, None) => ("none", Err(unknown(request.uri().path()))),
    };
    let response = answer.unwrap_or_else(|problem| no::answer(&problem));
    observe::called(name, code_of(response.headers()), began.elapsed());
    response
}

/// The answer in time, or a no. A stream's answer is its beginning; it minds the deadline itself.
pub(super) async fn in_time<T>(
    longest: Duration,
    name: &str,
    answered: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(longest, answered).await.unwrap_or_else(|_| Err(late(name, longest)))
}

async fn through(api: &Api, method: &Method, request: Request, next: Next) -> Result<Response, Problem> {
    let (request, visitor) = admitted(api, method, request)?;
    let who = visit::who(&visitor.caller);
    // Nobody takes a seat who has not said yet what for.
    let request = {
        let _on_its_way = api.doors.rooms.seat(Room::Bodies, &who)?;
        read(request, MESSAGE_BYTES_MAX).await?
    };
    let _seat = method.room.map(|room| api.doors.rooms.seat(room, &who)).transpose()?;
    Ok(with_code(next.run(request).await))
}

fn admitted(api: &Api, method: &Method, mut request: Request) -> Result<(Request, Visitor), Problem> {
    let visitor = visit::visitor(api, request.extensions(), request.headers())?;
    if let Some(action) = method.action {
        visit::admit(api, &visitor, action, request.headers(), request.uri())?;
    }
    request.extensions_mut().insert(visitor.clone());
    Ok((request, visitor))
}

/// A question after the health.
async fn health(api: &Api, room: Option<Room>, request: Request, next: Next) -> Result<Response, Problem> {
    let request = read(request, HEALTH_BYTES_MAX).await?;
    let who = visit::passer_by(request.extensions());
    let _seat = room.map(|room| api.doors.rooms.seat(room, &who)).transpose()?;
    Ok(with_code(next.run(request).await))
}

/// A conversation about the definitions, which holds its seat until it is over on both sides.
async fn reflection(api: &Api, until: Instant, request: Request, next: Next) -> Result<Response, Problem> {
    let who = visit::paced_passer_by(api, request.extensions())?;
    let seat = api.doors.rooms.seat(Room::Reflections, &who)?;
    let asked = request.map(|body| {
        let questions = BodyStream::new(Limited::new(body, REFLECTIONS_BYTES_MAX));
        let in_time = questions.take_until(tokio::time::sleep_until(until));
        Body::new(StreamBody::new(in_time.map(move |question| {
            let _ = &seat;
            question
        })))
    });
    let answer = next.run(asked).await;
    Ok(answer.map(|body| {
        let late = || Ok(Frame::trailers(over()));
        Body::new(StreamBody::new(handed_over(BodyStream::new(body), Some(until), late)))
    }))
}

/// The request with its one message, whole.
async fn read(request: Request, bytes_max: usize) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, bytes_max + FRAME_HEAD_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, body.collect()).await {
        Ok(Ok(collected)) => Ok(Request::from_parts(parts, Body::from(collected.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(error)) => Err(Problem::bad_request(format!("the message can't be read: {error}"))),
        Err(_) => Err(too_slow()),
    }
}

pub(super) fn too_slow() -> Problem {
    let detail = format!("the message did not come within {} s", BODY_TIMEOUT.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail)
}

pub(super) fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the message has more than {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}

/// A conversation has lasted long enough, or nobody reads its answers.
fn over() -> HeaderMap {
    let detail = format!("a conversation lasts at most {} s: begin another one", REFLECTION_MAX.as_secs());
    let late = no::status(&Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail));
    let mut trailers = HeaderMap::new();
    // A status that can't be written leaves the answer without an end, which says the same.
    let _ = late.add_header(&mut trailers);
    trailers
}

fn late(name: &str, longest: Duration) -> Problem {
    let detail = format!(
        "{name} was not answered within {} ms; a wish may have been done: ask again with the same idempotency_key",
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
pub(super) fn code_of(headers: &HeaderMap) -> Code {
    Status::from_header_map(headers).map_or(Code::Ok, |status| status.code())
}
