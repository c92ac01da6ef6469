//! Rebuilds of read models: started, looked at, and cleaned up after.

use super::{Answer, json};
use crate::api::Api;
use crate::asked::Asked;
use crate::desk::rebuilds;
use crate::dto;
use crate::params::{Params, Segment};
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn start(
    State(api): State<Arc<Api>>,
    Segment(projection): Segment,
    asked: Asked<dto::StartRebuild>,
) -> Answer {
    json(&rebuilds::start(&api, asked.asking, &projection, asked.body).await?, None)
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segment(projection): Segment,
    params: Params,
) -> Answer {
    params.finish()?;
    json(&rebuilds::list(&api, &projection).await?, None)
}

pub(crate) async fn drop_old(
    State(api): State<Arc<Api>>,
    Segment(projection): Segment,
    asked: Asked<dto::Reason>,
) -> Answer {
    json(&rebuilds::drop_old(&api, asked.asking, &projection, asked.body).await?, None)
}
