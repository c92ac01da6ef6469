//! The document of the API, for machines and for people.

use crate::openapi::Reference;
use axum::Extension;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// How long a reader may keep it: it changes with the program only.
const CACHE: &str = "public, max-age=300";

pub(crate) async fn document(Extension(reference): Extension<Arc<Reference>>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, CACHE)];
    (headers, reference.json.clone()).into_response()
}

pub(crate) async fn page(Extension(reference): Extension<Arc<Reference>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, CACHE),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let mut response = (headers, reference.html.clone()).into_response();
    // Letters, digits and signs that a header may have.
    if let Ok(policy) = HeaderValue::try_from(&reference.policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
