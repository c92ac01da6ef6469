//! One connection, from the first byte to the last answer. HTTP/1.1 and HTTP/2, whichever the caller begins with.

use super::Peer;
use super::manners::Manners;
use super::patient::Patient;
use crate::api::Visitor;
use crate::observe;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stele_commands::stop::Stop;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tower::ServiceExt;

/// How long a connection on which nothing is said may take to end.
const IDLE_FAREWELL: Duration = Duration::from_secs(1);

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) enum Guest {
    /// The system vouches for them.
    Known(Visitor),
    /// They have yet to say who they are.
    Peer(Peer),
}

impl Guest {
    fn stop(&self) -> Stop {
        match self {
            Self::Known(visitor) => visitor.stop.clone(),
            Self::Peer(peer) => peer.stop.clone(),
        }
    }

    fn sign(&self, request: &mut Request<Incoming>) {
        match self {
            Self::Known(visitor) => request.extensions_mut().insert(visitor.clone()).map(drop),
            Self::Peer(peer) => request.extensions_mut().insert(peer.clone()).map(drop),
        };
    }
}

/// Answers one connection, every request of it in the guest's name; the seat is held until it ends.
pub(super) async fn converse<Io>(stream: Io, guest: Guest, router: Router, manners: Manners, _seat: impl Send)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = guest.stop();
    let activity = Arc::new(Activity::new());
    let service = service_fn({
        let activity = Arc::clone(&activity);
        move |mut request: Request<Incoming>| {
            let underway = Activity::begin(&activity);
            guest.sign(&mut request);
            let router = router.clone();
            async move { router.oneshot(request).await.map(|response| counted(response, underway)) }
        }
    });
    let builder = builder(manners);
    let io = TokioIo::new(Patient::new(stream, manners.stall));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut closing: Option<Instant> = None;
    loop {
        let look = closing.unwrap_or_else(|| activity.idle_until(manners));
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    observe::connection_failed(&*error);
                }
                return;
            }
            () = stop.requested(), if closing.is_none() => {}
            () = tokio::time::sleep_until(look) => {
                if closing.is_some() {
                    // Who was asked to go, and has not.
                    return;
                }
                if activity.idle_until(manners) > Instant::now() {
                    continue;
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        // What is being said may be said to its end; the door itself cuts off what takes too long.
        let farewell = if activity.is_idle() { IDLE_FAREWELL } else { manners.farewell };
        closing = Some(Instant::now() + farewell);
    }
}

fn builder(manners: Manners) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(manners.head)
        .max_buf_size(manners.head_bytes_max)
        .max_headers(manners.headers_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(manners.streams_max)
        .max_header_list_size(u32::try_from(manners.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(manners.ping))
        .keep_alive_timeout(manners.ping);
    builder
}

/// The answer, which counts as under way until its last byte is out.
fn counted(response: Response<Body>, underway: Underway) -> Response<Body> {
    response.map(|body| {
        let body = body.map_frame(move |frame: hyper::body::Frame<Bytes>| {
            let _ = &underway;
            frame
        });
        Body::new(body)
    })
}

/// What goes on in a connection.
#[derive(Debug)]
struct Activity {
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    underway: usize,
    asked: bool,
    since: Instant,
}

/// A request that is not answered to its end yet.
#[derive(Debug)]
struct Underway(Arc<Activity>);

impl Activity {
    fn new() -> Self {
        Self { now: Mutex::new(Now { underway: 0, asked: false, since: Instant::now() }) }
    }

    fn begin(this: &Arc<Self>) -> Underway {
        this.with(|now| {
            now.underway += 1;
            now.asked = true;
        });
        Underway(Arc::clone(this))
    }

    /// When it will have been silent for too long, if nothing is said until then.
    fn idle_until(&self, manners: Manners) -> Instant {
        self.with(|now| {
            let (since, span) = match (now.underway, now.asked) {
                (0, false) => (now.since, manners.head),
                (0, true) => (now.since, manners.idle),
                (_, _) => (Instant::now(), manners.idle),
            };
            since + span
        })
    }

    fn is_idle(&self) -> bool {
        self.with(|now| now.underway == 0)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Now) -> T) -> T {
        work(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.with(|now| {
            now.underway = now.underway.saturating_sub(1);
            now.since = Instant::now();
        });
    }
}
