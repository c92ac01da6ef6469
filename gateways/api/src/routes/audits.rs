//! Audits: begin one, see how far it is, take its report.

use super::{Answer, json};
use crate::api::Api;
use crate::asked::Asked;
use crate::desk::audits;
use crate::dto;
use crate::params::{Params, Segment};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::Arc;

pub(crate) async fn start(State(api): State<Arc<Api>>, asked: Asked<dto::StartAudit>) -> Answer {
    let audit = audits::start(&api, asked.asking, asked.body).await?;
    json(&audit, None)
}

pub(crate) async fn list(State(api): State<Arc<Api>>, params: Params) -> Answer {
    params.finish()?;
    json(&dto::AuditsAnswer { audits: api.audits.list() }, None)
}

pub(crate) async fn get(State(api): State<Arc<Api>>, Segment(id): Segment, params: Params) -> Answer {
    params.finish()?;
    json(&audits::get(&api, audits::named(&id)?)?, None)
}

/// Byte for byte as it was signed.
pub(crate) async fn report(State(api): State<Arc<Api>>, Segment(id): Segment, params: Params) -> Answer {
    params.finish()?;
    let report = audits::report(&api, audits::named(&id)?)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], report).into_response())
}
