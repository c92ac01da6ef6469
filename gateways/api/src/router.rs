//! From the list of routes to a router. What each needs and where it leads stands in [`crate::routes::ROUTES`];
//! the document of the API is made from the same list.

use crate::api::Api;
use crate::grpc::beside::{self, Annex, Beside};
use crate::guard::{self, Entrance};
use crate::openapi::Reference;
use crate::problem::Problem;
use crate::routes::ROUTES;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::MethodRouter;
use axum::{Extension, Router, middleware};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The router over a running desk. Doors serve it, and say with each request who is at the other end:
/// [`UnixDoor`](crate::UnixDoor) and [`TcpDoor`](crate::TcpDoor) do.
pub fn router(api: Api) -> Router {
    router_beside(api, None)
}

/// The same with a gRPC service of another crate on the same port.
pub fn router_beside(api: Api, beside: Option<Beside>) -> Router {
    let api = Arc::new(api);
    let annex = Annex { api: Arc::clone(&api), beside };
    let reference = Reference::of(api.store.schemas(), &api.build.version);
    let mut paths: BTreeMap<&str, MethodRouter<Arc<Api>>> = BTreeMap::new();
    for route in &ROUTES {
        let entrance = Entrance { api: Arc::clone(&api), needs: route.needs, room: route.room };
        let handler = (route.handler)().layer(middleware::from_fn_with_state(entrance, guard::enter));
        let at = paths.remove(route.path).unwrap_or_default();
        paths.insert(route.path, at.merge(handler));
    }
    let grpc = crate::grpc::routes(&api);
    let router = paths.into_iter().fold(Router::new(), |router, (path, at)| router.route(path, at));
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Extension(Arc::new(reference)))
        .layer(middleware::from_fn(guard::observed))
        .with_state(api)
        .layer(middleware::from_fn_with_state(grpc, guard::dispatched))
        .layer(middleware::from_fn_with_state(annex, beside::passed_on))
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
