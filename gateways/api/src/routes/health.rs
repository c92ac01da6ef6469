//! Probes and metrics: for machines, on the root of the router.

use super::json;
use crate::api::Api;
use crate::desk::ready::ready;
use crate::dto::{LogStatus, Statusz};
use crate::probes;
use crate::problem::Problem;
use crate::translate::status::projections;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;
use stele_projections::runner::Handle;

/// The process answers; nothing else is asked.
pub(crate) async fn livez(State(api): State<Arc<Api>>) -> Response {
    probes::alive(&api.build)
}

/// Everything that the desk needs works.
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    probes::readied(ready(&api).await)
}

/// Positions.
pub(crate) async fn statusz(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let head = api.log.head().await;
    let statusz = Statusz {
        version: api.build.version.clone(),
        instance: api.build.instance.clone(),
        log: LogStatus { head: head.as_ref().map_or(0, |head| head.0), reachable: head.is_ok() },
        projections: projections(api.projections.as_ref().map(Handle::status)),
    };
    json(&statusz, None)
}

pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    probes::measured(&ready(&api).await, &*api.metrics)
}
