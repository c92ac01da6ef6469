//! Every route. Names under `/v1` stay for ever; `README.md` lists them.

use crate::api::Api;
use crate::guard::{self, Gate};
use crate::problem::Problem;
use crate::routes::{control, follow, health, log, proof, reads, status, tables};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Extension, Router, middleware};
use std::sync::Arc;

/// The router over a running desk. A door serves it, and vouches for each request with a
/// [`Visitor`](crate::Visitor) in its extensions: [`serve_unix`](crate::serve_unix) is one.
pub fn router(api: Api) -> Router {
    let gate = Gate::new();
    let reads = reads_of().layer(middleware::from_fn_with_state(gate.clone(), guard::read));
    let wishes = wishes_of().layer(middleware::from_fn_with_state(gate.clone(), guard::wish));
    let streams =
        Router::new().route("/v1/log/follow", get(follow::follow)).route("/v1/proof", get(proof::proof));
    // A probe must be answered when everything else is full.
    let probes = Router::new().route("/livez", get(health::livez));
    Router::new()
        .merge(reads.merge(wishes).merge(streams).layer(middleware::from_fn(guard::vouched)))
        .merge(probes)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Extension(gate))
        .layer(middleware::from_fn(guard::observed))
        .with_state(Arc::new(api))
}

fn reads_of() -> Router<Arc<Api>> {
    Router::new()
        .route("/readyz", get(health::readyz))
        .route("/statusz", get(health::statusz))
        .route("/metrics", get(health::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/account", get(reads::account))
        .route("/v1/tables", get(tables::list))
        .route("/v1/tables/{table}", get(tables::page))
        .route("/v1/tables/{table}/dump", get(tables::dump))
        .route("/v1/trace/{id}", get(status::trace))
        .route("/v1/log/stat", get(log::stat))
        .route("/v1/log/events", get(log::events))
        .route("/v1/log/events/{position}", get(log::event))
        .route("/v1/log/checkpoint", post(log::checkpoint))
}

fn wishes_of() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/account/arm", post(control::arm))
        .route("/v1/account/disarm", post(control::disarm))
        .route("/v1/account/kill", post(control::kill))
        .route("/v1/limits", get(reads::limits).put(control::set_limits))
        .route("/v1/filter", put(control::set_filter).get(reads::filter).delete(control::reset_filter))
        .route("/v1/services/{service}/pause", post(control::pause))
        .route("/v1/services/{service}/resume", post(control::resume))
        .route("/v1/services/{service}/drain", post(control::drain))
        .route("/v1/services/{service}/refresh", post(control::refresh))
}

async fn no_route(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found("unknown-route", format!("there is nothing at {path}"))
}

async fn no_method(request: Request) -> Problem {
    let detail =
        format!("{} is not for {}: the Allow header says what is", request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
