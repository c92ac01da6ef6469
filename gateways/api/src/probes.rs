//! Probes for a process without doors: whether it lives, whether it is ready, and its metrics. For the machines that
//! look after it; nothing of the desk can be read or changed here.

use crate::api::{Build, RoleHealth};
use crate::desk::ready::readiness;
use crate::dto::Health;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use stele_domain::port::event_log::EventLog;
use stele_projections::runner::Handle;

/// The text form that Prometheus reads.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the probes look at.
pub struct Probes {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The runner of the projections, when it runs here.
    pub projections: Option<Handle>,
    /// How the roles of this process are.
    pub health: Arc<dyn Fn() -> Vec<RoleHealth> + Send + Sync>,
    /// The metrics, in the text form that Prometheus reads.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What runs here.
    pub build: Build,
}

/// `/livez`, `/readyz` and `/metrics`, for everybody who can reach them.
pub fn probes(probes: Probes) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(probes))
}

async fn livez(State(probes): State<Arc<Probes>>) -> Response {
    let (version, instance) = (probes.build.version.clone(), probes.build.instance.clone());
    Json(Health { status: "live".to_owned(), version, instance }).into_response()
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Response {
    let ready = readiness(&*probes.log, probes.projections.as_ref(), (probes.health)()).await;
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

async fn metrics(State(probes): State<Arc<Probes>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], (probes.metrics)()).into_response()
}
