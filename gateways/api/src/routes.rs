//! What stands behind each route. Each handler translates, asks the inside once, and translates back.

pub(crate) mod control;
pub(crate) mod follow;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod proof;
pub(crate) mod reads;
pub(crate) mod status;
pub(crate) mod tables;

use crate::problem::Problem;
use crate::reading::LOG_POSITION;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A JSON answer, with the position it is as of where there is one.
pub(crate) fn json<T: Serialize>(answer: &T, position: Option<u64>) -> Result<Response, Problem> {
    let body =
        serde_json::to_vec(answer).map_err(|error| Problem::internal(format!("no JSON form: {error}")))?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(position) = position {
        response.headers_mut().insert(LOG_POSITION, HeaderValue::from(position));
    }
    Ok(response)
}
