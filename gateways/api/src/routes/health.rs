//! Probes and metrics: for machines, on the root of the router.

use super::json;
use crate::api::Api;
use crate::dto::{Check, Health, LogStatus, Ready, Statusz};
use crate::observe;
use crate::problem::Problem;
use crate::translate::status::projections;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use stele_projections::runner::{Handle, State, Status};

/// The text form that Prometheus reads.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most events that the tables of a ready desk may lack.
const READY_LAG_EVENTS_MAX: u64 = 1_000;

/// The process answers; nothing else is asked.
pub(crate) async fn livez(extract::State(api): extract::State<Arc<Api>>) -> Result<Response, Problem> {
    let (version, instance) = (api.build.version.clone(), api.build.instance.clone());
    json(&Health { status: "live".to_owned(), version, instance }, None)
}

/// Everything that the desk needs works.
pub(crate) async fn readyz(extract::State(api): extract::State<Arc<Api>>) -> Result<Response, Problem> {
    let (ready, checks) = readiness(&api).await;
    let response = json(&Ready { ready, checks }, None)?;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, response).into_response())
}

/// Whether everything works, and each part of it.
async fn readiness(api: &Api) -> (bool, Vec<Check>) {
    let mut checks = vec![];
    let head = api.log.head().await;
    checks.push(check("event_log", head.err().map(|error| error.to_string())));
    if let Some(status) = api.projections.as_ref().map(Handle::status) {
        checks.push(check("projections", lagging(&status)));
    }
    for role in (api.health)() {
        checks.push(check(role.service.name(), (!role.running).then_some(role.why)));
    }
    (checks.iter().all(|check| check.ok), checks)
}

/// Why the tables can't be relied on. A few events behind is the life of a busy desk.
fn lagging(status: &Status) -> Option<String> {
    let lag = status.head.0.saturating_sub(status.position().0);
    match &status.state {
        State::Live | State::CatchingUp | State::Draining if lag <= READY_LAG_EVENTS_MAX => None,
        State::Live | State::CatchingUp | State::Draining => Some(format!("{lag} events behind")),
        State::Starting => Some("starting".to_owned()),
        State::Paused => Some("paused".to_owned()),
        State::Ended => Some("ended".to_owned()),
        State::Blocked { why } => Some(format!("blocked: {why}")),
        State::Faulted { why } => Some(format!("faulted: {why}")),
    }
}

fn check(name: &str, why: Option<String>) -> Check {
    Check { name: name.to_owned(), ok: why.is_none(), detail: why.unwrap_or_default() }
}

/// Positions.
pub(crate) async fn statusz(extract::State(api): extract::State<Arc<Api>>) -> Result<Response, Problem> {
    let head = api.log.head().await;
    let statusz = Statusz {
        version: api.build.version.clone(),
        instance: api.build.instance.clone(),
        log: LogStatus { head: head.as_ref().map_or(0, |head| head.0), reachable: head.is_ok() },
        projections: projections(api.projections.as_ref().map(Handle::status)),
    };
    json(&statusz, None)
}

pub(crate) async fn metrics(extract::State(api): extract::State<Arc<Api>>) -> Response {
    observe::readiness(readiness(&api).await.0);
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], (api.metrics)()).into_response()
}
