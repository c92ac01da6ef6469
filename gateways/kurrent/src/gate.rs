//! What stands between who asks and a service: whether they may call it at all, asked before the message is read, and how
//! long it may take until an answer begins.

use crate::access::Access;
use crate::intake::{Intake, MESSAGE_BYTES_MAX, QUESTION_BYTES_MAX};
use crate::no::No;
use crate::seats::Seats;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use stele_domain::access::{Action, Caller};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;

/// Longest time until an answer begins, where the whole question comes first.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The same for what everybody may ask: the questions are empty.
const OPEN_ANSWER_MAX: Duration = Duration::from_secs(5);

/// A service behind the gate.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    service: S,
    /// None for what is for everybody.
    guarded: Option<Guarded>,
}

#[derive(Clone, Debug)]
struct Guarded {
    access: Access,
    seats: Seats,
}

impl<S> Gate<S> {
    /// For those who may, as the service before it has found out who asks.
    pub fn before(service: S, access: Access, seats: Seats) -> Self {
        Self { service, guarded: Some(Guarded { access, seats }) }
    }

    /// For everybody.
    pub fn open(service: S) -> Self {
        Self { service, guarded: None }
    }

    /// How long the answer may take to begin; for ever where the question comes in parts, which have a time of their own.
    fn longest(&self, method: &str) -> Option<Duration> {
        match (&self.guarded, method) {
            (None, _) => Some(OPEN_ANSWER_MAX),
            (Some(_), "Append" | "BatchAppend" | "AppendSession") => None,
            (Some(_), _) => Some(ANSWER_MAX),
        }
    }

    /// The request, where whoever asks may ask it; what it brings comes in only where there is room.
    fn admitted(&self, request: Request<Body>, method: &str) -> Result<Request<Body>, No> {
        let Some((guarded, caller)) = self.guarded.as_ref().zip(request.extensions().get::<Caller>()) else {
            return Ok(request);
        };
        // Everything else is an append, or no method at all.
        let action = if method == "Read" { Action::ReadLog } else { Action::AppendLog };
        guarded.access.admit(caller, action)?;
        let longest = match method {
            "Read" | "Delete" | "Tombstone" => QUESTION_BYTES_MAX,
            _ => MESSAGE_BYTES_MAX,
        };
        let room = guarded.seats.room(caller);
        Ok(request.map(|body| Body::new(Intake::of(body, room, longest))))
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let method = path.rsplit('/').next().unwrap_or_default();
        let longest = self.longest(method);
        let request = match self.admitted(request, method) {
            Ok(request) => request,
            Err(no) => return Box::pin(std::future::ready(Ok(no.status().into_http()))),
        };
        let answered = self.service.call(request);
        Box::pin(async move {
            let Some(longest) = longest else { return answered.await };
            tokio::time::timeout(longest, answered).await.unwrap_or_else(|_| {
                let words =
                    format!("the question did not come, or had no answer, within {} s", longest.as_secs());
                Ok(No::Late(words).status().into_http())
            })
        })
    }
}
