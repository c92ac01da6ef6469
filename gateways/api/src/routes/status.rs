//! The desk on one page, and one quote's whole story.

use super::{Answer, json};
use crate::api::Api;
use crate::desk;
use crate::params::{Params, Segment};
use crate::reading::Reading;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn status(State(api): State<Arc<Api>>, params: Params, reading: Reading) -> Answer {
    params.finish()?;
    let status = desk::status::status(&api, reading).await?;
    json(&status, status.as_of)
}

pub(crate) async fn trace(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    mut params: Params,
    reading: Reading,
) -> Answer {
    let reading = reading.with_as_of("as_of", params.take("as_of")?)?;
    params.finish()?;
    let trace = desk::status::trace(&api, &id, reading).await?;
    json(&trace, Some(trace.as_of))
}
