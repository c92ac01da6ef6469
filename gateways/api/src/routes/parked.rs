//! Events that projections could not take in: listed, looked at, tried again, skipped.

use super::control::written;
use super::{Answer, json};
use crate::api::Api;
use crate::asked::Asked;
use crate::desk::parked;
use crate::dto;
use crate::params::{Params, Segment, Segments};
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segment(projection): Segment,
    params: Params,
) -> Answer {
    params.finish()?;
    let answer = parked::list(&api, &projection).await?;
    json(&answer, Some(answer.as_of))
}

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments(projection, position): Segments,
    params: Params,
) -> Answer {
    params.finish()?;
    json(&parked::show(&api, &projection, &position).await?, None)
}

pub(crate) async fn retry(
    State(api): State<Arc<Api>>,
    Segments(projection, position): Segments,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&parked::retry(&api, asked.asking, (&projection, &position), asked.body).await?)
}

pub(crate) async fn skip(
    State(api): State<Arc<Api>>,
    Segments(projection, position): Segments,
    asked: Asked<dto::Reason>,
) -> Answer {
    written(&parked::skip(&api, asked.asking, (&projection, &position), asked.body).await?)
}
