//! Services that other crates answer on the same port: who asks is found out here, what they may is the service's own
//! affair.

use super::no;
use crate::api::Api;
use crate::desk::visit;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tower::ServiceExt;

/// A service of another crate.
#[derive(Clone)]
pub struct Beside {
    /// What its methods' paths begin with: `/package.Service/`.
    pub prefix: &'static str,
    /// It finds the [`Caller`](stele_domain::access::Caller) in the extensions of every request.
    pub service: Router,
}

/// What is needed to pass a request on.
#[derive(Clone)]
pub(crate) struct Annex {
    pub(crate) api: Arc<Api>,
    pub(crate) beside: Option<Beside>,
}

/// Sends the calls of the service beside to it, in the caller's name; everything else goes on.
pub(crate) async fn passed_on(State(annex): State<Annex>, mut request: Request, next: Next) -> Response {
    let Some(beside) = annex.beside.filter(|beside| request.uri().path().starts_with(beside.prefix)) else {
        return next.run(request).await;
    };
    match visit::visitor(&annex.api, request.extensions(), request.headers()) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor.caller);
            // A router never fails: it answers.
            beside.service.oneshot(request).await.into_response()
        }
        Err(problem) => no::answer(&problem),
    }
}
