//! `grpc.health.v1`, bound to readiness: a desk that is not ready is not serving, whichever service is asked about.
//!
//! Everybody may ask, so asking costs nothing: the log is looked at once a second, however many do.

use super::methods::{METHODS, PREFIX};
use super::no;
use crate::api::{Api, Visitor};
use crate::desk::ready::ready;
use crate::desk::visit;
use crate::door::Peer;
use crate::doors::Room;
use crate::handover::handed_over;
use futures_util::Stream;
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// How often the health is looked at, however many ask.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The service over one desk.
pub(super) struct Service {
    api: Arc<Api>,
    eye: Arc<Eye>,
}

impl Service {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self { api: Arc::clone(api), eye: Arc::new(Eye { api: Arc::clone(api), seen: Mutex::default() }) }
    }
}

/// What was seen last.
struct Eye {
    api: Arc<Api>,
    /// Held while somebody looks: the others wait for what they see.
    seen: Mutex<Option<(Instant, ServingStatus)>>,
}

impl Eye {
    async fn look(&self) -> ServingStatus {
        let mut seen = self.seen.lock().await;
        if let Some((at, status)) = *seen
            && at.elapsed() < LOOK_EVERY
        {
            return status;
        }
        let ready = ready(&self.api).await.ready;
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        *seen = Some((Instant::now(), status));
        status
    }
}

type Watching = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Health for Service {
    type WatchStream = Watching;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = request.into_inner().service;
        if !known(&name) {
            let short: String = name.chars().take(80).collect();
            return Err(Status::not_found(format!("there is no service {short}")));
        }
        Ok(Response::new(told(self.eye.look().await)))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watching>, Status> {
        let who = visit::passer_by(request.extensions());
        let seat = self.api.doors.rooms.seat(Room::Watches, &who)?;
        let stop = stop_of(request.extensions());
        let stop = stop.ok_or_else(|| Status::internal("a watch was begun without a door"))?;
        let (eye, known) = (Arc::clone(&self.eye), known(&request.into_inner().service));
        let state = (eye, None, stop, seat);
        let changes = stream::unfold(state, move |(eye, last, mut stop, seat)| async move {
            loop {
                // The protocol wants an unknown service told, and watched: it could become known.
                let now = if known { eye.look().await } else { ServingStatus::ServiceUnknown };
                if last != Some(now) {
                    return Some((Ok(told(now)), (eye, Some(now), stop, seat)));
                }
                tokio::select! {
                    biased;
                    () = stop.requested() => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
        Ok(Response::new(Box::pin(handed_over(changes, None, || Err(no::stalled().into())))))
    }
}

/// When the door closes, as it said with the request.
fn stop_of(extensions: &tonic::Extensions) -> Option<Stop> {
    let vouched = extensions.get::<Visitor>().map(|visitor| visitor.stop.clone());
    vouched.or_else(|| extensions.get::<Peer>().map(|peer| peer.stop.clone()))
}

/// The whole desk, or one of its services: they are ready together.
fn known(service: &str) -> bool {
    let of_ours = |name: &str| METHODS.iter().any(|method| method.name.split('/').next() == Some(name));
    service.is_empty() || service.strip_prefix(PREFIX.trim_start_matches('/')).is_some_and(of_ours)
}

fn told(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
