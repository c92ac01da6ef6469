//! `grpc.health.v1`, bound to readiness: a desk that is not ready is not serving, whichever service is asked about.

use super::methods::{METHODS, PREFIX};
use crate::api::{Api, Visitor};
use crate::desk::ready::ready;
use crate::door::Peer;
use futures_util::Stream;
use futures_util::stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// How often a watched health is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most health watches at the same time.
const WATCHES_MAX: usize = 16;

/// The service over one desk.
pub(super) struct Service {
    api: Arc<Api>,
    seats: Arc<tokio::sync::Semaphore>,
}

impl Service {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self { api: Arc::clone(api), seats: Arc::new(tokio::sync::Semaphore::new(WATCHES_MAX)) }
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
        Ok(Response::new(told(look(&self.api).await)))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watching>, Status> {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        let seat = seat.map_err(|_| Status::resource_exhausted("as many watch the health as may"))?;
        let stop = stop_of(request.extensions());
        let stop = stop.ok_or_else(|| Status::internal("a watch was begun without a door"))?;
        let (api, known) = (Arc::clone(&self.api), known(&request.into_inner().service));
        let state = (api, None, stop, seat);
        let changes = stream::unfold(state, move |(api, last, mut stop, seat)| async move {
            loop {
                // The protocol wants an unknown service told, and watched: it could become known.
                let now = if known { look(&api).await } else { ServingStatus::ServiceUnknown };
                if last != Some(now) {
                    return Some((Ok(told(now)), (api, Some(now), stop, seat)));
                }
                tokio::select! {
                    biased;
                    () = stop.requested() => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
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

async fn look(api: &Api) -> ServingStatus {
    if ready(api).await.ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn told(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
