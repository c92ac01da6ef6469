//! Read models: what there is, and pages of rows.

use super::{Answer, json, linked};
use crate::api::Api;
use crate::desk::tables::{self, Question};
use crate::params::{Params, Segment};
use crate::reading::Reading;
use axum::extract::State;
use axum::http::Uri;
use std::sync::Arc;

pub(crate) async fn list(State(api): State<Arc<Api>>, mut params: Params, reading: Reading) -> Answer {
    let reading = reading.with_as_of("as_of", params.take("as_of")?)?;
    params.finish()?;
    let list = tables::list(&api, reading).await?;
    json(&list, Some(list.as_of))
}

pub(crate) async fn page(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    uri: Uri,
    mut params: Params,
    reading: Reading,
) -> Answer {
    let reading = reading.with_as_of("as_of", params.take("as_of")?)?;
    let question = Question {
        order: params.take("order")?,
        limit: params.parse("limit", "a whole number")?,
        cursor: params.take("cursor")?,
        filters: params.rest(),
    };
    let page = tables::page(&api, &name, question, reading).await?;
    Ok(linked(json(&page, Some(page.as_of))?, &uri, page.next_cursor.as_deref()))
}

/// A page for the proof. Pages of one dump show one position only while the projections stand still: see the proof.
pub(crate) async fn dump(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    uri: Uri,
    mut params: Params,
    reading: Reading,
) -> Answer {
    let reading = reading.with_as_of("as_of", params.take("as_of")?)?;
    let cursor = params.take("cursor")?;
    params.finish()?;
    let page = tables::dump(&api, &name, cursor.as_deref(), reading).await?;
    Ok(linked(json(&page, Some(page.position))?, &uri, page.next_cursor.as_deref()))
}
