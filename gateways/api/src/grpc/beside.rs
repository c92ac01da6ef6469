//! Services that other crates answer on the same port: who asks is found out here, and how fast, how much and how long;
//! what they may is the service's own affair, which it is asked before anything of the message is read.
//!
//! Processes of the desk have no pace: they write as fast as the market moves. Persons have the pace of every other door.

use super::deadline;
use super::guard::{FRAME_HEAD_BYTES, code_of, in_time, too_large, too_slow};
use super::no;
use crate::api::Api;
use crate::asked::BODY_TIMEOUT;
use crate::desk::visit;
use crate::doors::{Room, Seat, Who};
use crate::guard::REQUEST_TIMEOUT;
use crate::handover::{handed_over, in_pieces};
use crate::observe;
use crate::problem::Problem;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::Frame;
use std::sync::Arc;
use stele_domain::access::{Action, Caller, Role};
use tokio::time::Instant;
use tonic::Status;
use tower::ServiceExt;

/// Whether a caller may call the method of this name.
type Admits = dyn Fn(&Caller, &'static str) -> Result<(), Status> + Send + Sync;

/// A service of another crate.
#[derive(Clone)]
pub struct Beside {
    /// What its methods' paths begin with: `/package.Service/`.
    pub prefix: &'static str,
    /// Its methods. What is not among them is not passed on.
    pub methods: Arc<[BesideMethod]>,
    /// Whether a caller may call a method of that name at all, asked before the message is read. It must not block, and
    /// keeps its noes itself.
    pub admits: Arc<Admits>,
    /// It finds the [`Caller`] in the extensions of every request.
    pub service: Router,
}

/// A method of a service of another crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BesideMethod {
    /// Its name, as it stands at the end of the path.
    pub name: &'static str,
    /// Under which name it is counted: `Service/Method`.
    pub counted_as: &'static str,
    /// Which of a person's buckets it is taken from.
    pub action: Action,
    /// Most bytes of what is asked.
    pub asked_bytes_max: usize,
    /// How its answer comes.
    pub answer: BesideAnswer,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BesideAnswer {
    /// At once, and small.
    Word,
    /// At once, and of up to 24 MiB.
    Page,
    /// As long as somebody listens.
    Live,
}

/// What is needed to pass a request on.
#[derive(Clone)]
pub(crate) struct Annex {
    pub(crate) api: Arc<Api>,
    pub(crate) beside: Option<Beside>,
}

/// Sends the calls of the service beside to it, in the caller's name; everything else goes on.
pub(crate) async fn passed_on(State(annex): State<Annex>, request: Request, next: Next) -> Response {
    let Some(beside) = annex.beside.filter(|beside| request.uri().path().starts_with(beside.prefix)) else {
        return next.run(request).await;
    };
    let began = Instant::now();
    let name = request.uri().path().strip_prefix(beside.prefix).unwrap_or_default();
    let method = beside.methods.iter().find(|method| method.name == name).copied();
    let (counted_as, answer) = match method {
        Some(method) => (method.counted_as, called(&annex.api, &beside, method, request).await),
        None => ("none", Err(no::answer(&Problem::not_found("unknown-route", "there is no such method")))),
    };
    let response = answer.unwrap_or_else(|no| no);
    observe::called(counted_as, code_of(response.headers()), began.elapsed());
    response
}

/// The answer, or the answer that says no.
async fn called(
    api: &Api,
    beside: &Beside,
    method: BesideMethod,
    mut request: Request,
) -> Result<Response, Response> {
    let no = |problem: Problem| no::answer(&problem);
    let caller = visit::visitor(api, request.extensions(), request.headers()).map_err(no)?.caller;
    paced(api, &caller, method.action).map_err(no)?;
    (beside.admits)(&caller, method.name).map_err(Status::into_http)?;
    let who = visit::who(&caller);
    let room = match (caller.role == Role::Service, method.answer) {
        (true, BesideAnswer::Live) => Room::LogFollowers,
        (true, BesideAnswer::Word | BesideAnswer::Page) => Room::LogCalls,
        (false, BesideAnswer::Live) => Room::Followers,
        (false, BesideAnswer::Word | BesideAnswer::Page) => Room::LogReads,
    };
    let longest = deadline::asked(request.headers()).unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT);
    request.extensions_mut().insert(caller);
    let answered = async {
        let (request, message) = received(api, &who, method.asked_bytes_max, request).await?;
        let seat = api.doors.rooms.seat(room, &who)?;
        // A router never fails: it answers.
        let response = beside.service.clone().oneshot(request).await.into_response();
        drop(message);
        Ok((response, seat))
    };
    let (response, seat) = in_time(longest, method.counted_as, answered).await.map_err(no)?;
    Ok(match method.answer {
        BesideAnswer::Word => response,
        BesideAnswer::Page | BesideAnswer::Live => told(response, seat),
    })
}

/// Persons have a pace, and so has whoever asks for what they may not: each such no is kept.
fn paced(api: &Api, caller: &Caller, action: Action) -> Result<(), Problem> {
    let may = caller.may(action);
    if caller.role == Role::Service && may || visit::on_the_machine(caller) {
        return Ok(());
    }
    let taken = api.doors.rates.take(caller.actor.as_str(), action, may);
    taken.map(drop).map_err(|too_fast| {
        api.gatekeeper.limited(caller, action, visit::RATE_LIMITED);
        too_fast.problem()
    })
}

/// The request with its message whole, and the places that the message takes until it is answered.
async fn received(
    api: &Api,
    who: &Who,
    bytes_max: usize,
    request: Request,
) -> Result<(Request, Vec<Seat>), Problem> {
    let (parts, mut body) = request.into_parts();
    let collected = async {
        // Nobody holds memory, or a conversation, without a place.
        let mut seats = vec![api.doors.rooms.seat(Room::LogMessages, who)?];
        let mut message = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Problem::bad_request(format!("the message can't be read: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if message.len() + data.len() > bytes_max + FRAME_HEAD_BYTES {
                return Err(too_large(bytes_max));
            }
            message.extend_from_slice(&data);
            while seats.len() * LOG_MESSAGE_PLACE_BYTES < message.len() {
                seats.push(api.doors.rooms.seat(Room::LogMessages, who)?);
            }
        }
        Ok((message.freeze(), seats))
    };
    let (message, seats) =
        tokio::time::timeout(BODY_TIMEOUT, collected).await.unwrap_or_else(|_| Err(too_slow()))?;
    Ok((Request::from_parts(parts, Body::from(message)), seats))
}

/// How many bytes of a message one place stands for.
const LOG_MESSAGE_PLACE_BYTES: usize = 64 * 1_024;

/// The answer, whose seat is held until it was taken, and is given back when nobody takes it.
fn told(response: Response, seat: Seat) -> Response {
    response.map(|body| {
        let pieces = BodyStream::new(body).flat_map(move |frame| {
            let _ = &seat;
            stream::iter(in_small_frames(frame))
        });
        Body::new(StreamBody::new(handed_over(pieces, None, || Ok(Frame::trailers(stalled())))))
    })
}

type Framed = Result<Frame<Bytes>, axum::Error>;

fn in_small_frames(frame: Framed) -> Box<dyn Iterator<Item = Framed> + Send> {
    match frame.map(Frame::into_data) {
        Ok(Ok(data)) => Box::new(in_pieces(data).map(|piece| Ok(Frame::data(piece)))),
        Ok(Err(trailers)) => Box::new(std::iter::once(Ok(trailers))),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// Nobody takes the answer.
fn stalled() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // A status that can't be written leaves the answer without an end, which says the same.
    let _ = no::status(&no::stalled()).add_header(&mut trailers);
    trailers
}
