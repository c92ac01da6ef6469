//! Probes and metrics: for machines, on the root of the router.

use super::json;
use crate::api::Api;
use crate::dto::{Check, Health, LogStatus, Problem, Ready, Statusz};
use crate::translate::status::projections;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use stele_projections::runner::Handle;

/// The text form that Prometheus reads.
const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process answers; nothing else is asked.
pub(crate) async fn livez(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let (version, instance) = (api.build.version.clone(), api.build.instance.clone());
    json(&Health { status: "live".to_owned(), version, instance }, None)
}

/// Everything that the desk needs works.
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let mut checks = vec![];
    let head = api.log.head().await;
    checks.push(check("event_log", head.err().map(|error| error.to_string())));
    if let Some(status) = api.projections.as_ref().map(Handle::status) {
        let told = projections(Some(status.clone()));
        let still = matches!(
            status.state,
            stele_projections::runner::State::Live | stele_projections::runner::State::Draining
        );
        let why = if told.why.is_empty() { told.state } else { format!("{}: {}", told.state, told.why) };
        checks.push(check("projections", (!still && status.position() < status.head).then_some(why)));
    }
    for role in (api.health)() {
        checks.push(check(role.service.name(), (!role.running).then_some(role.why)));
    }
    let ready = checks.iter().all(|check| check.ok);
    let response = json(&Ready { ready, checks }, None)?;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, response).into_response())
}

fn check(name: &str, why: Option<String>) -> Check {
    Check { name: name.to_owned(), ok: why.is_none(), detail: why.unwrap_or_default() }
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
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], (api.metrics)()).into_response()
}
